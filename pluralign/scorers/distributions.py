"""Distributions over the options of a question, and how alike two of them are."""

import math
from collections.abc import Sequence
from typing import Any

from scipy import special as _special  # pyright: ignore[reportMissingTypeStubs]

special: Any = _special


def softmax(values: Sequence[float]) -> tuple[float, ...]:
    """Probabilities in proportion to exp(value); NaN for all where one value is NaN, or where none is possible."""
    if values and max(values) == -math.inf:
        return (math.nan,) * len(values)
    return tuple(special.softmax(values).tolist()) if values else ()


def similarity(one: Sequence[float], other: Sequence[float]) -> float:
    """1 - the Jensen-Shannon distance (natural logarithm) of two distributions, from 1 (alike) to 1 - √log 2 (apart).

    Each is scaled to sum to 1; NaN where one sums to nothing, or holds a NaN.
    Source: Durmus et al. 2023, arXiv:2306.16388, section 2.2; Lin 1991 (the divergence whose root the distance is).
    """
    sums = math.fsum(one), math.fsum(other)
    if not all(total > 0 for total in sums):
        return math.nan
    divergence = 0.0
    for left, right in zip(one, other, strict=True):
        p, q = left / sums[0], right / sums[1]
        divergence += sum(part * math.log(2 * part / (p + q)) for part in (p, q) if part > 0) / 2
    return 1.0 - math.sqrt(max(divergence, 0.0))
