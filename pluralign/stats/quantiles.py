"""Tails and quantiles of the reference distributions, elementwise; NaN in, NaN out. SciPy does the work."""

from math import isnan
from typing import Any

import numpy as np
from jaxtyping import Float64, Int
from scipy import special as _special  # pyright: ignore[reportMissingTypeStubs]

special: Any = _special
_FAR = 1e5


def normal_quantile(level: float) -> float:
    """The point below which `level` of the standard normal distribution lies."""
    return float(special.ndtri(level))


def student_quantile(
    level: Float64[np.ndarray, " group"] | float, freedom: Float64[np.ndarray, " group"]
) -> Float64[np.ndarray, " group"]:
    """The point below which `level` of Student's t distribution with `freedom` degrees of freedom lies."""
    return np.asarray(special.stdtrit(freedom, level), np.float64)


def student_tails(
    t: Float64[np.ndarray, " group"], freedom: Float64[np.ndarray, " group"]
) -> Float64[np.ndarray, " group"]:
    """Probability of a t at least as far from zero, on either side."""
    return np.asarray(2 * special.stdtr(freedom, -np.abs(t)), np.float64)


def fisher_tail(ratio: float, numerator: float, denominator: float) -> float:
    """Probability of an F at least as large as `ratio`."""
    return float(special.fdtrc(numerator, denominator, ratio))


def binomial_tail(
    count: Float64[np.ndarray, " group"], trials: Float64[np.ndarray, " group"], share: Float64[np.ndarray, " group"]
) -> Float64[np.ndarray, " group"]:
    """Probability of at most `count` successes in `trials` of probability `share` each; 0 <= count < trials."""
    return np.asarray(special.betaincc(count + 1, trials - count, share), np.float64)


def binomial_bound(
    count: Float64[np.ndarray, " group"], trials: Float64[np.ndarray, " group"], alpha: float
) -> Float64[np.ndarray, " group"]:
    """The share at which at most `count` successes in `trials` have probability `alpha`: Clopper and Pearson's bound.

    With no success it is 1 - alpha^(1 / trials), about 3 / trials at alpha .05: the rule of three.
    """
    return np.asarray(special.betaincinv(count + 1, trials - count, 1 - alpha), np.float64)


def normal_tail(z: Float64[np.ndarray, " group"]) -> Float64[np.ndarray, " group"]:
    """Probability of a standard normal deviate above `z`."""
    return np.asarray(special.ndtr(-z), np.float64)


def fisher_median(numerator: float, denominator: float) -> float:
    """The median of an F."""
    return float(special.fdtri(numerator, denominator, 0.5))


def noncentral_fisher(ratio: float, numerator: float, denominator: float, noncentrality: float) -> float:
    """Probability of a noncentral F of at most `ratio`.

    Beyond noncentrality 100,000, and wherever SciPy gives NaN (it does far out in the tail), a central F of the same
    mean and variance of the numerator stands in, which is off by less than .001 there. Source: Patnaik 1949.
    """
    below = float("nan")
    if noncentrality <= _FAR:
        below = float(special.ncfdtr(numerator, denominator, noncentrality, ratio))
    if not isnan(below):
        return below
    whole = numerator + noncentrality
    alike = whole**2 / (whole + noncentrality)
    return float(special.fdtr(alike, denominator, ratio * numerator / whole))


def sign_test(up: Int[np.ndarray, " group"], down: Int[np.ndarray, " group"]) -> Float64[np.ndarray, " group"]:
    """Two-sided probability of so unequal counts if both were equally likely; 1 where both are 0. McNemar's exact p."""
    return np.minimum(2 * special.bdtr(np.minimum(up, down), up + down, 0.5), 1.0)


def student_point(level: float, freedom: float) -> float:
    """The point below which `level` of one Student's t distribution lies."""
    return float(special.stdtrit(freedom, level))


def noncentral_student(t: float, freedom: float, noncentrality: float) -> float:
    """Probability of a noncentral t of at most `t`; 0 beyond noncentrality 30 where SciPy underflows and gives NaN."""
    below = float(special.nctdtr(freedom, noncentrality, t))
    return 0.0 if noncentrality > 30 and isnan(below) else below
