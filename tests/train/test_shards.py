"""A model that is shared is read by one process and whole in none: the parent, a reference, a reward model."""

import gc
import json
import pickle
import warnings
import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pluralign.engine.loading.load import load_causal, make_reward_model
from pluralign.engine.logprobs import logprobs
from pluralign.engine.reward_head import rewards
from pluralign.errors import InputError
from pluralign.records.fork import Fork
from pluralign.records.training import Training
from pluralign.train import adapting, parallel
from pluralign.train.parallel import Shards
from pluralign.train.precision import autocast
from pluralign.train.spread import Loaded, hollow

PLAINLY_SENT = ("gpt2", "gpt_neox", "llama", "qwen2", "gemma2", "mistral", "gpt_oss")
TRAINING = {"learning_rate": 5e-5, "batch_size": 5, "max_steps": 2, "num_train_epochs": 3.0, "warmup_ratio": 0.0}
DPO = {"method": "dpo", "weighting": "uniform", "training": TRAINING, "watched": True}
RLOO = DPO | {
    "method": "rloo",
    "options": {"num_generations": 3, "max_completion_length": 8, "beta": 0.1},
    "training": TRAINING | {"token_budget": 40, "batch_size": 3},
    "reference": "other",
    "judged": True,
}
EQUAL = {
    "compared": DPO | {"reference": "other"},
    "judged": RLOO,
    "judged-as-one": RLOO | {"judged": "as one", "watched": False},
    "plain": DPO | {"parent": "plain", "watched": False},
}
READ = {"compared": ["other", "base"], "judged": ["judge", "other", "base"]}
FAILING = {
    "reference-of-first": DPO | {"reference": "other", "fails": [0, "asked", 3]},
    "reference-of-second": DPO | {"reference": "other", "fails": [1, "asked", 3]},
    "judge-of-second": RLOO | {"fails": [1, "asked", 7]},
}


@pytest.fixture(scope="module")
def trained(run_cases):
    """All cases in one process ("… alone") and in two, and those that fail."""
    cases = [
        case | {"ranks": ranks, "name": f"{name} alone" if ranks == 1 else name}
        for name, case in EQUAL.items()
        for ranks in (1, 2)
    ]
    return run_cases([*cases, *(case | {"ranks": 2, "name": name} for name, case in FAILING.items())])


def notes(trained, name: str, rank: int, what: str) -> list[dict]:
    lines = (trained.folder / f"{name}.{rank}").read_text().splitlines()
    return [note for note in map(json.loads, lines) if note["what"] == what]


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_learn_what_one_learns(trained, assert_learnt_alike, name):
    place = 2 * list(EQUAL).index(name)
    assert_learnt_alike(trained, name, trained.ends[place : place + 2])


@pytest.mark.parametrize("name", READ)
def test_the_first_process_reads_every_model_once_and_the_trained_one_again(trained, name):
    assert len(notes(trained, name, 0, "read")) == len(READ[name]) + 1
    assert len(notes(trained, f"{name} alone", 0, "read")) == len(READ[name])
    assert notes(trained, name, 1, "read") == []


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("rank", [0, 1])
def test_no_process_holds_more_of_a_model_than_its_shards(trained, name, rank):
    held = notes(trained, name, rank, "held")
    beside = {"compared": 1, "judged": 3}[name]
    assert sum(note["here"] > 0 for note in held) == beside * TRAINING["max_steps"]
    assert all(note["here"] <= 0.55 * note["whole"] for note in held)
    alone = notes(trained, f"{name} alone", 0, "held")
    assert [note["here"] == note["whole"] for note in alone] == [True] * beside * TRAINING["max_steps"]


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("rank", [0, 1])
def test_one_weight_at_a_time_is_dealt_out(trained, name, rank):
    dealt, read = notes(trained, name, rank, "dealt"), notes(trained, name, 0, "read")[:-1]
    assert max(note["here"] for note in dealt) == max(note["largest"] for note in read)
    assert sum(note["here"] for note in dealt) == sum(note["whole"] for note in read)


@pytest.mark.parametrize("name", FAILING)
def test_a_process_that_fails_in_a_pass_of_a_model_beside_ends_the_other(trained, name):
    end = trained.ends[2 * len(EQUAL) + list(FAILING).index(name)]
    failed = FAILING[name]["fails"][0]
    assert end["ends"] == [3, 3]
    assert "the memory is too small; lower token_budget" in end["said"][failed]["error"]
    assert not end["said"][failed]["told"], "so it must say so itself"
    assert "another process has ended" in end["said"][1 - failed]["error"]
    assert end["said"][1 - failed]["told"]
    assert end["seconds"] < 20


