"""What a stage wrote is put to itself and to its reference: asked once, kept, planned, foreseen, and read."""

import csv
import json
import re
from math import isnan

import pyarrow.parquet
import pytest

from pluralign.asking import ask
from pluralign.run import answers, plan
from pluralign.run.execute import execute, forecast_only, report_only
from pluralign.run.parts import Prepared
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

PROMPTS = 24
STAGES = """
[[stage]]
name = "same"
model = "{base}"
[[stage]]
name = "other"
model = "{other}"
from = "same"
"""
RUN = """
base = "{base}"
{stages}
[[audit]]
name = "kl"
uses = "{uses}"
rows = "rows.jsonl"
max_completion_length = 2
"""
OWN = """
from dataclasses import dataclass
from pluralign.records.item import Choose, Item, Write
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading

VERSION, DESCRIPTION, MEASURES = 1, "Did it write anything?", {"agreed": Measure("share")}

@dataclass(frozen=True, kw_only=True)
class Options:
    max_completion_length: int = 2

def items(rows, options):
    for number, row in enumerate(rows):
        ask = Write(prompt=row["prompt"], max_tokens=options.max_completion_length)
        yield Item(id=str(number), asks=(ask,), slices={"group": row["group"]}, cluster=str(number))

def follow(item, replies, options):
    return tuple(Choose(prompt=f"{reply.text!r}: ", options=("y", "n")) for reply in replies)

def read(item, replies, options):
    yield Reading(measure="agreed", value=float([reply.ask for reply in replies] == [0, 1]))
"""


@pytest.fixture(scope="module")
def models(tiny, tmp_path_factory):
    where = tmp_path_factory.mktemp("models")
    return {
        name: tiny.save_model(where / name, "llama", seed=seed, bos=True) for seed, name in enumerate(("base", "other"))
    }


