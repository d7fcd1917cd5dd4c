"""Samples that hardly vary: all clusters, or all but a few, have one and the same value.

There the estimated variance says nothing (it is zero when no reading changed), so that bounds come from the clusters
that might have differed and were not seen. For a measure whose readings cannot leave `bottom` to `top`, let c be the
common value of K clusters, of which a lie above it and b below. The share of clusters that lie below c is at most
U(b), Clopper and Pearson's bound at alpha / 2 of b in K, and no mean can be lower than all of those at `bottom`:

    c - (c - bottom) U(b) <= mean <= c + (top - c) U(a),    U(0) = 1 - (alpha / 2)^(1 / K)

which is the rule of three, two-sided, where nothing varies. Unbounded measures have no such bounds: NaN.
Source: Clopper and Pearson 1934; Hanley and Lippman-Hand 1983.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from pluralign.stats.means import Means
from pluralign.stats.quantiles import binomial_bound, binomial_tail

FEWEST_VARYING = 5
"""With fewer clusters off the common value, Student's t does not hold: no exact test could reject at the 5% level."""

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Rare:
    """Which groups hardly vary (`here`), their common value, and how many clusters lie above and below it.

    `trials`: the effective number of clusters.
    """

    here: Bool[np.ndarray, " group"]
    common: Float64[np.ndarray, " group"]
    above: Float64[np.ndarray, " group"]
    below: Float64[np.ndarray, " group"]
    trials: Float64[np.ndarray, " group"]


def find_rare(means: Means) -> Rare:
    """Groups of which more than half of the clusters share one value and fewer than five have another."""
    present = means.counts > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        each = np.where(present, means.totals / means.counts, np.nan)
    middle = np.maximum(means.clusters - 1, 0) // 2
    common = np.take_along_axis(np.sort(each, axis=0), middle[None, :], axis=0)[0]
    slack = _ROUNDING * np.maximum(1.0, np.abs(common))
    above = (each > common + slack).sum(axis=0)
    below = (each < common - slack).sum(axis=0)
    varying = above + below
    here = (varying < FEWEST_VARYING) & (2 * varying < means.clusters)
    return Rare(here, common, above.astype(np.float64), below.astype(np.float64), means.effective)


def rare_bounds(
    rare: Rare, reach: tuple[float, float] | None, alpha: float
) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, " group"]]:
    """Two-sided bounds at level 1 - `alpha`; `reach` is the smallest and largest possible reading."""
    if reach is None:
        return np.full_like(rare.common, np.nan), np.full_like(rare.common, np.nan)
    bottom, top = reach
    low = rare.common - (rare.common - bottom) * _largest_share(rare.below, rare.trials, alpha / 2)
    high = rare.common + (top - rare.common) * _largest_share(rare.above, rare.trials, alpha / 2)
    return low, high


def rare_tails(rare: Rare, reach: tuple[float, float] | None) -> Float64[np.ndarray, " group"]:
    """Two-sided p that the mean is zero: the alpha at which `rare_bounds` reach zero (1 if all are zero)."""
    if reach is None:
        return np.full_like(rare.common, np.nan)
    bottom, top = reach
    positive = rare.common > 0
    room = np.where(positive, rare.common - bottom, top - rare.common)
    needed = np.divide(np.abs(rare.common), room, out=np.zeros_like(room), where=room > 0)
    seen = np.where(positive, rare.below, rare.above)
    inside = seen < rare.trials
    tail = binomial_tail(np.where(inside, seen, 0.0), np.maximum(rare.trials, 1.0), needed)
    return np.where(inside, np.minimum(2 * tail, 1.0), 1.0)


def _largest_share(
    count: Float64[np.ndarray, " group"], trials: Float64[np.ndarray, " group"], alpha: float
) -> Float64[np.ndarray, " group"]:
    inside = count < trials
    bound = binomial_bound(np.where(inside, count, 0.0), np.where(inside, trials, 1.0), alpha)
    return np.where(inside, bound, 1.0)