@pytest.mark.parametrize("case", [*PLAINLY_SENT, "cohere reward", "llama reward", "llama lora"])
def test_a_form_that_is_sent_becomes_the_model_when_it_is_given_the_weights(tiny, tmp_path, case):
    architecture, _, what = case.partition(" ")
    folder = tiny.save_model(tmp_path, architecture)
    model = make_reward_model(folder, seed=0)[0] if what == "reward" else tiny.make_model(architecture)
    if what == "lora":
        pytest.importorskip("peft")
        adapting.add_lora(model, Training(lora_r=2), seed=0)
    sent = pickle.loads(pickle.dumps(hollow(model)))
    assert type(sent) is type(model)
    assert all(weight.is_meta for weight in sent.parameters())
    trainable = {name for name, weight in sent.named_parameters() if weight.requires_grad}
    assert trainable == {name for name, weight in model.named_parameters() if weight.requires_grad}
    sent.load_state_dict(dict(model.named_parameters(remove_duplicate=False)), strict=False, assign=True)
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    with torch.no_grad():
        assert torch.equal(sent(input_ids=ids).logits, model(input_ids=ids).logits)


@pytest.mark.parametrize("architecture", ["llama", "mistral", "gpt_oss"])
def test_what_is_asked_in_step_is_what_the_model_says_and_is_tried_out_for_every_length(tiny, architecture):
    model, same = tiny.make_model(architecture), tiny.make_model(architecture)
    shards = Shards(model, logprobs)
    trials = []
    shards.register_forward_pre_hook(lambda _, __, named: trials.append(named.get("trial")), with_kwargs=True)
    for length in (2, 2, 9, 5):
        forks = [Fork(tuple(range(1, length + 1)), ((7, 8, 9), (7,), (5, 4))), Fork((3,), ((4, 5), (6,)))]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* share their prompt")
            found, expected = shards.in_step(model, forks, token_budget=9), logprobs(same, forks)
        torch.testing.assert_close(found.values, expected.values.detach(), rtol=0, atol=1e-5)
        assert found.sizes == (3, 2)
        assert not found.values.requires_grad
    assert trials.count(True) == 2


def test_a_model_that_sees_one_completion_at_a_time_is_refused_before_it_is_used(tiny, tmp_path, monkeypatch):
    folder = tiny.save_model(tmp_path, "llama")
    (model, tokenizer), (other, _), (same, _) = (make_reward_model(folder, seed=0) for _ in range(3))
    fork = Fork((1, 2), ((3,), (4, 5)))
    found = Shards(model, rewards).in_step(model, [fork]).values
    assert torch.equal(found, rewards(same, [fork]).values.detach())
    other.score = torch.nn.Sequential(other.score)
    with pytest.raises(InputError, match="sees one completion at a time"):
        Shards(other, rewards).try_out([fork])
    monkeypatch.setattr(parallel, "shard", lambda loaded, score: Shards(loaded.model, score))
    with pytest.raises(InputError, match="sees one completion at a time"):
        parallel.asking(Loaded(model=other, tokenizer=tokenizer, device=other.device, weights={}), rewards)


class Casts(TorchDispatchMode):
    """Notes the sizes of what is cast to bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, function, types, given=(), named=None):
        if function is torch.ops.aten._to_copy.default and (named or {}).get("dtype") is torch.bfloat16:
            self.sizes.append(given[0].numel())
        return function(*given, **(named or {}))


@pytest.mark.parametrize("bf16", [True, False])
def test_what_a_pass_casts_is_not_kept_for_the_next(tiny, bf16):
    model = tiny.make_model("llama")
    shards, counts = Shards(model, logprobs), []
    forks = [Fork((1, 2), ((3,), (4, 5)))]
    shards.in_step(model, forks)
    with torch.no_grad(), autocast(torch.device("cpu"), bf16):
        for _ in range(2):
            with Casts() as casts:
                shards.one_pass(model, forks, token_budget=99)
            counts.append(sum(casts.sizes))
    matrices = sum(weight.numel() for weight in model.model.layers.parameters() if weight.ndim == 2)
    assert counts[0] == counts[1]
    assert (counts[0] >= matrices) is bf16


def test_a_model_that_was_read_is_let_go_once_its_weights_are_taken(tiny, tmp_path):
    model, _ = load_causal(tiny.save_model(tmp_path, "llama"), device="cpu")
    kept, form = weakref.ref(model), hollow(model)
    gc.collect()
    gc.disable()
    try:
        del model
        assert kept() is None
    finally:
        gc.enable()
    assert all(weight.is_meta for weight in form.parameters())
