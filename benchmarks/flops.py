"""Floating-point operations that a case's useful tokens ask of a model, the same count for both sides.

A multiplication and an addition are two. Every prompt counts once, every completion token once; the head counts at
completion tokens only. Counted are the products with weights, forward, and twice more for gradients; attention's own
products (a few per cent here), padding, and tokens encoded a second time are not, so a side that does more than it
must reaches a lower share of the machine's peak.
"""

from collections.abc import Sequence

from pluralign.records.fork import Fork

FORWARD, WITH_GRADIENTS = 1, 3


def layer_parameters(width: int, intermediate: int, layers: int) -> int:
    """Weights of a Llama's layers with as many key heads as query heads."""
    return layers * (4 * width * width + 3 * width * intermediate)


def model_flops(forks: Sequence[Fork], *, body: int, head: int, passes: int = FORWARD) -> float:
    """Operations of scoring `forks` once; `body`, `head`: weights of the layers and of the head."""
    prompts = sum(len(fork.prompt) for fork in forks)
    completions = sum(len(completion) for fork in forks for completion in fork.completions)
    return 2.0 * passes * ((prompts + completions) * body + completions * head)


def written_flops(prompt_tokens: int, new_tokens: float, *, body: int, head: int) -> float:
    """Operations of writing `new_tokens` after prompts of `prompt_tokens` together."""
    return 2.0 * ((prompt_tokens + new_tokens) * body + new_tokens * head)
