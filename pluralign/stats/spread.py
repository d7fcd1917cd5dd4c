"""How far off group means may be: standard errors, intervals and p-values from one sample.

Student's t with effective clusters - 1 degrees of freedom; where a sample hardly varies, never narrower than the exact
bounds of `stats.rare`. NaN where a group has too few clusters or too many missing readings to speak.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from pluralign.stats.means import Means, take_means
from pluralign.stats.panel import Panel
from pluralign.stats.quantiles import student_quantile, student_tails
from pluralign.stats.rare import Rare, find_rare, rare_bounds, rare_tails
from pluralign.stats.sampling import Sampling, take_sampling

ALPHA = 0.05


@dataclass(frozen=True)
class Spread:
    """Means, their standard errors `error`, and what is needed for intervals.

    `reach`: smallest and largest possible reading, None where there is no bound. `plain`: the cluster-robust standard
    error; `error` is larger where a sample hardly varies: then it is what the exact 95% bounds stand for.
    """

    means: Means
    rare: Rare
    reach: tuple[float, float] | None
    plain: Float64[np.ndarray, " group"]
    error: Float64[np.ndarray, " group"]

    @cached_property
    def sampling(self) -> Sampling:
        """The groups that can speak, and how chance moves their means together."""
        return take_sampling(self.means, self.error, self.excess)

    @property
    def excess(self) -> Float64[np.ndarray, " group"]:
        """Variance of a mean beyond what its clusters showed; zero unless the sample hardly varies."""
        return np.maximum(self.error**2 - self.plain**2, 0.0)


def take_spread(
    values: Float64[np.ndarray, " unit"],
    panel: Panel,
    reach: tuple[float, float] | None,
    everyone: Float64[np.ndarray, " unit"] | None = None,
) -> Spread:
    """Means of `values`, one per unit of `panel`, and their uncertainty; `everyone` as for `take_means`."""
    means = take_means(values, panel, everyone)
    rare = find_rare(means)
    plain = np.sqrt((means.influence**2).sum(axis=0))
    low, high = rare_bounds(rare, reach, ALPHA)
    with np.errstate(invalid="ignore"):
        implied = np.maximum(high - means.value, means.value - low) / _quantile(means, ALPHA)
        error = np.where(rare.here, np.maximum(plain, implied), plain)
    return Spread(means, rare, reach, plain, np.where(means.speaks, error, np.nan))


def interval(spread: Spread, alpha: float) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, " group"]]:
    """Two-sided interval of level 1 - `alpha` for every mean, cut at what is possible (which costs no coverage)."""
    means, rare = spread.means, spread.rare
    half = _quantile(means, alpha) * spread.plain
    low, high = means.value - half, means.value + half
    rare_low, rare_high = rare_bounds(rare, spread.reach, alpha)
    low = np.where(rare.here, np.minimum(low, rare_low), low)
    high = np.where(rare.here, np.maximum(high, rare_high), high)
    if spread.reach is not None:
        low, high = np.maximum(low, spread.reach[0]), np.minimum(high, spread.reach[1])
    return np.where(means.speaks, low, np.nan), np.where(means.speaks, high, np.nan)


def p_values(spread: Spread) -> Float64[np.ndarray, " group"]:
    """Two-sided p that a mean is zero; below alpha just where the interval of level 1 - alpha leaves zero out."""
    means = spread.means
    varies = spread.plain > 0
    t = np.divide(means.value, spread.plain, out=np.full_like(spread.plain, np.inf), where=varies)
    p = student_tails(t, means.freedom)
    p = np.where(spread.rare.here, np.maximum(p, rare_tails(spread.rare, spread.reach)), p)
    return np.where(means.speaks, p, np.nan)


def _quantile(means: Means, alpha: float) -> Float64[np.ndarray, " group"]:
    freedom = np.where(means.freedom > 0, means.freedom, np.nan)
    return student_quantile(1 - alpha / 2, freedom)
