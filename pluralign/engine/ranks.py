"""Scoring shared between the processes of `torchrun`: each takes some of the forks, all get all the results."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

from pluralign.engine.batches import TOKEN_BUDGET
from pluralign.engine.scores import Scores
from pluralign.records.fork import Fork


def sharded(
    score: Callable[..., Scores], model: nn.Module, forks: Sequence[Fork], *, token_budget: int = TOKEN_BUDGET
) -> Scores:
    """`score` (`logprobs` or `rewards`) of all forks, in their order, each process scoring a share of them.

    Every process gives the same forks and has the same weights; without gradients, since these do not pass between
    processes. Forks are dealt out by size, so that the shares are about even. Where torch.distributed is not started,
    or alone, it is `score` itself without gradients.
    """
    with torch.no_grad():
        if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() == 1:
            return score(model, forks, token_budget=token_budget)
        shares = deal(forks, distributed.get_world_size())
        own = [forks[index] for index in shares[distributed.get_rank()]]
        values = [value.tolist() for value, _ in score(model, own, token_budget=token_budget).split()] if own else []
    gathered: list[Any] = [None] * len(shares)
    distributed.all_gather_object(gathered, values)
    device = next(model.parameters()).device
    return _in_order(shares, gathered, forks, device)


def deal(forks: Sequence[Fork], ranks: int) -> list[list[int]]:
    """Indices of the forks for each rank: the largest first, each to the rank that has the fewest tokens."""
    sizes = [len(fork.prompt) + sum(map(len, fork.completions)) for fork in forks]
    shares: list[list[int]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for index in sorted(range(len(forks)), key=lambda index: (-sizes[index], index)):
        lightest = loads.index(min(loads))
        shares[lightest].append(index)
        loads[lightest] += sizes[index]
    return shares


def _in_order(
    shares: list[list[int]], gathered: list[list[list[float]]], forks: Sequence[Fork], device: torch.device
) -> Scores:
    by_fork = {
        index: value
        for share, values in zip(shares, gathered, strict=True)
        for index, value in zip(share, values, strict=True)
    }
    flat = [value for index in range(len(forks)) for value in by_fork[index]]
    values: Float[Tensor, " completion"] = torch.tensor(flat, dtype=torch.float64, device=device)
    tokens = torch.tensor([len(completion) for fork in forks for completion in fork.completions], device=device)
    return Scores(values, tokens, tuple(len(fork.completions) for fork in forks))
