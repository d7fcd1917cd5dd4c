"""Intervals of a group's value at one stage.

Values between bounds get Wilson's interval, which never leaves the bounds, with the number of readings that the
cluster-robust variance V stands for: n_effective = m (1 - m) / V for a mean m on the scale 0 to 1. Shares of single
readings (clusters = n) get Wilson's interval itself; unbounded values Student's t.
Source: Wilson 1927; Korn and Graubard 1998 (effective sample size, t in place of the normal quantile).
"""

import numpy as np
from jaxtyping import Bool, Float64

from pluralign.stats.panel import Panel
from pluralign.stats.quantiles import normal_quantile, student_quantile
from pluralign.stats.spread import ALPHA, Spread, interval


def level_interval(
    spread: Spread, values: Float64[np.ndarray, " unit"], panel: Panel
) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, " group"]]:
    """95% interval of every mean of `values`, from which `spread` was taken; NaN where a group cannot speak."""
    low, high = interval(spread, ALPHA)
    if spread.reach is None:
        return low, high
    bottom, top = spread.reach
    means = spread.means
    binary = binary_groups(values, panel, spread.reach)
    single = binary & (means.clusters == means.n)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (means.value - bottom) / (top - bottom)
        size = _effective_size(spread, share, top - bottom, binary)
        quantile = student_quantile(1 - ALPHA / 2, np.where(means.freedom > 0, means.freedom, np.nan))
        quantile = np.where(single, normal_quantile(1 - ALPHA / 2), quantile)
        lower, upper = wilson(share, np.where(single, means.n, size), quantile)
    fits = means.speaks & (binary | ~spread.rare.here)
    span = top - bottom
    return np.where(fits, bottom + span * lower, low), np.where(fits, bottom + span * upper, high)


def wilson(
    share: Float64[np.ndarray, " group"], size: Float64[np.ndarray, " group"], quantile: Float64[np.ndarray, " group"]
) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, " group"]]:
    """Wilson's score interval of a share of `size` readings, `quantile` standard errors to either side."""
    square = quantile**2 / size
    centre = (share + square / 2) / (1 + square)
    half = quantile * np.sqrt(share * (1 - share) / size + square / (4 * size)) / (1 + square)
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def _effective_size(
    spread: Spread, share: Float64[np.ndarray, " group"], span: float, binary: Bool[np.ndarray, " group"]
) -> Float64[np.ndarray, " group"]:
    """Readings that the variance stands for; of shares at most n, or the effective clusters where hardly any vary."""
    means = spread.means
    size = share * (1 - share) / (spread.plain / span) ** 2
    most = np.where(spread.rare.here, means.effective, means.n)
    size = np.where(binary, np.minimum(size, most), size)
    return np.where((share <= 0) | (share >= 1), means.effective, size)


def binary_groups(
    values: Float64[np.ndarray, " unit"], panel: Panel, reach: tuple[float, float]
) -> Bool[np.ndarray, " group"]:
    """Groups whose known readings all lie at one bound or the other: their mean is a share."""
    between = ~(np.isnan(values) | (values == reach[0]) | (values == reach[1]))
    inside = np.bincount(panel.group[between], minlength=len(panel.groups))
    return np.append(inside, inside.sum()) == 0
