"""Which sequences share a forward pass, and the padded tensors they become."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

TOKEN_BUDGET = 8192
"""Padded tokens of one forward pass, unless the caller says otherwise."""


def batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Indices of `lengths` in batches whose padded size (rows times the longest) keeps to `token_budget`.

    Sequences of near length share a batch, the longest come first, and one that exceeds the budget goes alone.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    planned: list[list[int]] = []
    for index in order:
        if planned and (len(planned[-1]) + 1) * lengths[planned[-1][0]] <= token_budget:
            planned[-1].append(index)
        else:
            planned.append([index])
    return planned


@dataclass(frozen=True, slots=True)
class Padded:
    """Sequences side by side; `mask` is True where a token is real. Padding tokens have id 0 and are never attended."""

    ids: Int[Tensor, "row token"]
    mask: Bool[Tensor, "row token"]


def pad(sequences: Sequence[Sequence[int]], device: torch.device, *, left: bool = False) -> Padded:
    """Pad `sequences` (n of them, none empty) to the longest, on the right or on the left."""
    width = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        place = slice(width - len(sequence), width) if left else slice(0, len(sequence))
        ids[row, place] = torch.tensor(sequence, dtype=torch.long)
        mask[row, place] = True
    return Padded(ids.to(device), mask.to(device))
