"""A run with several seeds of its stages: each is trained and asked apart, and all are one stage to the statistics."""

import csv
import json
from pathlib import Path

import pytest

from pluralign.run import plan
from pluralign.run.execute import execute
from pluralign.run.families import against_of
from pluralign.run.following import held_against
from pluralign.run.parts import Prepared
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

RUN = """
base = "{base}"
[data.voices]
rows = "voices.jsonl"
held_out = 0.3
[[stage]]
name = "sft"
method = "sft"
data = "voices"
max_steps = 1
learning_rate = 1e-2
[[stage]]
name = "dpo"
method = "dpo"
from = "sft"
data = "voices"
max_steps = 1
[sweep]
seed = [3, 4]
"dpo.beta" = [0.1, 0.5]
[[audit]]
uses = "preferences"
data = "voices"
"""


@pytest.fixture
def prepared(tmp_path: Path, tiny) -> Prepared:
    base = tiny.save_model(tmp_path / "base", "llama", bos=True)
    rows = [
        {"prompt": f"tell {n} ", "chosen": "the", "rejected": "in", "group": "ab"[n % 2], "prompt_id": str(n)}
        for n in range(40)
    ]
    (tmp_path / "voices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "run.toml").write_text(RUN.format(base=base), encoding="utf-8")
    return prepare(read(tmp_path / "run.toml"), tmp_path / "runs")


def test_seeds_are_trained_apart_and_estimated_as_one_stage(prepared: Prepared) -> None:
    execute(prepared, command="test")
    names = [rung.stage.name for rung in prepared.rungs]
    assert names[:3] == ["base", "sft.seed_3", "sft.seed_4"]
    assert len(names) == 1 + 2 + 4
    assert prepared.rung("dpo.beta_0.5.seed_4").stage.parents == ("sft.seed_4",)
    orders = {_first_loss(prepared, f"sft.seed_{seed}") for seed in (3, 4)}
    assert len(orders) == 2, "two seeds train on other batches"
    estimates = _table(prepared, "estimates")
    assert {(row["stage"], row["seed"]) for row in estimates} == {
        ("base", "0"),
        *((stage, seed) for stage in ("sft", "dpo.beta_0.1", "dpo.beta_0.5") for seed in ("3", "4")),
    }
    ways = {(row["from_stage"], row["to_stage"], row["seed"]) for row in _table(prepared, "changes")}
    assert {("base", "sft", "3"), ("base", "sft", "4"), ("sft", "dpo.beta_0.5", "4")} <= ways
    assert all("seed_" not in stage for way in ways for stage in way)
    page = (prepared.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "seed 4" in page
    assert all(step.state == "done" for step in plan.steps(prepared))
    over = [row for row in _table(prepared, "seeds") if (row["from_stage"], row["to_stage"]) == ("base", "sft")]
    assert {row["group"] for row in over if row["slice"] == "group"} == {"a", "b", "all"}
    assert all(row["seeds"] == "2" and row["method_low"] == "" for row in over)
    assert "nothing is said of the method" in page
    assert "Of the method nothing can be said: that takes at least 3 training seeds." in page
    assert "What is said of sft, dpo.beta_0.1 and dpo.beta_0.5 holds for these models" in page
    verdicts = json.loads((prepared.folder / "report" / "verdicts.json").read_text(encoding="utf-8"))
    assert all((row["seeds"], row["method"]) == (2, None) for row in verdicts)


def test_the_first_reward_model_is_not_held_against_a_seed_of_its_own(prepared: Prepared) -> None:
    path = prepared.file.path
    rewards = "".join(f'[[stage]]\nname = "{name}"\nmethod = "reward"\ndata = "voices"\n' for name in ("one", "two"))
    path.write_text(path.read_text(encoding="utf-8").replace("[sweep]", rewards + "[sweep]"), encoding="utf-8")
    run = prepare(read(path), prepared.folder.parent)
    assert against_of(held_against(run), run.file.families) == {
        "sft": "base",
        "dpo.beta_0.1": "sft",
        "dpo.beta_0.5": "sft",
        "two": "one",
    }


def _first_loss(prepared: Prepared, stage: str) -> float:
    entry = prepared.rung(stage).entry
    assert entry is not None
    log = (entry.folder(prepared.folder) / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return next(record["loss"] for record in map(json.loads, log) if record["event"] == "step")


def _table(prepared: Prepared, name: str) -> list[dict[str, str]]:
    with (prepared.folder / "report" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
