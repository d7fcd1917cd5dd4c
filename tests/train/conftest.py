"""Trainings in several processes: what they leave, and how it is compared."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("sharing.py")


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
    """Trains a tiny llama in all cases, one after the other."""

    def run(cases: list[dict[str, Any]]) -> Trained:
        folder = tmp_path_factory.mktemp("stages")
        base = str(tiny.save_model(folder / "base", "llama", bos=True))
        (folder / "cases.json").write_text(json.dumps([{"base": base} | case for case in cases]))
        command = [sys.executable, str(PROGRAM), str(folder), str(folder / "cases.json")]
        alone = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone, timeout=240)
        assert done.returncode == 0, done.stderr
        return Trained(folder, [json.loads(line) for line in done.stdout.splitlines()])

    return run


@pytest.fixture(scope="session")
def numbers() -> Callable[[dict[str, Any]], dict[str, float]]:
    return _numbers


def _numbers(record: dict[str, Any], within: str = "") -> dict[str, float]:
    """All numbers of a record by the way to them, but for accuracies where all margins are 0 but for rounding."""
    flat: dict[str, float] = {}
    for name, value in record.items():
        if name == "rewards/accuracies" and abs(record["rewards/margins"]) < 1e-5:
            continue
        if isinstance(value, dict):
            flat |= _numbers(value, f"{within}{name} ")
        elif isinstance(value, int | float):
            flat[within + name] = value
    return flat
