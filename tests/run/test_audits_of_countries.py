"""Audits of countries and opinions in whole runs, on tiny models and a reward model, and what a run says of them."""

import csv
import json
from pathlib import Path

import pytest

from pluralign.engine.loading.load import make_reward_model, save
from pluralign.errors import InputError
from pluralign.run import plan
from pluralign.run.execute import execute
from pluralign.run.prepare import prepare
from pluralign.runfile.read import check, read

OPINIONS = [
    {
        "question": f"Is the {thing} good?",
        "options": ["Good", "Bad"],
        "selections": {"Jordan": [share, 1 - share], "U.S.": [0.5, 0.5], "Mali (Non-national sample)": [1, 0]},
    }
    for thing, share in (("cat", 0.1), ("hat", 0.9), ("bat", 0.5), ("mat", 0.3), ("rat", 0.7), ("fat", 0.2))
]
RUN = """
base = "llama"
dtype = "float32"
[[stage]]
name = "reward"
model = "reward"
[[audit]]
uses = "countries"
rows = "sandbox"
countries = ["US", "Mali", "Peru", "Norway", "Northern Cyprus"]
[[audit]]
uses = "where_from"
countries = "list.csv"
[[audit]]
uses = "global_opinions"
rows = "opinions.jsonl"
countries = ["Jordan", "United States"]
permutations = 2
"""


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    where = tmp_path_factory.mktemp("countries")
    tiny.save_model(where / "llama", "llama", bos=True)
    save(*make_reward_model(where / "llama", seed=1), where / "reward")
    (where / "opinions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in OPINIONS), encoding="utf-8")
    (where / "list.csv").write_text("country\nMali\nUnited States\n", encoding="utf-8")
    (where / "run.toml").write_text(RUN, encoding="utf-8")
    return where


def columns(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_models_and_reward_models_answer_and_the_report_has_every_country(folder, tmp_path) -> None:
    prepared = prepare(read(folder / "run.toml"), tmp_path)
    assert "countries: without an ISO 3166 code, so under their own names: Northern Cyprus." in prepared.notices
    execute(prepared, command="test")
    rows = columns(tmp_path / "run" / "report" / "estimates.csv")
    found = {(row["audit"], row["measure"], row["stage"], row["group"]): row for row in rows}
    ranks = [
        found["countries", "mean_rank", "base", group] for group in ("USA", "MLI", "PER", "NOR", "Northern Cyprus")
    ]
    assert sum(float(row["value"]) for row in ranks) == pytest.approx(15)
    assert all(row["n"] == "20" and row["low"] and row["relative_to"] == "USA" for row in ranks)
    assert ("countries", "reward_mean_rank", "reward", "PER") in found
    assert ("countries", "reward_mean_rank", "base", "PER") not in found
    standing = [row for row in rows if row["measure"] == "share_ranked_worse"]
    assert [(row["stage"], row["group"]) for row in standing] == [("base", "USA"), ("reward", "USA")]
    for row in standing:
        assert float(row["value"]) in (0, 0.25, 0.5, 0.75, 1)
    alone = found["where_from", "reward", "reward", "MLI"]
    assert alone["value"]
    assert not alone["low"]
    assert not alone["gap_p"]
    like = found["global_opinions", "similarity", "base", "JOR"]
    assert 0.16 < float(like["value"]) <= 1
    assert like["n"] == "6"
    assert ("global_opinions", "position_bias", "reward", "2 options") in found
    page = (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Norway" in page


def test_any_country_can_be_the_reference(folder, tmp_path) -> None:
    table = {"base": "llama", "audit": [{"uses": "countries", "rows": "sandbox", "reference_group": "PER"}]}
    prepared = prepare(check(table, folder / "other.toml"), tmp_path)
    assert prepared.exams[0].reference == {"country": "PER"}
    table["audit"][0]["reference_group"] = "PERU"
    with pytest.raises(InputError, match='reference_group: unknown group "PERU"; did you mean "PER"'):
        prepare(check(table, folder / "other.toml"), tmp_path)


def test_a_list_is_known_by_what_it_holds_and_a_survey_asks_nothing_anew(folder, tmp_path) -> None:
    def key(text: str, **options: object) -> str:
        path = tmp_path / "list.csv"
        path.write_text(text, encoding="utf-8")
        (tmp_path / "survey.csv").write_text("rank,country\n1,Mali\n", encoding="utf-8")
        part = {"uses": "countries", "rows": "sandbox", "countries": "list.csv", **options}
        prepared = prepare(check({"base": str(folder / "llama"), "audit": [part]}, tmp_path / "a.toml"), tmp_path)
        return plan.audit_entry(prepared.rungs[0], prepared.exams[0], prepared).key

    first = key("country\nMali\nPeru\n")
    assert key("country\nMali\nPeru\n", countries=str(tmp_path / "list.csv")) == first
    assert key("country\nMali\nPeru\n", survey="survey.csv") == first
    assert key("", countries=["Mali", "Peru"]) == first
    assert key("country\nMali\nNorway\n") != first


@pytest.mark.parametrize(
    ("audit", "option", "value", "complaint"),
    [
        ("countries", "countries", 3, 'option "countries" = 3'),
        ("countries", "survey", ["a.csv"], 'option "survey" = ['),
        ("global_opinions", "countries", "Jordan", 'option "countries" = '),
        ("global_opinions", "countries", ["Jordan", 3], 'option "countries.1" = 3'),
        ("global_opinions", "permutations", 0, "permutations must be at least 1, not 0"),
    ],
)
def test_options_of_several_types_are_refused_by_their_name(
    audit: str, option: str, value: object, complaint: str
) -> None:
    table = {"base": "sandbox", "audit": [{"uses": audit, "rows": "sandbox", option: value}]}
    with pytest.raises(InputError) as caught:
        check(table, Path("run.toml"))
    assert f'run.toml: audit "{audit}": {complaint}' in str(caught.value)
