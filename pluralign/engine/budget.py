"""How much goes through a model at once: sizes in tokens, a budget of them, and work cut to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from pluralign.engine.head import inner_model
from pluralign.engine.proof import can_pack
from pluralign.records.fork import Fork


@dataclass(slots=True)
class Budget:
    """Tokens of one forward pass. Whoever runs out of memory halves it, for all that comes after.

    `graphs`: of how many passes at most the graphs are kept at once, where a step must be seen before it is learned
    from; four are what the default of 2,048 tokens can spare, and save such steps a second forward pass.
    """

    tokens: int
    graphs: int = 4

    def halve(self) -> None:
        """Half the tokens, at least one."""
        self.tokens = max(1, self.tokens // 2)


def shares_prompts(model: nn.Module, forks: Sequence[Fork]) -> bool:
    """Whether the model encodes what `forks` share once."""
    inner = inner_model(model)
    return inner is not None and isinstance(inner.base_model, PreTrainedModel) and can_pack(inner.base_model, forks)


def encoded_tokens(model: nn.Module, forks: Sequence[Fork]) -> list[int]:
    """Tokens that each fork costs: its prompt once where the model can pack, else a padded row for each completion."""
    if shares_prompts(model, forks):
        return [len(fork.prompt) + sum(map(len, fork.completions)) for fork in forks]
    return [len(fork.completions) * (len(fork.prompt) + max(map(len, fork.completions))) for fork in forks]


def fill(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of `sizes` in bins whose sum keeps to `budget`; what exceeds it alone has a bin of its own.

    The largest come first, each into the first bin that has room, so that the bins are few. Which that is, a binary
    tree tells whose nodes hold the most room of any bin below them; bins are its leaves.
    """
    leaves = 1 << (len(sizes) - 1).bit_length() if sizes else 0
    most = [budget] * (2 * leaves)
    bins: list[list[int]] = []
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        leaf = leaves + len(bins) if sizes[index] > budget else _first_with(most, sizes[index])
        if leaf - leaves == len(bins):
            bins.append([])
        bins[leaf - leaves].append(index)
        most[leaf] -= sizes[index]
        while leaf > 1:
            leaf //= 2
            most[leaf] = max(most[2 * leaf], most[2 * leaf + 1])
    return bins


def _first_with(most: list[int], size: int) -> int:
    """The first leaf with room for `size`, of a tree that has one."""
    node = 1
    while 2 * node < len(most):
        node = 2 * node if most[2 * node] >= size else 2 * node + 1
    return node
