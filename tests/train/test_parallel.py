"""Two processes train what one trains: the same losses, weights of groups and model; and a failure ends both."""

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from pluralign.train import parallel

TRAINING = {"learning_rate": 5e-5, "batch_size": 5, "max_steps": 6, "num_train_epochs": 3.0, "warmup_ratio": 0.0}
EQUAL = {
    "dpo-uniform": {"method": "dpo", "weighting": "uniform"},
    "reward-more": {"method": "reward", "weighting": "more"},
    "sft-group_dro": {"method": "sft", "weighting": "group_dro", "training": TRAINING | {"eval_steps": 2.0}},
    "dpo-lora-small-passes": {
        "method": "dpo",
        "weighting": "group_dro",
        "training": TRAINING | {"lora_r": 4, "token_budget": 40, "gradient_checkpointing": True, "batch_size": 9},
    },
    "reward-one-pair-a-step": {
        "method": "reward",
        "weighting": "more",
        "training": TRAINING | {"batch_size": 1, "eval_steps": 2.0, "load_best_model_at_end": True},
    },
}
PLAIN = {"method": "reward", "weighting": "uniform"}
FAILING = {
    "lesson": PLAIN | {"fails": [1, "lesson", 1]},
    "render": PLAIN | {"fails": [1, "render", 1]},
    "place": PLAIN | {"fails": [1, "place", 1]},
    "loss": PLAIN | {"fails": [1, "loss", 3]},
    "memory": PLAIN | {"fails": [1, "memory", 3]},
    "killed": PLAIN | {"fails": [1, "killed", 3]},
    "killed-first": PLAIN | {"fails": [0, "killed", 3]},
}


def make_cases() -> list[dict]:
    """All cases, those that are held equal in one process ("… alone") and in two."""
    cases = []
    for name, case in (EQUAL | FAILING).items():
        for count in (1, 2) if name in EQUAL else (2,):
            own = {"ranks": count, "name": f"{name} alone" if count == 1 else name}
            cases.append({"training": TRAINING} | case | own)
    return cases


@pytest.fixture(scope="module")
def trained(run_cases):
    return run_cases(make_cases())


@pytest.fixture(scope="module")
def found(trained) -> dict[str, dict]:
    """How every case ended."""
    return {case["name"]: end for case, end in zip(make_cases(), trained.ends, strict=True)}


@pytest.fixture(scope="module")
def folder(trained) -> Path:
    return trained.folder


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_train_what_one_trains(trained, found, numbers, name):
    assert found[name]["ends"] == [0, 0], found[name]
    assert found[f"{name} alone"]["ends"] == [0], found[f"{name} alone"]
    two, one = trained.records(name), trained.records(f"{name} alone")
    assert [record["event"] for record in two] == [record["event"] for record in one]
    assert two[0] | {"ranks": 1} == one[0]
    assert two[0]["ranks"] == 2
    for theirs, ours in zip(one[1:], two[1:], strict=True):
        assert numbers(ours) == pytest.approx(numbers(theirs), abs=1e-5, rel=1e-5)
    assert len({record["loss"] for record in one if record["event"] == "step"}) == 6


@pytest.mark.parametrize("name", EQUAL)
def test_the_stage_is_the_same_and_whole(found, folder, name):
    assert found[name]["ends"] == [0, 0]
    two, one = (load_file(folder / stage / "model.safetensors") for stage in (name, f"{name} alone"))
    before = load_file(folder / "base" / "model.safetensors")
    assert two.keys() == one.keys()
    for key, weight in one.items():
        torch.testing.assert_close(two[key], weight, rtol=0, atol=1e-5)
    assert any((weight - before[key]).abs().max() > 3e-5 for key, weight in one.items() if key in before)
    assert {path.name for path in (folder / name).iterdir()} == {
        path.name for path in (folder / f"{name} alone").iterdir()
    }


def test_what_fails_in_one_process_is_told_by_the_first(found):
    for name in ("lesson", "render", "place"):
        assert found[name]["ends"] == [3, 3]
        assert found[name]["said"] == [
            {"error": "InputError: rank 1: no such model", "told": True},
            {"error": "InputError: no such model", "told": True},
        ]
    assert found["loss"]["ends"] == [3, 3]
    for said in found["loss"]["said"]:
        expected = "RunError: reward, step 3 of 6: the loss is nan; a lower learning_rate may help"
        assert said == {"error": expected, "told": True}


def test_a_process_that_ends_without_a_word_ends_the_other(found):
    lost = "another process has ended; what it said of that stands above"
    first, second = found["memory"]["said"]
    assert second["error"].startswith("RunError: reward: the memory is too small; lower token_budget (now 2048)")
    assert not second["told"], "so it must say so itself"
    assert lost in first["error"]
    for name, left in (("killed", 0), ("killed-first", 1)):
        assert found[name]["ends"][left] == 3
        assert found[name]["ends"][1 - left] == -9
        assert lost in found[name]["said"][left]["error"]
        assert found[name]["said"][left]["told"]
    assert all(found[name]["seconds"] < 20 for name in FAILING)


def members(share: parallel.Share) -> list[int]:
    """Indices of the examples that count."""
    return [index for batch in share.passes[: share.own] for index in batch]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 60), st.integers(1, 5))
def test_every_example_counts_once_and_all_make_as_many_passes(sizes, budget, ranks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "count_ranks", lambda: ranks)
        shares = []
        for rank in range(ranks):
            patch.setattr(parallel, "own_rank", lambda rank=rank: rank)
            shares.append(parallel.share_of(sizes, budget))
    assert sorted(index for share in shares for index in members(share)) == list(range(len(sizes)))
    assert len({len(share.passes) for share in shares}) == 1
    assert max(share.own for share in shares) == len(shares[0].passes)
    for batch in (batch for share in shares for batch in share.passes):
        assert len(batch) == 1 or sum(sizes[index] for index in batch) <= budget


@given(st.integers(0, 2**32))
def test_shares_are_even_by_tokens(seed):
    chance = random.Random(seed)
    sizes = [chance.randint(1, 100) for _ in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "count_ranks", lambda: 4)
        loads = []
        for rank in range(4):
            patch.setattr(parallel, "own_rank", lambda rank=rank: rank)
            loads.append(sum(sizes[index] for index in members(parallel.share_of(sizes, 10**6))))
    assert max(loads) - min(loads) <= max(sizes)
