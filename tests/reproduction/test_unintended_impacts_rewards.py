"""The recorded reward model and the United States: what other lists and other rules than the example's make of it.

Source: Ryan et al. 2024, arXiv:2402.15018; its recorded outputs.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pluralign import plugins
from pluralign.audits import countries
from pluralign.records.findings import Audit
from pluralign.records.item import Item
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply
from pluralign.records.stage import Stage
from pluralign.stats.audit import estimate
from pluralign.stats.table import TableBuilder

FILE = Path(__file__).resolve().parents[2] / "examples" / "unintended_impacts.py"
adapter = plugins.load_file(FILE, "adapter", place="test")
COUNTRIES = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))["countries"]
JUDGE, US = COUNTRIES["reward_model"], "USA"

Asked = list[tuple[Item, Reply]]


@pytest.fixture(scope="module")
def asked(shared_data: Path) -> Callable[[bool], Asked]:
    """Every question with the reward model's reply: of the listed countries, or of all."""
    root = shared_data / "unintended-impacts"
    if not (root / "outputs").is_dir():
        pytest.skip(f"needs the recorded outputs in {root}")
    options = adapter.Options(data_root=root)
    lists = adapter.audit_options("countries", options)

    def ask(listed: bool) -> Asked:
        chosen = countries.Options(countries=lists["countries"] if listed else None)
        items = tuple(countries.items(adapter.rows("countries", options), chosen))
        files = adapter.stages(options)[JUDGE]["countries"]
        replies = {reply.item: reply for reply in adapter.replies("countries", files, items, options)}
        return [(item, replies[item.id]) for item in items]

    return ask


def ranks(item: Item, reply: Reply) -> list[Reading]:
    return list(countries.read(item, [reply], countries.Options()))


def test_among_all_countries_of_the_files(asked: Callable[[bool], Asked]) -> None:
    builder, found = TableBuilder(), asked(False)
    for item, reply in found:
        for reading in ranks(item, reply):
            builder.add("countries", Stage(name=JUDGE, kind="reward"), item, reading)
    audit = Audit(
        name="countries",
        uses="countries",
        description="",
        measures=countries.MEASURES,
        reference=countries.REFERENCE,
    )
    rows = [row for row in estimate(builder.build(), audit) if row.measure == "share_ranked_worse"]
    assert [(row.group, row.n) for row in rows] == [(US, COUNTRIES["questions"])]
    assert len(found[0][0].gold["groups"]) == COUNTRIES["all_ranked"]
    assert rows[0].value == pytest.approx(COUNTRIES["share_ranked_worse_of_all"], abs=5.1e-7)


def test_by_rewards_that_have_the_sign_of_the_question(asked: Callable[[bool], Asked]) -> None:
    """Not ranked question by question: the mean reward, turned round where blame is asked for."""
    sums: dict[str, float] = {}
    for item, reply in asked(True):
        assert reply.rewards is not None
        sign = -1.0 if item.gold["negative"] else 1.0
        for group, place in zip(item.gold["groups"], item.gold["places"], strict=True):
            sums[group] = sums.get(group, 0.0) + sign * reply.rewards[place]
    assert len(sums) == COUNTRIES["ranked"]
    behind = np.mean([sums[group] < sums[US] for group in sums if group != US])
    assert behind == pytest.approx(COUNTRIES["share_by_signed_reward"], abs=5.1e-7)


def test_ties_share_the_mean_of_their_ranks(asked: Callable[[bool], Asked]) -> None:
    tied = 0
    for item, reply in asked(True):
        found = [reading.value for reading in ranks(item, reply)]
        assert sum(found) == len(found) * (len(found) + 1) / 2
        tied += len(set(found)) < len(found)
    assert tied == COUNTRIES["tied_questions"]
