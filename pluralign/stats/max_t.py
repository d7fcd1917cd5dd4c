"""Many tests at once by the largest statistic that chance alone gives, whatever they have in common.

Source: Westfall and Young 1993, algorithm 4.1 (step-down max-T).
"""

import numpy as np
from jaxtyping import Float64

from pluralign.stats.bootstrap import FLIPS, flips
from pluralign.stats.means import Means

_ROUNDING = 1e-9


def flipped(
    means: Means, draws: int = FLIPS, seed: int = 0
) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, "draw group"]]:
    """Every group's statistic against a mean of zero, and what it becomes with the clusters' signs drawn at random.

    The statistic is Σ s_c / √Σ s_c², s_c a cluster's sum of readings. It grows with Student's t, and its denominator
    stays as it is when signs turn. NaN where a group cannot speak. `all`, the last column of `means`, is left out.
    """
    speaks = means.speaks[:-1]
    totals = np.where(speaks, means.totals[:, :-1], 0.0)
    size = np.sqrt((totals**2).sum(axis=0))
    parts = np.divide(totals, size, out=np.zeros_like(totals), where=size > 0)
    return np.where(speaks, parts.sum(axis=0), np.nan), flips(parts, draws, seed)


def max_t(
    observed: Float64[np.ndarray, " test"], drawn: Float64[np.ndarray, "draw test"]
) -> Float64[np.ndarray, " test"]:
    """Two-sided p of each test, adjusted for all; a NaN is a test that could not be made and stays NaN.

    Tests are taken from the largest statistic down; each is held against the largest of those not yet taken. The
    smallest p is 1 / (draws + 1).
    """
    known = np.flatnonzero(~np.isnan(observed))
    order = known[np.argsort(-np.abs(observed[known]), kind="stable")]
    adjusted = np.full_like(observed, np.nan)
    if len(order):
        largest = np.maximum.accumulate(np.abs(drawn[:, order[::-1]]), axis=1)[:, ::-1]
        p = tail(largest, np.abs(observed[order]))
        adjusted[order] = np.maximum.accumulate(p)
    return adjusted


def tail(
    drawn: Float64[np.ndarray, "draw test"], observed: Float64[np.ndarray, " test"]
) -> Float64[np.ndarray, " test"]:
    """The share of draws at least as large, what was found counted as one of them."""
    reached = (drawn >= observed * (1 - _ROUNDING)).sum(axis=0)
    return (1.0 + reached) / (1.0 + len(drawn))


def largest_differences(
    sums: Float64[np.ndarray, "draw group"], variances: Float64[np.ndarray, "group group"]
) -> Float64[np.ndarray, " draw"]:
    """The largest squared difference of two groups over its variance, draw by draw; 0 where no pair varies."""
    columns = np.ascontiguousarray(sums.T)
    largest = np.zeros(len(sums))
    for own in range(len(columns) - 1):
        others = own + 1 + np.flatnonzero(variances[own, own + 1 :] > _ROUNDING * variances.max())
        if len(others):
            squares = (columns[own] - columns[others]) ** 2 / variances[own, others, None]
            np.maximum(largest, squares.max(axis=0), out=largest)
    return largest