def make(folder, models, *, stages=STAGES, limit=None, uses="kl") -> Prepared:
    rows = [
        {"prompt": f"tell {number}:", "group": "ab"[number % 2], "language": "en", "prompt_id": str(number)}
        for number in range(PROMPTS)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "run.toml"
    path.write_text(RUN.format(stages=stages.format(**models), uses=uses, **models), encoding="utf-8")
    return prepare(read(path), folder / "runs", limit)


@pytest.fixture(scope="module")
def done(models, tmp_path_factory):
    """A run that is whole; tests leave it as it was."""
    folder = tmp_path_factory.mktemp("done")
    prepared = make(folder, models)
    execute(prepared, command="test")
    return prepared


def readings(prepared: Prepared, measure: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in pyarrow.parquet.read_table(prepared.folder / "report/readings.parquet").to_pylist():
        if row["measure"] == measure and row["slice"] == "group":
            found.setdefault(row["stage"], []).append(row["value"])
    return found


def kept(prepared: Prepared) -> dict[str, list[str]]:
    return {
        str(path.relative_to(prepared.folder)): path.read_text(encoding="utf-8").splitlines()
        for path in sorted(prepared.folder.glob("audits/*/*.jsonl"))
    }


def states(prepared: Prepared) -> dict[str, str]:
    return {step.what: step.state for step in plan.steps(prepared)}


def test_a_model_does_not_diverge_from_itself(done):
    found = readings(done, "kl")
    assert list(found) == ["same", "other"], "the base has no reference"
    known = [value for value in found["same"] if not isnan(value)]
    assert len(known) > PROMPTS / 8
    assert max(map(abs, known)) < 1e-4
    assert len(found["same"]) == len(found["other"]) == PROMPTS, "what cannot be scored is missing, not left out"
    assert sum(value for value in found["other"] if not isnan(value)) > 1
    assert all(value > 0 for values in readings(done, "entropy").values() for value in values if not isnan(value))


def test_each_group_has_its_estimate_and_no_change_is_claimed(done):
    with (done.folder / "report/estimates.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "kl"]
    assert {(row["stage"], row["slice"], row["group"]) for row in rows} >= {
        (stage, "group", group) for stage in ("same", "other") for group in ("a", "b", "all")
    }
    with (done.folder / "report/changes.csv").open(encoding="utf-8", newline="") as file:
        assert {row["measure"] for row in csv.DictReader(file)} == {"entropy"}


def test_a_rerun_asks_nothing(done, monkeypatch):
    assert set(states(done).values()) == {"done"}
    before = kept(done)
    monkeypatch.setattr(answers.loading, "load", lambda *_: pytest.fail("a model was loaded"))
    execute(done, command="test")
    assert kept(done) == before


def test_what_was_cut_off_goes_on_where_it_stopped(models, tmp_path):
    prepared = make(tmp_path, models)
    execute(prepared, command="test")
    before = kept(prepared)
    torn = next(path for path, lines in before.items() if re.search("followed-.*/same", path) and len(lines) > 3)
    path = prepared.folder / torn
    path.write_bytes(path.read_bytes()[:-9])
    partial = [what for what, state in states(prepared).items() if state == "partial"]
    assert len(partial) == 1
    assert re.fullmatch("audit kl of (same|other): what it wrote, by same", partial[0])
    execute(prepared, command="test")
    after = kept(prepared)
    assert after[torn][:-1] == before[torn][:-1]
    first, second = (ask.decode(lines[torn][-1]) for lines in (before, after))
    assert (first.item, first.ask) == (second.item, second.ask)
    assert first.logprobs == pytest.approx(second.logprobs, abs=1e-4)
    assert after | {torn: []} == before | {torn: []}


def test_a_plan_knows_what_will_follow_before_anything_is_written(models, tmp_path):
    prepared = make(tmp_path, models)
    said = plan.describe(prepared)
    assert "missing  audit kl of other: what it wrote, by same: follows when other has written" in said
    assert "8 of 8 steps to do" in said, "three stages write, each scores its own, two are held against others"


def test_a_shortened_audit_follows_what_it_asked_and_a_longer_one_goes_on(models, tmp_path):
    short = make(tmp_path, models, limit=10)
    execute(short, command="test")
    few = kept(short)
    assert {len(lines) for path, lines in few.items() if "followed" not in path} == {10}
    assert max(len(lines) for path, lines in few.items() if "followed" in path) <= 10
    whole = make(tmp_path, models)
    assert "done" not in {state for what, state in states(whole).items() if "audit" in what}
    execute(whole, command="test")
    for path, lines in kept(whole).items():
        assert lines[: len(few[path])] == few[path]


def test_the_forecast_counts_what_will_follow(models, tmp_path):
    """From an audit of one's own, of which something follows from every reply."""
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    prepared = make(tmp_path, models, uses="own.py")
    lines = forecast_only(prepared, command="test").splitlines()
    prompts = {line.split()[0]: int(line.split()[1]) for line in lines[:-1]}
    assert list(prompts) == ["base", "same", "other"]
    for name, stages in (("base", 2), ("same", 2), ("other", 1)):
        assert prompts[name] == PROMPTS * (1 + stages), name
    execute(prepared, command="test")
    assert set(states(prepared).values()) == {"done"}
    assert set(readings(prepared, "agreed")["other"]) == {1.0}


def test_replies_that_are_not_there_are_told_and_make_no_number(models, tmp_path):
    prepared = make(tmp_path, models)
    execute(prepared, command="test")
    for path in prepared.folder.glob("audits/kl.followed-*/same.jsonl"):
        if json.loads(path.with_name("made_of.json").read_text(encoding="utf-8"))["follows"] == "other":
            path.unlink()
    report_only(prepared, command="test")
    page = (prepared.folder / "report/index.html").read_text(encoding="utf-8")
    assert re.search(r"kl: (\d+) of \1 replies of same to what other wrote are missing", page)
    assert "kl: no &#34;kl&#34;, &#34;kl_per_token&#34; from other." in page
    assert list(readings(prepared, "kl")) == ["same"]


def test_without_a_reference_the_report_has_no_divergence(models, tmp_path):
    prepared = make(tmp_path, models, stages="")
    execute(prepared, command="test")
    page = (prepared.folder / "report/index.html").read_text(encoding="utf-8")
    assert "Entropy of what the stage writes" in page
    assert "KL divergence of what the stage" not in page
    assert "not audited" not in page
