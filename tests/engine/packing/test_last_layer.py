"""The last layer's feed-forward part works for wanted tokens alone, and nothing that is asked for changes by it."""

import pytest
import torch
from torch import nn

from pluralign.engine.checkpointing import rerunning
from pluralign.engine.packing.last_layer import wanting
from pluralign.engine.packing.pack import plan_packs, whole
from pluralign.engine.proof import encode
from pluralign.engine.reward_head import end_states

ARCHITECTURES = ("gpt2", "gpt_neox", "llama", "qwen3", "gemma2", "cohere", "mixtral", "qwen2_moe")


def pack_of(forks):
    return plan_packs(forks, whole(forks), 10**9, ends=True)[0]


def watch(part):
    """The rows that a part of a model is given, call by call."""
    seen = []
    part.register_forward_hook(lambda _part, inputs, _output: seen.append(inputs[0].shape[-2]))
    return seen


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_wanted_states_and_their_gradients_are_those_of_all(architecture, zoo):
    model = zoo.make(architecture)
    pack = pack_of(zoo.FORKS)
    found = []
    for wanted in (pack.finals, torch.arange(pack.tokens)):
        model.zero_grad(set_to_none=True)
        states = encode(model.base_model, pack, wanted)
        states = states if wanted is pack.finals else states[pack.finals]
        (states * torch.linspace(-1, 1, states.numel(), dtype=states.dtype).view_as(states)).sum().backward()
        found.append([states.detach(), *(each.grad for each in model.base_model.parameters())])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6 * max(1.0, theirs.abs().max().item()))


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neox", "gemma2", "cohere"])
def test_the_last_feed_forward_part_is_given_the_wanted_tokens_alone(architecture, zoo):
    model = zoo.make(architecture)
    *others, last = [part for name, part in model.named_modules() if name.endswith(".mlp")]
    end_states(model.base_model, zoo.FORKS, token_budget=10**9)
    before, behind = watch(others[0]), watch(last)
    end_states(model.base_model, zoo.FORKS, token_budget=10**9)
    pack = pack_of(zoo.FORKS)
    assert before == [pack.tokens]
    assert behind == [len(pack.finals.unique())]
    assert behind[0] < before[0]


def test_a_token_that_two_completions_end_at_counts_once(zoo):
    model = zoo.make("llama")
    fork = zoo.FORKS[0]
    pack = pack_of([type(fork)(fork.prompt, (fork.completions[0], fork.completions[0]))])
    states = encode(model.base_model, pack, pack.finals)
    assert torch.equal(states[0], states[1])
    states.sum().backward()
    twice = model.model.embed_tokens.weight.grad.clone()
    model.zero_grad(set_to_none=True)
    encode(model.base_model, pack, pack.finals[:1]).sum().backward()
    torch.testing.assert_close(twice, 2 * model.model.embed_tokens.weight.grad)


def test_layers_that_run_again_compute_all_tokens(zoo):
    model = zoo.make("llama")
    pack = pack_of(zoo.FORKS)
    seen = watch(model.model.layers[-1].mlp.gate_proj)
    with rerunning(model):
        encode(model.base_model, pack, pack.finals).sum().backward()
    assert seen == [pack.tokens, pack.tokens]


def test_a_model_is_left_as_it_was_found(zoo):
    model = zoo.make("llama")
    part = model.model.layers[-1].mlp
    with pytest.raises(IndexError), wanting(model, torch.tensor([9])):
        model(input_ids=torch.tensor([[1, 2]]))
    assert not part._forward_hooks
    assert not part._forward_pre_hooks


def test_models_of_other_parts_are_let_alone(zoo):
    states = torch.randn(1, 3, 4)
    plain = nn.Linear(4, 4)
    with wanting(plain, torch.tensor([0])):
        assert plain(states).shape == (1, 3, 4)
