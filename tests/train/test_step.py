from contextlib import nullcontext

import pytest
import torch

from pluralign.engine.budget import Budget
from pluralign.engine.logprobs import logprobs
from pluralign.methods import dpo
from pluralign.records.fork import Fork
from pluralign.train.examples import Example
from pluralign.train.parallel import Share
from pluralign.train.step import Judge, gather_gradients
from pluralign.weightings import group_dro, uniform

EXAMPLES = [
    Example(Fork((1, 2 + number), ((5, 6, 7 + number), (8, 9))), "ab"[number % 2], (-9.0, -8.0 + number))
    for number in range(6)
]


@pytest.fixture
def model(tiny):
    return tiny.make_model("llama").double()


def judge(model, tokens: int, losses=None) -> Judge:
    made = Judge(
        model=model, method=dpo, options=dpo.Options(), score=logprobs, budget=Budget(tokens), autocast=nullcontext
    )
    if losses is not None:
        object.__setattr__(made, "method", losses)
    return made


def gradient(judge: Judge, weighting=uniform) -> torch.Tensor:
    judge.model.zero_grad()
    gather_gradients(judge, EXAMPLES, ("a", "b"), weighting, None)
    return torch.cat([weight.grad.flatten() for weight in judge.model.parameters() if weight.grad is not None])


class ShortOfMemory:
    """Direct preference optimisation that runs out of memory on more than `most` examples, forward or backward."""

    COUNTS = dpo.COUNTS

    def __init__(self, most: int, *, backward: bool) -> None:
        self.most, self.backward, self.sizes = most, backward, []

    def losses(self, batch, options):
        self.sizes.append(len(batch.scores))
        found = dpo.losses(batch, options)
        if len(batch.scores) > self.most:
            if not self.backward:
                raise torch.OutOfMemoryError
            batch.scores.register_hook(self.fail)
        return found

    @staticmethod
    def fail(_):
        raise torch.OutOfMemoryError


@pytest.mark.parametrize("backward", [False, True])
def test_a_step_that_runs_out_of_memory_is_taken_in_smaller_passes_with_the_same_gradient(model, backward):
    expected = gradient(judge(model, 10_000))
    method = ShortOfMemory(2, backward=backward)
    short = judge(model, 10_000, method)
    # Norms of layers are computed in float32 whatever the model's type.
    assert (gradient(short) - expected).norm() < 1e-6 * expected.norm()
    assert method.sizes[0] == 6
    assert max(method.sizes[-3:]) <= 2
    method.sizes.clear()
    gradient(short)
    assert max(method.sizes) <= 2, "the smaller budget stays"


@pytest.mark.parametrize("weighting", [uniform, group_dro])
@pytest.mark.parametrize("graphs", [1, 4])
def test_a_pass_that_keeps_a_process_in_step_adds_no_gradient(model, monkeypatch, weighting, graphs):
    """Even where the example that it runs once more is one that the process has of its own."""
    own = [[0, 3], [1], [2, 4, 5]]
    expected = gradient(judge(model, 10_000), weighting)
    monkeypatch.setattr(Judge, "share", lambda *_: Share([*own, [1], [1]], len(own)))
    in_step = judge(model, 10_000)
    in_step.budget.graphs = graphs
    assert (gradient(in_step, weighting) - expected).norm() < 1e-6 * expected.norm()


def test_memory_too_short_for_one_example_is_an_error(model):
    with pytest.raises(torch.OutOfMemoryError):
        gradient(judge(model, 10_000, ShortOfMemory(0, backward=True)))


def test_other_failures_are_not_taken_for_a_lack_of_memory(model):
    class Broken(ShortOfMemory):
        def losses(self, batch, options):
            raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        gradient(judge(model, 10_000, Broken(0, backward=False)))
