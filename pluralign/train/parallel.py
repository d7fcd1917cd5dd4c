"""A training shared between the processes of `torchrun`: weights, gradients and optimiser in shards (FSDP2).

Every process knows the whole step, and sends some of its examples through the model. The weights of a layer are put
together while it runs; its gradient is summed over the processes (not averaged: each example has the coefficient that
it has in the whole step) and each keeps its shard. So all of them must run the same layers equally often: one that has
fewer passes to make than another sends an example through once more, whose gradient it multiplies by zero.

Source: Rajbhandari et al. 2020, ZeRO, arXiv:1910.02054, stage 3; Zhao et al. 2023, PyTorch FSDP, arXiv:2304.11277.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from pluralign.engine.budget import fill, shares_prompts
from pluralign.engine.ranks import count_ranks, deal, own_rank
from pluralign.engine.scores import Scores
from pluralign.errors import RunError
from pluralign.records.fork import Fork

T = TypeVar("T")
WHOLE = 2**40
"""A token budget that cuts nothing: what goes through a sharded model at once is cut beforehand."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one process does of a step: `passes`, indices of the examples that go through the model together.

    The first `own` of them count here; the others, and all of a process that has none, keep it in step with the rest.
    """

    passes: list[list[int]]
    own: int

    def members(self) -> list[int]:
        """Indices of the examples that count here."""
        return [index for batch in self.passes[: self.own] for index in batch]


def share_of(sizes: Sequence[int], budget: int) -> Share:
    """What this process does of a step whose examples have `sizes` in tokens, under a budget of tokens for a pass.

    Examples are dealt out by size. Every process makes as many passes as the one that has most.
    """
    shares = deal(sizes, count_ranks())
    plans = [_passes(share, sizes, budget) for share in shares]
    own = plans[own_rank()]
    smallest = min(range(len(sizes)), key=lambda index: sizes[index])
    return Share(own + [[smallest]] * (max(map(len, plans)) - len(own)), len(own))


def _passes(share: Sequence[int], sizes: Sequence[int], budget: int) -> list[list[int]]:
    batches = fill([sizes[index] for index in share], budget)
    return [[share[place] for place in batch] for batch in batches]


class Whole(nn.Module):
    """The root of what is sharded: runs `score` on the model inside, with the weights of no layer at hand."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.found: Scores | None = None
        self.entered = 0
        model.base_model.register_forward_pre_hook(self._count)

    def forward(self, score: Callable[..., Scores], forks: Sequence[Fork], settings: Mapping[str, Any]) -> Tensor:
        """The values of the scores, through which gradients come back; the rest of them stays in `found`."""
        self.entered = 0
        self.found = score(self.model, forks, **settings)
        return self.found.values

    def _count(self, _module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        """Refuse a second run of the layers: the other processes would not know of it."""
        self.entered += 1
        if self.entered > 1:
            raise RunError("a sharded model must see a pass at once; its memory is too small, so lower token_budget")


def shard(
    model: PreTrainedModel, score: Callable[..., Scores], forks: Sequence[Fork], reserved: int = 1
) -> Callable[..., Scores]:
    """Shard the model's weights over all processes, each layer by itself; gives `score` for the model as it is then.

    `forks`: all that it will be asked of, but that completions which the policy writes, for which the end token stands,
    are up to `reserved` tokens long. What the engine tries out on a model, such as whether it can pack, is tried
    before; after, `token_budget` has no meaning.
    """
    forks = [Fork(fork.prompt, tuple(completion * reserved for completion in fork.completions)) for fork in forks]
    longest = max(forks, key=lambda fork: len(fork.prompt) + max(map(len, fork.completions)))
    with torch.no_grad():
        shares_prompts(model, forks)
        score(model, [longest])
    device = next(model.parameters()).device
    settings: dict[str, Any] = {"mesh": init_device_mesh(device.type, (count_ranks(),)), "reshard_after_forward": True}
    for layer in [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]:
        fully_shard(layer, **settings)
    whole = Whole(model)
    fully_shard(whole, **settings)
    for part in whole.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    return partial(_score, whole, score)


def _score(
    whole: Whole, score: Callable[..., Scores], model: nn.Module, forks: Sequence[Fork], *, token_budget: int
) -> Scores:
    """`score` in one run of the layers; `token_budget` has been kept to by whoever chose the forks."""
    values = whole(score, forks, {"token_budget": WHOLE})
    if whole.found is None or whole.model is not model:
        raise ValueError("the model is not the one that was sharded")
    found, whole.found = replace(whole.found, values=values), None
    return found


def whole_tensors(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors by name, put together from their shards on the CPU of process 0; the others get none.

    Every process must ask for the same ones in the same order.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors:
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if own_rank() == 0:
            found[name] = full.detach().cpu() if isinstance(tensor, DTensor) else full.detach()
    return found


def on_whole_weights(work: Callable[..., T], model: PreTrainedModel) -> Callable[..., T]:
    """`work`, whose first argument is `model`, for the time when that is sharded: it is given a body of the same form.

    `model` must be whole yet. The body holds nothing but while it works: then all weights, in every process, so that
    each may run it as often as it likes. Every process must call this together, and what is given back.
    """
    hollow = {
        id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
        for weight in model.parameters()
    }
    body = copy.deepcopy(model, {**hollow})
    empty = dict(body.named_parameters(remove_duplicate=False))

    def worked(sharded: PreTrainedModel, *given: Any) -> T:
        body.load_state_dict(_whole_parameters(sharded), strict=False, assign=True)
        try:
            return work(body, *given)
        finally:
            body.load_state_dict(empty, strict=False, assign=True)

    return worked


def _whole_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """All weights, each put together from its shards once however many names it has."""
    made: dict[int, nn.Parameter] = {}
    found: dict[str, nn.Parameter] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        if id(weight) not in made:
            full = weight.full_tensor() if isinstance(weight, DTensor) else weight
            made[id(weight)] = nn.Parameter(full.detach(), weight.requires_grad)
        found[name] = made[id(weight)]
    return found


def number(value: Tensor) -> float:
    """A number that may be spread over the processes, such as a norm. Every process must ask for it."""
    return float(value.full_tensor() if isinstance(value, DTensor) else value)
