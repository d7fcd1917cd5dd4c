"""How far apart the true gains of groups lie, who is worst off, and how many lose: one slice, one transition.

The groups are those that were audited, not a sample of others: their true gains are fixed, and only items are drawn.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pluralign.stats.quantiles import fisher_median, noncentral_fisher, normal_tail
from pluralign.stats.sampling import Sampling
from pluralign.stats.spread import ALPHA, Spread, interval, p_values

NAN = float("nan")
_ROUNDING = 1e-12
_HALVINGS = 30

Columns = Float64[np.ndarray, " group"]


@dataclass(frozen=True)
class Bounded:
    """A number with its 95% interval; NaN where it cannot be known."""

    value: float = NAN
    low: float = NAN
    high: float = NAN


def deviation(spread: Spread) -> Bounded:
    """Standard deviation τ of the groups' true means, with their number less one as divisor.

    With S the sum of squares of the means found around their average, T the same that sampling alone is expected to
    give, and m groups: τ² = (S - T) / (m - 1), and never below 0. S / T is a noncentral F whose degrees of freedom
    match the moments of the covariance (b = T² / U, with U the sum of its squared eigenvalues) and how well T is known;
    the bounds are the τ at which S lies at its 2.5% and 97.5% points, noncentrality (m - 1) τ² b / T. The upper bound
    is never smaller than where S is what equal groups give half of the time: means that agree by luck show no more.
    Source: Box 1954 (moments); Steiger and Fouladi 1997 (bounds by noncentrality).
    """
    known = spread.sampling
    groups = len(known.columns)
    apart = known.parts - known.parts.mean(axis=1, keepdims=True) if groups > 1 else known.parts[:0]
    expected = float((apart**2).sum())
    if groups < 2 or expected <= _ROUNDING * float((known.parts**2).sum()):
        return Bounded()
    observed = float(((known.value - known.value.mean()) ** 2).sum())
    size = _effective_rank(apart, expected)
    trust = expected**2 / sum(_squares(apart[members]) / freedom for members, freedom in known.kinds)
    ratio = observed / expected
    unit = expected / (size * (groups - 1))
    low = _noncentrality(1 - ALPHA / 2, size, trust, ratio)
    high = _noncentrality(ALPHA / 2, size, trust, max(ratio, fisher_median(size, trust)))
    value = max(observed - expected, 0.0) / (groups - 1)
    return Bounded(float(np.sqrt(value)), float(np.sqrt(low * unit)), float(np.sqrt(high * unit)))


def _squares(parts: Float64[np.ndarray, "source group"]) -> float:
    """Sum of the squared eigenvalues of the covariance that is made of these parts."""
    return float(((parts.T @ parts) ** 2).sum())


def _effective_rank(apart: Float64[np.ndarray, "source group"], expected: float) -> float:
    """T² / U of the true covariance, between 1 and the number of groups less one.

    A source's product with itself is left out of U: of few sources it would make up most of it, and is noise.
    Source: Chen and Qin 2010.
    """
    own = float(((apart**2).sum(axis=1) ** 2).sum())
    squares = max(_squares(apart) - own, expected**2 / (apart.shape[1] - 1))
    return max(expected**2 / squares, 1.0)


def _noncentrality(level: float, upper: float, lower: float, ratio: float) -> float:
    """The noncentrality at which a noncentral F lies below `ratio` with probability `level`; 0 where none is so low."""
    if noncentral_fisher(ratio, upper, lower, 0.0) <= level:
        return 0.0
    least, most = 0.0, 1.0
    while noncentral_fisher(ratio, upper, lower, most) > level:
        least, most = most, 2 * most
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        below = noncentral_fisher(ratio, upper, lower, middle) > level
        least, most = (middle, most) if below else (least, middle)
    return most


def worst(spread: Spread) -> tuple[int, Bounded]:
    """The column with the lowest mean among those whose uncertainty is known, and its mean; -1 without any.

    Whoever was chosen for being lowest was more likely unlucky than lucky. The upper bound is therefore that of a mean
    that holds for all m groups at once (97.5% of all together, Šidák); the lower one needs no such allowance.
    """
    columns = spread.sampling.columns
    if not len(columns):
        return -1, Bounded()
    place = int(columns[np.argmin(spread.means.value[columns])])
    shared = 2 * (1 - (1 - ALPHA / 2) ** (1 / len(columns)))
    low, high = interval(spread, ALPHA)[0], interval(spread, shared)[1]
    return place, Bounded(float(spread.means.value[place]), float(low[place]), float(high[place]))


def losing(spread: Spread, between: float) -> Bounded:
    """Share of the groups whose true mean lies below zero; `between` is the deviation of the true means.

    The bounds count how many groups are surely below, and surely above, zero, at 2.5% each (`surely`). The share itself
    is expected, each group's true mean being drawn towards that of all by how much of the spread is noise (empirical
    Bayes with a normal prior), so that ten groups that gained alike are not split by luck into winners and losers.
    Source: Efron and Morris 1975; Benjamini and Heller 2008.
    """
    known = spread.sampling
    groups = len(known.columns)
    if groups < 2:
        return Bounded()
    two_sided = p_values(spread)[known.columns]
    below = np.where(known.value < 0, two_sided / 2, 1 - two_sided / 2)
    low, high = surely(below, ALPHA / 2) / groups, 1 - surely(1 - below, ALPHA / 2) / groups
    share = float(_chances_below_zero(known, spread, between).mean())
    return Bounded(min(max(share, low), high), low, high)


def surely(p: Columns, level: float) -> int:
    """How many of the hypotheses are false, with confidence 1 - `level`: at least so many.

    That fewer than k are false means that of any m - k + 1 hypotheses one is true; Simes' test of the m - k + 1
    largest p rejects it. From k = 1 on, until one cannot be rejected. Valid for tests that are independent or
    positively dependent.
    Source: Benjamini and Heller 2008.
    """
    ordered = np.sort(p)
    for false in range(len(ordered)):
        rest = ordered[false:]
        if (rest * len(rest) / np.arange(1, len(rest) + 1)).min() > level:
            return false
    return len(ordered)


def _chances_below_zero(known: Sampling, spread: Spread, between: float) -> Columns:
    """Each group's posterior probability of a true mean below zero.

    Where what one group gains another loses, item by item, their common mean is known without any noise.
    """
    prior = 0.0 if np.isnan(between) else between**2
    own = spread.error[known.columns] ** 2
    weights = 1 / (own + prior)
    weights /= weights.sum()
    centre = float(weights @ known.value)
    noise = float(((known.parts @ weights) ** 2).sum() + prior * (weights**2).sum())
    trust = prior / (own + prior)
    mean = centre + trust * (known.value - centre)
    left = trust * own + (1 - trust) ** 2 * noise
    noisy = left > _ROUNDING * own
    sure = np.where(np.abs(mean) > np.sqrt(_ROUNDING * own), (mean < 0).astype(np.float64), 0.5)
    return np.where(noisy, normal_tail(mean / np.sqrt(np.where(noisy, left, 1.0))), sure)
