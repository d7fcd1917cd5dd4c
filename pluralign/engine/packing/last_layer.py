"""The last layer's feed-forward part, run for the tokens alone whose states are wanted.

What a last layer makes of a prompt's tokens after its attention is read by nobody: no later layer attends to it. Its
feed-forward part is two thirds of a layer's work, and of a reward's pack one token of a completion is wanted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Int
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer


@contextmanager
def wanting(backbone: nn.Module, tokens: Int[Tensor, " wanted"]) -> Iterator[None]:
    """Inside, states of other `tokens` of a pack than these, which are distinct, are not to be read.

    Models whose last layer has no part called `mlp` that takes a tensor `[1, token, width]` compute all of them, and so
    do layers that are run again in the backward pass, when this is over.
    """
    part = _feed_forward(backbone)
    if part is None:
        yield
        return
    narrowed: list[int] = []

    def pick(_part: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        if named or len(inputs) != 1 or not isinstance(inputs[0], Tensor) or inputs[0].dim() != 3:
            return None
        narrowed.append(inputs[0].shape[1])
        return (inputs[0][:, tokens],), named

    def spread(_part: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        if not narrowed:
            return output
        size = narrowed.pop()
        if isinstance(output, tuple):  # what comes beside the states speaks of experts, which nobody reads here
            return (_spread(output[0], tokens, size), *output[1:])
        return _spread(output, tokens, size)

    handles = [part.register_forward_pre_hook(pick, with_kwargs=True), part.register_forward_hook(spread)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _spread(states: Tensor, tokens: Tensor, size: int) -> Tensor:
    """The states `[1, wanted, width]` in their places among `size` tokens, zeros elsewhere."""
    return states.new_zeros(1, size, states.shape[-1]).index_copy(1, tokens, states)


def _feed_forward(backbone: nn.Module) -> nn.Module | None:
    layers = [part for part in backbone.modules() if isinstance(part, GradientCheckpointingLayer)]
    if not layers or "forward" in vars(layers[-1]):
        return None
    part = getattr(layers[-1], "mlp", None)
    return part if isinstance(part, nn.Module) else None
