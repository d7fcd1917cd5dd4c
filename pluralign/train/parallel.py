"""A training shared between the processes of `torchrun`: weights, gradients and optimiser in shards (FSDP2).

Every process knows the whole step, and sends some of its examples through the model. The weights of a layer are put
together while it runs; its gradient is summed over the processes (not averaged: each example has the coefficient that
it has in the whole step) and each keeps its shard. So all of them must run the same layers equally often: one that has
fewer passes to make than another sends an example through once more, whose gradient it multiplies by zero. A model that
is asked and not trained, a reference or a reward, is shared in the same way, without gradients.

Source: Rajbhandari et al. 2020, ZeRO, arXiv:1910.02054, stage 3; Zhao et al. 2023, PyTorch FSDP, arXiv:2304.11277.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from pluralign.engine.batches import TOKEN_BUDGET
from pluralign.engine.budget import encoded_tokens, fill, shares_prompts
from pluralign.engine.loading.load import max_tokens
from pluralign.engine.ranks import count_ranks, deal, gathered, in_pass, own_rank, scores_of, sharded, together, told
from pluralign.engine.scores import Scores, refuse_longer
from pluralign.errors import InputError, RunError
from pluralign.records.fork import Fork
from pluralign.train.spread import Loaded, deal_out

WHOLE = 2**40
"""A token budget that cuts nothing: what goes through a sharded model at once is cut beforehand."""
SHORTEST = Fork((0,), ((0,),))
"""What any model can be tried out on."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one process does of a step: `passes`, indices of the examples that go through the model together.

    The first `own` of them count; the others, and all of a process that has none, keep it in step with the rest, and
    run again an example that may be one of its own.
    """

    passes: list[list[int]]
    own: int


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


class Shards(nn.Module):
    """The root of a model in shards, of whose layers none has its weights at hand but while it runs.

    `score` gives completions their values by the `model` inside.
    """

    def __init__(self, model: PreTrainedModel, score: Callable[..., Scores]) -> None:
        super().__init__()
        self.model, self.score = model, score
        self.found: Scores | None = None
        self.tried = self.entered = 0
        self.trial = False
        model.base_model.register_forward_pre_hook(self._count)

    def forward(self, forks: Sequence[Fork], *, trial: bool = False) -> Tensor:
        """The values of the scores, through which gradients come back; the rest of them stays in `found`.

        In a `trial` the engine sees before what it can do with the model, such as pack forks of this length, and scores
        the first tokens of them alone.
        """
        self.trial, self.entered = trial, 0
        with _keeping_no_casts(self.model.device.type):
            if trial:
                shares_prompts(self.model, forks)
                forks = [Fork(fork.prompt[:1], (fork.completions[0][:1],) * 2) for fork in forks]
                self.score(self.model, forks)
                self.entered = 0
            self.found = self.score(self.model, forks, token_budget=WHOLE)
        return self.found.values

    def try_out(self, forks: Sequence[Fork]) -> None:
        """Make known what the engine can do with the model for forks of these lengths; all must call this alike.

        Raises: InputError for a model that cannot be shared.
        """
        longest = max(forks, key=_length)
        if _length(longest) <= self.tried:
            return
        self.tried = _length(longest)
        with torch.no_grad(), in_pass():
            self([longest], trial=True)
        self.found = None
        if self.entered > 1:
            name = self.model.name_or_path
            why = "sees one completion at a time, which several processes cannot share"
            raise told(InputError(f'model "{name}" {why}'))

    def one_pass(self, model: nn.Module, forks: Sequence[Fork], *, token_budget: int) -> Scores:
        """`score` of this process's forks in one run of the layers, which every process must make.

        `token_budget` has been kept to by whoever chose the forks.
        """
        with in_pass():
            values = self(forks)
        found, self.found = self.found, None
        if found is None or self.model is not model:
            raise ValueError("the model is not the one that was sharded")
        return replace(found, values=values)

    def in_step(self, model: nn.Module, forks: Sequence[Fork], *, token_budget: int = TOKEN_BUDGET) -> Scores:
        """`score` of all forks, without gradients; every process gives the same, makes a share, and gets all.

        Raises: InputError for a fork that is too long, by its number.
        """
        together(lambda: refuse_longer(forks, max_tokens(self.model)))
        self.try_out(forks)
        share = share_of(encoded_tokens(self.model, forks), token_budget)
        own: list[tuple[int, list[float]]] = []
        with torch.no_grad():
            for number, batch in enumerate(share.passes):
                found = self.one_pass(model, [forks[index] for index in batch], token_budget=token_budget)
                values = [values.tolist() for values, _ in found.split()]
                own += zip(batch, values, strict=True) if number < share.own else []
        by_fork = dict(each for here in gathered(lambda: own) for each in here)
        return scores_of([by_fork[index] for index in range(len(forks))], forks, self.model.device)

    def _count(self, _module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        """Refuse a second run of the layers: the other processes would not know of it."""
        self.entered += 1
        if self.entered > 1 and not self.trial:
            raise RunError("a sharded model must see a pass at once; its memory is too small, so lower token_budget")


def _keeping_no_casts(kind: str) -> torch.autocast:
    """Autocast as it is around, without its cache, in which every weight that was put together would stay, cast."""
    dtype, enabled = torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)
    return torch.autocast(kind, dtype=dtype, enabled=enabled, cache_enabled=False)


def shard(loaded: Loaded, score: Callable[..., Scores]) -> Shards:
    """Deal a model out to all processes, of which the first has its weights, each layer by itself.

    Every process must call this. Before the model is used, `try_out` must have been called with adapters on.
    """
    if loaded.weights is None:
        raise ValueError("the model is whole in every process")
    mesh = init_device_mesh(loaded.device.type, (count_ranks(),))
    for layer in [part for part in loaded.model.modules() if isinstance(part, GradientCheckpointingLayer)]:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    shards = Shards(loaded.model, score)
    fully_shard(shards, mesh=mesh, reshard_after_forward=True)
    with in_pass():
        deal_out(loaded.weights, loaded.model, loaded.device)
    for part in shards.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    return shards


def asking(loaded: Loaded, score: Callable[..., Scores]) -> Callable[..., Scores]:
    """What gives `score` of forks that every process asks a model which is not trained, whole or in shards.

    Raises: InputError for a model that cannot be shared.
    """
    if loaded.weights is None:
        return partial(sharded, score)
    loaded.model.requires_grad_(False)
    shards = shard(loaded, score)
    shards.try_out([SHORTEST])
    return shards.in_step


def _length(fork: Fork) -> int:
    return len(fork.prompt) + max(map(len, fork.completions))
