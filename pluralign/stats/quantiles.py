"""Tails and quantiles of the reference distributions, elementwise; NaN in, NaN out. SciPy does the work."""

from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy import special as _special  # pyright: ignore[reportMissingTypeStubs]

special: Any = _special


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
