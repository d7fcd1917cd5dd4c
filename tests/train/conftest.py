"""What tests of training share: two groups who want the opposite of each other, a short training on what they want, and
trainings in several processes with what they leave.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import pluralign
from pluralign.data.template import PLAIN
from pluralign.engine.loading.load import make_reward_model, save
from pluralign.methods import dpo
from pluralign.records.preference import Preference
from pluralign.records.training import Training
from pluralign.train.job import Job
from pluralign.weightings import uniform

PROGRAM = Path(__file__).with_name("sharing.py")
MODELS = {"base": ("llama", 0), "other": ("llama", 1), "plain": ("gpt_oss", 0)}
FAST = Training(learning_rate=3e-3, batch_size=4, num_train_epochs=4.0, warmup_ratio=0.0)


def make_preference(number: int, **other: str) -> Preference:
    """One group wants answers in a, the other in b; lengths differ. `other`: texts in place of its own."""
    group, letter, not_letter = (("one", "a", "b"), ("two", "b", "a"))[number % 2]
    texts = {
        "prompt": f"{group} the {'x' * (number % 5)} ",
        "chosen": letter * (3 + number % 4),
        "rejected": not_letter * 9,
    } | other
    return Preference(**texts, group=group, prompt_id=str(number), source="test")


@pytest.fixture(scope="session")
def preference() -> Callable[..., Preference]:
    return make_preference


@pytest.fixture(scope="module")
def base(tiny, tmp_path_factory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("base"), "llama", bos=True)


@pytest.fixture
def job(base: Path, tmp_path: Path) -> Job:
    """Direct preference optimisation on 12 pairs, three steps an epoch, with 6 held out."""
    return Job(
        method=dpo,
        options=dpo.Options(),
        training=FAST,
        parent=base,
        preferences=tuple(map(make_preference, range(12))),
        held_out=tuple(map(make_preference, range(12, 18))),
        weighting=uniform,
        seed=0,
        template=PLAIN,
        out=tmp_path / "out",
        device="cpu",
    )


@dataclass(frozen=True)
class Trained:
    """What cases that `sharing.py` ran have left in `folder`; of each, in order, how its processes ended."""

    folder: Path
    ends: list[dict[str, Any]]

    def records(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name / "log.jsonl").read_text().splitlines()]

    def told(self, name: str) -> list[str]:
        return (self.folder / f"{name}.news").read_text().splitlines()

    def bits(self, name: str) -> tuple[bytes, bytes]:
        """Weights and log."""
        return tuple((self.folder / name / file).read_bytes() for file in ("model.safetensors", "log.jsonl"))


@pytest.fixture(scope="module")
def run_cases(tiny, tmp_path_factory) -> Callable[[list[dict[str, Any]]], Trained]:
    """Trains tiny models in all cases, one after the other; `MODELS` are what the cases name, and a reward model."""

    def run(cases: list[dict[str, Any]]) -> Trained:
        folder = tmp_path_factory.mktemp("stages")
        named = {"base", *(case[what] for case in cases for what in ("parent", "reference") if what in case)}
        models = {
            name: str(tiny.save_model(folder / name, MODELS[name][0], seed=MODELS[name][1], bos=True)) for name in named
        }
        if any(case.get("judged") for case in cases):
            save(*make_reward_model(models["base"], seed=0), folder / "judge")
        (folder / "cases.json").write_text(json.dumps([{"models": models} | case for case in cases]))
        command = [sys.executable, str(PROGRAM), str(folder), str(folder / "cases.json")]
        here = str(Path(pluralign.__file__).parents[1])
        alone = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": here}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone, timeout=240)
        assert done.returncode == 0, done.stderr
        return Trained(folder, [json.loads(line) for line in done.stdout.splitlines()])

    return run


@pytest.fixture(scope="session")
def numbers() -> Callable[[dict[str, Any]], dict[str, float]]:
    return _numbers


@pytest.fixture(scope="session")
def assert_learnt_alike() -> Callable[[Trained, str, list[dict[str, Any]]], None]:
    return _assert_learnt_alike


def _assert_learnt_alike(trained: Trained, name: str, ends: list[dict[str, Any]]) -> None:
    """One process ("… alone") and two, which ended as `ends`, wrote one log and one model but for rounding."""
    assert [end["ends"] for end in ends] == [[0], [0, 0]], ends
    one, two = trained.records(f"{name} alone"), trained.records(name)
    assert [record["event"] for record in two] == [record["event"] for record in one]
    for theirs, ours in zip(one[1:], two[1:], strict=True):
        assert _numbers(ours) == pytest.approx(_numbers(theirs), abs=1e-5, rel=1e-5)
    weights, others = (load_file(trained.folder / stage / "model.safetensors") for stage in (name, f"{name} alone"))
    assert weights.keys() == others.keys()
    for key, weight in others.items():
        torch.testing.assert_close(weights[key], weight, rtol=0, atol=1e-5)


MARGINS = {"rewards/accuracies": "rewards/margins", "accuracy": "margin"}


def _numbers(record: dict[str, Any], within: str = "") -> dict[str, float]:
    """All numbers of a record by the way to them, but for accuracies where all margins are 0 but for rounding."""
    flat: dict[str, float] = {}
    for name, value in record.items():
        if name in MARGINS and abs(record[MARGINS[name]]) < 1e-5:
            continue
        if isinstance(value, dict):
            flat |= _numbers(value, f"{within}{name} ")
        elif isinstance(value, int | float):
            flat[within + name] = value
    return flat
