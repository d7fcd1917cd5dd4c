import pytest
import torch

from pluralign.engine.logprobs import logprobs
from pluralign.engine.reward_head import end_states
from pluralign.records.fork import Fork

FORKS = [
    Fork(tuple(range(20)), tuple((token, token, 3) for token in range(30))),
    Fork((5, 6), ((7, 8, 9, 10), (7, 8), (11,))),
    Fork(tuple(range(30, 50)), ((1, 2), (3, 4))),
]


@pytest.fixture
def small(tiny):
    """A model that has memory for 50 tokens at once, and the sizes that it was asked for."""
    model = tiny.make_model("gpt2", dtype=torch.float64)
    logprobs(model, FORKS[1:2])
    asked = []

    def measure(_module, _inputs, named):
        asked.append(named["input_ids"].numel())
        if asked[-1] > 50:
            raise torch.OutOfMemoryError("no memory for so many")

    model.transformer.register_forward_pre_hook(measure, with_kwargs=True)
    return model, asked


@pytest.mark.parametrize("grad", [False, True])
def test_the_budget_is_halved_until_it_fits_and_results_stay(small, tiny, grad):
    model, asked = small
    with torch.set_grad_enabled(grad):
        found = logprobs(model, FORKS).values
    expected = logprobs(tiny.make_model("gpt2", dtype=torch.float64), FORKS).values
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    assert max(asked) > 50
    assert sum(size > 50 for size in asked) <= 3


def states(model, forks):
    return end_states(model.transformer, forks, token_budget=8192)


@pytest.mark.parametrize("score", [logprobs, states])
def test_what_there_was_room_for_is_remembered_as_long_as_the_model_lives(small, score):
    model, asked = small
    with torch.no_grad():
        score(model, FORKS)
        assert max(asked) > 50
        asked.clear()
        score(model, FORKS)
    assert max(asked) <= 50
    score(model, FORKS)
    assert max(asked) > 50, "with gradients it is found out anew"


def test_what_cannot_be_cut_smaller_is_an_error(small):
    model, asked = small
    with pytest.raises(torch.OutOfMemoryError):
        logprobs(model, [*FORKS, Fork(tuple(range(60)), ((1, 2), (3,)))])
    assert asked[-1] > 50


def test_hidden_states_at_the_ends_too(small, tiny):
    model, _ = small
    with torch.no_grad():
        found = dict(_pairs(states(model, FORKS)))
        whole = tiny.make_model("gpt2", dtype=torch.float64)
        expected = dict(_pairs(states(whole, FORKS)))
    assert sorted(found) == sorted(expected)
    for owner, state in found.items():
        torch.testing.assert_close(state, expected[owner], rtol=0, atol=1e-9)


def _pairs(found):
    return [pair for owners, states in found for pair in zip(owners, states, strict=True)]
