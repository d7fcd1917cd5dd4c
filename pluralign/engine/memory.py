"""What it looks like when memory runs out, and how much there was room for then."""

from weakref import WeakKeyDictionary

import torch
from torch import nn

_room: "WeakKeyDictionary[nn.Module, dict[bool, int]]" = WeakKeyDictionary()


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; PyTorch says so of a CPU's in the text alone."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def room(model: nn.Module, tokens: int) -> int:
    """`tokens` for one forward pass of `model`, or fewer where memory ran out before, with or without gradients as now.

    What was found with gradients says nothing of passes without, which take less, and the other way round.
    """
    return min(tokens, _room.get(model, {}).get(torch.is_grad_enabled(), tokens))


def remember_room(model: nn.Module, tokens: int) -> None:
    """From now on there is `room` for so many tokens, as long as the model lives."""
    _room.setdefault(model, {})[torch.is_grad_enabled()] = tokens
