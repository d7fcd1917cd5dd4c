"""Differences between groups: a gap at one stage, or the difference of two gains (difference in differences).

Groups may share clusters (the same question in several languages): each cluster's contributions to both means are
subtracted before they are squared, so that what the groups share cancels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from pluralign.stats.means import Means
from pluralign.stats.quantiles import student_quantile, student_tails
from pluralign.stats.spread import ALPHA, Spread

_ROUNDING = 1e-12

Columns = Float64[np.ndarray, " group"]


@dataclass(frozen=True)
class Contrast:
    """Every group's mean minus the reference group's: 95% interval and two-sided p; NaN where it cannot be known."""

    value: Float64[np.ndarray, " group"]
    low: Float64[np.ndarray, " group"]
    high: Float64[np.ndarray, " group"]
    p: Float64[np.ndarray, " group"]


def against(spread: Spread, reference: int) -> Contrast:
    """Every column of `spread` minus column `reference`, which itself and `all` (the last) are NaN.

    A difference without any variance (two groups that answer alike cluster by cluster) has NaN bounds.
    """
    means = spread.means
    value = means.value - means.value[reference]
    variance, freedom = _variance(spread, reference)
    noise = _ROUNDING * (spread.error**2 + spread.error[reference] ** 2)
    value, variance = _without_self(value, reference), _without_self(variance, reference)
    return _contrast(value, variance, freedom, noise)


def against_others(spread: Spread) -> Contrast:
    """Every column minus the unweighted mean of the other groups: of all others whose uncertainty is known.

    Large groups count no more than small ones among the others. NaN where there are none, and for `all`; a group whose
    own uncertainty is not known keeps its value without bounds. With two groups it is `against`.
    """
    known, means = spread.sampling, spread.means
    others, total = len(known.columns) - 1, known.value.sum()
    value, variance, freedom, noise = (np.full_like(means.value, np.nan) for _ in range(4))
    if others >= 0:
        value[:-1] = means.value[:-1] - total / (others + 1)
        value[known.columns] = np.nan
    if others >= 1:
        value[known.columns] = known.value - (total - known.value) / others
        squares = (known.parts - (known.parts.sum(axis=1, keepdims=True) - known.parts) / others) ** 2
        loss = np.sum([squares[members].sum(axis=0) ** 2 / own for members, own in known.kinds], axis=0)
        variance[known.columns] = squares.sum(axis=0)
        freedom[known.columns] = _ratio(squares.sum(axis=0) ** 2, loss)
        noise[known.columns] = _ROUNDING * (known.parts**2).sum(axis=0).max()
    return _contrast(value, variance, freedom, noise)


def _contrast(value: Columns, variance: Columns, freedom: Columns, noise: Columns) -> Contrast:
    """The interval and p of a difference, from its variance; none where that is no more than `noise` of rounding."""
    known = (variance > noise) & (freedom > 0)
    error = np.sqrt(np.where(known, variance, np.nan))
    freedom = np.where(known, freedom, np.nan)
    half = student_quantile(1 - ALPHA / 2, freedom) * error
    return Contrast(value, value - half, value + half, student_tails(value / error, freedom))


def _without_self(column: Float64[np.ndarray, " group"], reference: int) -> Float64[np.ndarray, " group"]:
    column = column.copy()
    column[[reference, -1]] = np.nan
    return column


def _variance(spread: Spread, reference: int) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, " group"]]:
    """Variance and Satterthwaite's degrees of freedom of every difference to the reference.

    The variance is a sum over three kinds of clusters (both groups in them, only one, only the other), each with
    degrees of freedom of its own: effective clusters - 1 where both groups lie in all clusters (the paired t-test),
    Welch's where they share none.
    """
    means, excess = spread.means, spread.excess
    present = means.counts > 0
    other = present[:, [reference]]
    squares = (means.influence - means.influence[:, [reference]]) ** 2
    variance = squares.sum(axis=0) + excess + excess[reference]
    effective = means.effective
    least = np.minimum(effective, effective[reference])
    loss = np.zeros_like(variance)
    for kind, lost in (
        (present & other, least),
        (present & ~other, effective),
        (~present & other, effective[[reference]]),
    ):
        part = np.where(kind, squares, 0.0).sum(axis=0)
        loss += _ratio(part**2, _clusters_of(means, kind, reference) * _share_left(lost))
    loss += _ratio(excess**2, effective - 1) + _ratio(excess[[reference]] ** 2, effective[[reference]] - 1)
    return variance, _ratio(variance**2, loss)


def _clusters_of(
    means: Means, kind: Bool[np.ndarray, "cluster group"], reference: int
) -> Float64[np.ndarray, " group"]:
    """The effective number of clusters of a kind, by the group (or the reference) whose readings lie less evenly."""
    own = _kish(np.where(kind, means.counts, 0.0))
    other = _kish(np.where(kind, means.counts[:, [reference]], 0.0))
    return np.where(own > 0, np.where(other > 0, np.minimum(own, other), own), other)


def _kish(counts: Float64[np.ndarray, "cluster group"]) -> Float64[np.ndarray, " group"]:
    return _ratio(counts.sum(axis=0) ** 2, (counts**2).sum(axis=0))


def _share_left(effective: Float64[np.ndarray, " some"]) -> Float64[np.ndarray, " some"]:
    """One degree of freedom goes into the mean, shared by its clusters."""
    return 1 - 1 / np.maximum(effective, 1.0)


def _ratio(upper: Float64[np.ndarray, " some"], lower: Float64[np.ndarray, " some"]) -> Float64[np.ndarray, " some"]:
    """Quotient; 0 where the lower part is 0."""
    return np.divide(upper, lower, out=np.zeros_like(upper), where=lower > 0)
