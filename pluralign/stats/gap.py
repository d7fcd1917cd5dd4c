"""The gap between the group that gained most and the one that gained least, held against what chance makes of it.

The largest of several numbers less the smallest is above zero whatever they stand for: ten identical groups of 200
answers have a mean gap of eleven points, and every interval from resampling leaves zero out. So the gap is tested, not
bounded: by what it becomes where the signs of whole clusters are drawn at random. Within a cluster that groups share
this turns their differences; across groups of their own clusters it keeps each group's own variance, which exchanging
the groups' names would not.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pluralign.stats.bootstrap import FLIPS, flips
from pluralign.stats.max_t import largest_differences, tail
from pluralign.stats.spread import Spread

NAN = float("nan")


@dataclass(frozen=True)
class Gap:
    """The largest mean less the smallest: `value`, `if_equal` (its mean if all means were one), and two p-values.

    `p`: of the gap itself. `pairs_p`: of the largest difference in standard errors over all pairs (max-T). NaN with
    fewer than two groups whose uncertainty is known.
    """

    value: float = NAN
    if_equal: float = NAN
    p: float = NAN
    pairs_p: float = NAN


def widest_gap(spread: Spread, draws: int = FLIPS, seed: int = 0) -> Gap:
    """The gap between the groups of `spread` that can speak, and its tests by so many draws of signs."""
    known, means = spread.sampling, spread.means
    columns = known.columns
    if len(columns) < 2:
        return Gap()
    totals, counts = means.totals[:, columns], means.counts[:, columns]
    residuals = (totals - counts * (totals.sum() / counts.sum())) / counts.sum(axis=0)
    drawn = flips(residuals, draws, seed)
    gap = _range(known.value[None])
    products = residuals.T @ residuals
    variances = products.diagonal()[:, None] + products.diagonal() - 2 * products
    pairs = largest_differences(known.value[None], variances)
    return Gap(
        value=float(gap[0]),
        if_equal=float(_range(flips(known.parts, draws, seed)).mean()),
        p=float(tail(_range(drawn)[:, None], gap)[0]),
        pairs_p=float(tail(largest_differences(drawn, variances)[:, None], pairs)[0]),
    )


def _range(means: Float64[np.ndarray, "draw group"]) -> Float64[np.ndarray, " draw"]:
    return means.max(axis=1) - means.min(axis=1)
