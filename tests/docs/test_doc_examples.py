"""The examples of the documentation do what the text around them says."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pluralign import plugins
from pluralign.engine.batch import Batch
from pluralign.records.preference import LeftOut, Preference
from pluralign.records.row import Row
from pluralign.run.voices import gather
from pluralign.runfile.read import read
from pluralign.train.rewarding import FunctionReward, Written

Example = Callable[[str, str, str], str]
Page = Callable[[str], str]


def load(text: str, folder: Path, kind: str) -> ModuleType:
    (folder / "mine.py").write_text(text, encoding="utf-8")
    return plugins.load_file(folder / "mine.py", kind, place="here")


def test_the_readmes_run_file_takes_the_readmes_row(example: Example, page: Page, tmp_path: Path) -> None:
    (row,) = (line.strip() for line in page("README.md").splitlines() if line.startswith('    {"prompt"'))
    rows = [json.loads(row) | {"prompt": f"{n}?", "country": ("india", "us")[n % 2]} for n in range(40)]
    (tmp_path / "voices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "mine.toml").write_text(example("README.md", "toml", "[data.voices]"), encoding="utf-8")
    file = read(tmp_path / "mine.toml")
    (voices,) = gather(file)
    assert {pair.group for pair in voices.train} == {"india", "us"}
    assert [stage.name for stage in file.stages] == ["sft", "dpo", "released"]


def test_the_readmes_sweep_makes_the_stage_that_it_names(example: Example, page: Page, tmp_path: Path) -> None:
    sweep = page("README.md").partition("    [sweep]\n")[2].partition("\n\n")[0]
    text = f"{example('README.md', 'toml', '[data.voices]')}[sweep]\n{sweep}\n"
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert "dpo.beta_0.05.seed_1" in {stage.name for stage in read(tmp_path / "mine.toml").stages}


def test_a_stage_may_say_what_the_page_on_training_shows(page: Page, tmp_path: Path) -> None:
    stage = page("docs/training.md").partition("    [[stage]]\n")[2].partition("\n\n")[0]
    head = (
        'base = "sandbox"\n[data.voices]\nrows = "sandbox"\n[[stage]]\nname = "sft"\nmethod = "sft"\ndata = "voices"\n'
    )
    (tmp_path / "mine.toml").write_text(f"{head}[[stage]]\n{stage}\n", encoding="utf-8")
    assert [stage.name for stage in read(tmp_path / "mine.toml").stages] == ["sft", "dpo"]


def test_a_loss_of_ones_own_is_the_papers(example: Example, tmp_path: Path) -> None:
    ipo = load(example("docs/training.md", "python", "losses(batch"), tmp_path, "methods")
    assert ipo.completions(Preference(prompt="", chosen="c", rejected="r", group="", prompt_id="", source="")) == (
        "c",
        "r",
    )
    scores = torch.tensor([[-1.0, -6.0], [-1.0, -1.0]], requires_grad=True)
    batch = Batch(scores=scores, reference=torch.zeros(2, 2), tokens=torch.ones(2, 2, dtype=torch.long))
    found = ipo.losses(batch, ipo.Options(beta=0.1))
    assert found.per_pair.tolist() == pytest.approx([0.0, 25.0])
    found.per_pair.sum().backward()
    assert scores.grad is not None
    assert scores.grad[1, 0] < 0 < scores.grad[1, 1], "what is behind is lifted"
    assert set(found.metrics) == set(ipo.METRICS)


def test_a_reward_of_ones_own_prefers_the_brief(example: Example, tmp_path: Path) -> None:
    rewards = load(example("docs/training.md", "python", "def brief"), tmp_path, "function")
    preference = Preference(prompt="One?", chosen="", rejected="", group="g", prompt_id="p", source="s")
    written = [Written(preference, ("long " * 9, "brief"))]
    ((long, brief),) = FunctionReward(name="brief", function=rewards.brief).rewards(written)
    assert brief > long


def test_a_source_of_ones_own_gives_preferences(example: Example, tmp_path: Path) -> None:
    source = load(example("docs/data.md", "python", "def load"), tmp_path, "sources")
    row = {"question": "q", "a": "one", "b": "two", "rater_country": "india", "language": "hi", "question_id": "7"}
    rows: list[Row] = [row | {"winner": winner} for winner in ("b", "tie")]
    better, tie = source.load(rows, source_options := plugins.options_of(source)(), "file")
    assert source_options == plugins.NoOptions()
    assert isinstance(better, Preference)
    assert (better.chosen, better.rejected, better.group, better.prompt_id) == ("two", "one", "india", "7")
    assert tie == LeftOut(why="tie")


@pytest.mark.parametrize(
    ("verdict", "detectable", "said"),
    [
        ("gain", "0.5", None),
        ("inconclusive", "0.01", None),
        ("loss", "0.01", "lost: country india: -0.1; too few items to tell: nobody"),
        ("inconclusive", "0.03", "lost: nobody; too few items to tell: india"),
        ("inconclusive", "", "lost: nobody; too few items to tell: india"),
    ],
)
def test_the_gate_lets_through_what_nobody_loses_by(
    example: Example, tmp_path: Path, verdict: str, detectable: str, said: str | None
) -> None:
    report = tmp_path / "runs" / "mine" / "report"
    report.mkdir(parents=True)
    row = {"measure": "accuracy", "to_stage": "dpo", "slice": "country", "group": "india", "gain": "-0.1"}
    with (report / "changes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*row, "verdict", "minimum_detectable"])
        writer.writeheader()
        writer.writerow(row | {"verdict": verdict, "minimum_detectable": detectable})
        writer.writerow(row | {"to_stage": "sft", "verdict": "loss", "minimum_detectable": ""})
    gate = example("docs/report.md", "python", "sys.exit")
    done = subprocess.run([sys.executable, "-c", gate], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == ((0, "") if said is None else (1, said))
