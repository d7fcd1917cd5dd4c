"""A training that is killed at any moment ends, when it is run again, in the same bits as one that was not."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

import pluralign

PROGRAM = Path(__file__).with_name("crashes.py")
CHANCE = random.Random(7)
AT_WRITES = [[f"{(part + CHANCE.random()) / 6}{CHANCE.choice(['', ' torn'])}", ""] for part in range(6)]
OTHERS = [
    ["0.6", f"{CHANCE.uniform(0, 0.3)}", f"{CHANCE.uniform(0, 0.2)} torn", ""],
    [f"{CHANCE.uniform(0.1, 1.0)} s", ""],
]
FULL = [[f"{share} full", ""] for share in (0.5, 0.7)]
NAMES = ("more", "group_dro", "lora", "checkpointed", "rloo", "stopping")
OF_EACH = {name: [[f"{CHANCE.uniform(0.55, 0.8)}{CHANCE.choice(['', ' torn'])}", ""]] for name in NAMES}
CASES = {"restless": AT_WRITES + OTHERS + FULL} | OF_EACH


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory) -> dict[str, list[dict]]:
    """What came, by training, of an attempt that nothing ended, and of every case."""
    base = tiny.save_model(tmp_path_factory.mktemp("base"), "llama", bos=True)
    folder = tmp_path_factory.mktemp("runs")
    (folder / "cases.json").write_text(json.dumps(CASES))
    command = [sys.executable, str(PROGRAM), str(base), str(folder), str(folder / "cases.json")]
    here = str(Path(pluralign.__file__).parents[1])
    alone = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": here}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    assert done.returncode == 0, done.stderr
    lines = iter(done.stdout.splitlines())
    found = {name: [json.loads(next(lines)) for _ in range(1 + len(cases))] for name, cases in CASES.items()}
    assert all(1 not in each["ends"] for several in found.values() for each in several), done.stderr
    return found


def events(run: dict) -> list[str]:
    return [json.loads(line)["event"] for line in run["log"].splitlines()]


def test_a_run_without_a_crash_leaves_the_best_and_no_snapshots(runs):
    whole = runs["restless"][0]
    assert whole["ends"] == [0]
    assert whole["left"] == []
    assert whole["taken_up"] == []
    assert events(whole) == ["start", *["step", "step", "step", "held_out"] * 3, "best"]


def test_killed_at_any_write_and_run_again(runs):
    whole, *killed = runs["restless"][: 1 + len(AT_WRITES + OTHERS)]
    assert sum(each["ends"].count(-9) for each in killed) >= len(killed)
    assert sum(bool(each["taken_up"]) for each in killed) >= 3, "some went on from a snapshot"
    for each in killed:
        assert_same(each, whole)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_training_remembers_survives(runs, name):
    whole, killed = runs[name]
    assert killed["ends"] == [-9, 0]
    assert killed["taken_up"], "it went on from a snapshot"
    assert_same(killed, whole)


def assert_same(killed: dict, whole: dict) -> None:
    assert killed["ends"][-1] == 0
    for what in ("weights", "log", "left"):
        assert killed[what] == whole[what]


def test_the_trainings_do_what_is_to_survive(runs):
    assert runs["lora"][0]["left"] == ["adapter"]
    assert events(runs["stopping"][0]).count("step") < 36, "it ends early"
    for name in ("more", "group_dro"):
        steps = [line for line in map(json.loads, runs[name][0]["log"].splitlines()) if line["event"] == "step"]
        assert len({json.dumps(line["group_weights"]) for line in steps}) > 3, "the weights change"
    start, *_ = map(json.loads, runs["rloo"][0]["log"].splitlines())
    assert start["steps"] == 2 * 6
    assert any(step % 2 for step in runs["rloo"][1]["taken_up"]), "it went on between two steps on the same texts"


def test_a_full_disk_is_told_and_leaves_the_snapshot_before(runs):
    whole = runs["restless"][0]
    for full in runs["restless"][-len(FULL) :]:
        assert full["ends"] == [3, 0]
        (before,) = full["taken_up"]
        assert ": the snapshot cannot be written (" in full["error"]
        assert f"that of step {before} is kept; make room and run again" in full["error"]
        assert full["error"].startswith((f"step {before + 1}: ", f"step {before + 2}: "))
        assert full["weights"] == whole["weights"]
        assert full["log"] == whole["log"]
