"""Many groups at once: p-values adjusted for their number, and the test that all groups have the same mean."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from pluralign.records.estimate import Adjustment
from pluralign.stats.quantiles import fisher_tail
from pluralign.stats.sampling import Sampling
from pluralign.stats.spread import Spread

_ROUNDING = 1e-10

PValues = Float64[np.ndarray, " test"]
OfSlice = Float64[np.ndarray, " _"]
"""P-values of the groups of one slice among several."""


def holm(p: PValues) -> PValues:
    """Holm's adjusted p-values of one family; a NaN is a test that could not be made and stays NaN.

    The k-th smallest of m is multiplied by m - k + 1, and is no smaller than those before it. (statsmodels' own is
    left to the tests: each call collects the garbage of the whole process.) Source: Holm 1979.
    """
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    adjusted = np.full_like(p, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def benjamini_hochberg(p: PValues) -> PValues:
    """Benjamini and Hochberg's adjusted p-values of one family; a NaN is a test that could not be made and stays NaN.

    The k-th smallest of m is multiplied by m / k, and is no larger than those after it: of the groups that are called
    at .05, one in twenty is expected to be called wrongly. Source: Benjamini and Hochberg 1995.
    """
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    adjusted = np.full_like(p, np.nan)
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return adjusted


ADJUST: Mapping[Adjustment, Callable[[PValues], PValues]] = {"holm": holm, "bh": benjamini_hochberg}


def together(rule: Callable[[PValues], PValues], p: Sequence[OfSlice]) -> list[OfSlice]:
    """P-values of the slices of one family, adjusted by a rule; `all`, the last of each, keeps its own p."""
    return dealt(rule(np.concatenate([each[:-1] for each in p])), p)


def dealt(adjusted: OfSlice, p: Sequence[OfSlice]) -> list[OfSlice]:
    """What was adjusted together, dealt out to the slices again; `all`, the last of each, keeps its own p."""
    ends = np.cumsum([len(each) - 1 for each in p])
    parts = np.split(adjusted, ends[:-1])
    return [np.append(part, each[-1]) for part, each in zip(parts, p, strict=True)]


def equal_means(spread: Spread) -> float:
    """Probability of such means if all groups had one: Wald's test with the clusters' covariance between the groups.

    With W the Wald statistic and r its rank (a singular covariance is inverted where it has one), the reference is
    Hotelling's: W (v - r + 1) / (v r) is an F with r and v - r + 1 degrees of freedom, v matched to the moments of the
    covariance. For groups that lie in the same K equal clusters v = K - 1, Hotelling's T²; for two groups it is
    `contrast.against`. NaN with fewer than two groups that can speak, or v below their number less one.
    Source: Krishnamoorthy and Yu 2004 (v); Pustejovsky and Tipton 2018 (Wald tests with few clusters).
    """
    known = spread.sampling
    groups = len(known.columns)
    if groups < 2:
        return float("nan")
    centre = np.eye(groups) - 1 / groups
    covariance = known.parts.T @ known.parts
    sizes, axes = np.linalg.eigh(centre @ covariance @ centre)
    kept = sizes > _ROUNDING * max(float(sizes[-1]), float(covariance.diagonal().max()))
    rank = int(kept.sum())
    if rank == 0:
        return float("nan")
    scaled = centre @ (axes[:, kept] / np.sqrt(sizes[kept]))
    statistic = float(((known.value @ scaled) ** 2).sum())
    freedom = _freedom(known, scaled)
    if freedom < groups - 1:
        return float("nan")
    return fisher_tail(statistic * (freedom - rank + 1) / (freedom * rank), float(rank), freedom - rank + 1)


def _freedom(known: Sampling, scaled: Float64[np.ndarray, "group axis"]) -> float:
    """Degrees of freedom v of the covariance, from the kinds of sources that add up to it.

    `scaled` leads to axes where the whole covariance is the unit matrix.
    """
    rank, parts = scaled.shape[1], known.parts @ scaled
    loss = sum(_moments(parts[members].T @ parts[members]) / freedom for members, freedom in known.kinds)
    return (rank + rank**2) / loss


def _moments(share: Float64[np.ndarray, "axis axis"]) -> float:
    return float((share**2).sum() + np.trace(share) ** 2)
