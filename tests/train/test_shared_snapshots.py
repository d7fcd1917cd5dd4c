"""Snapshots of a training in two processes: each writes its shards; whoever is killed when, the same comes of it."""

import random

import pytest
import torch
from safetensors.torch import load_file

CHANCE = random.Random(11)
TRAINING = {"learning_rate": 5e-5, "batch_size": 5, "max_steps": 6, "num_train_epochs": 3.0, "save_steps": 1}
REWARD = {
    "method": "reward",
    "weighting": "group_dro",
    "training": TRAINING | {"eval_steps": 2.0, "load_best_model_at_end": True},
    "key": "reward",
}
LORA = {"method": "dpo", "weighting": "uniform", "training": TRAINING | {"lora_r": 4}, "key": "lora"}
KILLED = {
    "both": (REWARD, {"killed": {"ranks": [0, 1], "lines": CHANCE.randint(4, 6)}}),
    "the-first-at-a-write": (REWARD, {"fails": [0, "fsync", CHANCE.randint(12, 40)]}),
    "the-second-while-saving": (REWARD, {"fails": [1, "fsync", CHANCE.randint(2, 5)]}),
    "the-second-in-a-pass": (LORA, {"fails": [1, "killed", CHANCE.randint(3, 5)]}),
}
FULL = REWARD | {"ranks": 2, "name": "full"}
OTHERS = {"one-then-two": (REWARD, 1, 2), "three-then-two": (REWARD, 3, 2)}


@pytest.fixture(scope="module")
def trained(run_cases):
    """Both trainings with nothing that ends them; every other case, and a rerun of it."""
    cases = [case | {"ranks": 2, "name": case["key"]} for case in (REWARD, LORA)]
    for name, (case, end) in KILLED.items():
        cases += [case | {"ranks": 2, "name": name} | end, case | {"ranks": 2, "name": name}]
    for name, (case, before, after) in OTHERS.items():
        cut = {"ranks": before, "name": name, "fails": [0, "killed", 5]}
        cases += [case | cut, case | {"ranks": after, "name": name}]
    return run_cases([*cases, FULL | {"fails": [1, "full", 3]}, FULL])


def ends(trained, name: str) -> list[list[int]]:
    place = 2 + 2 * [*KILLED, *OTHERS].index(name)
    return [end["ends"] for end in trained.ends[place : place + 2]]


@pytest.mark.parametrize("name", KILLED)
def test_two_processes_go_on_to_the_same_bits(trained, name):
    killed, again = ends(trained, name)
    assert -9 in killed
    assert 0 not in killed
    assert again == [0, 0]
    assert trained.bits(name) == trained.bits(KILLED[name][0]["key"])


@pytest.mark.parametrize("name", KILLED)
def test_they_go_on_from_a_snapshot(trained, name):
    told = [line.split() for line in trained.told(name)]
    ((place, taken_up),) = [(place, int(words[0])) for place, words in enumerate(told) if words[1] == "taken"]
    last = int(told[place - 1][0])
    assert place > 0
    assert taken_up in (last, last + 1)
    assert not list((trained.folder / name / "steps").glob(".*"))


@pytest.mark.parametrize("name", OTHERS)
def test_another_number_of_processes_goes_on_to_the_same_but_for_rounding(trained, numbers, name):
    case, before, after = OTHERS[name]
    killed, again = ends(trained, name)
    assert killed[0] == -9
    assert again == [0] * after
    assert any(line.endswith("taken up") for line in trained.told(name))
    assert trained.records(name)[0]["ranks"] == before
    for ours, theirs in zip(trained.records(name)[1:], trained.records(case["key"])[1:], strict=True):
        assert numbers(ours) == pytest.approx(numbers(theirs), abs=1e-5, rel=1e-5)
    one, other = (load_file(trained.folder / stage / "model.safetensors") for stage in (name, case["key"]))
    for key, weight in other.items():
        torch.testing.assert_close(one[key], weight, rtol=0, atol=1e-5)


def test_every_process_writes_its_shards(trained):
    steps = trained.folder / "both" / "steps"
    (newest, *_) = sorted(steps.iterdir(), reverse=True)
    sizes = {path.name: path.stat().st_size for path in newest.glob("*.distcp")}
    assert sizes.keys() == {"__0_0.distcp", "__1_0.distcp"}
    assert max(sizes.values()) < 1.2 * min(sizes.values())


def test_a_disk_that_is_full_for_one_is_told_by_the_first_and_leaves_the_snapshot_before(trained):
    full, again = trained.ends[-2:]
    assert full["ends"] == [3, 3]
    error = "RunError: step 3: the snapshot cannot be written ([Errno 28] No space left on device); "
    error += "that of step 2 is kept; make room and run again"
    assert full["said"] == [{"error": error, "told": True}] * 2
    assert again["ends"] == [0, 0]
    assert "2 taken up" in trained.told("full")
    assert trained.bits("full") == trained.bits("reward")
