"""Many groups at once: Holm's adjustment, and the test that all groups have the same mean."""

import numpy as np
from jaxtyping import Float64, Int

from pluralign.stats.means import Means
from pluralign.stats.quantiles import fisher_tail
from pluralign.stats.spread import Spread

_ROUNDING = 1e-10


def holm(p: Float64[np.ndarray, " test"]) -> Float64[np.ndarray, " test"]:
    """Holm's adjusted p-values of one family; a NaN is a test that could not be made and stays NaN.

    The k-th smallest of m is multiplied by m - k + 1, and is no smaller than those before it. (statsmodels' own is
    left to the tests: each call collects the garbage of the whole process.) Source: Holm 1979.
    """
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    adjusted = np.full_like(p, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def equal_means(spread: Spread) -> float:
    """Probability of such means if all groups had one: Wald's test with the clusters' covariance between the groups.

    With W the Wald statistic and r its rank (a singular covariance is inverted where it has one), the reference is
    Hotelling's: W (v - r + 1) / (v r) is an F with r and v - r + 1 degrees of freedom, v matched to the moments of the
    covariance. For groups that lie in the same K equal clusters v = K - 1, Hotelling's T²; for two groups it is
    `contrast.against`. NaN with fewer than two groups that can speak, or v below their number less one.
    Source: Krishnamoorthy and Yu 2004 (v); Pustejovsky and Tipton 2018 (Wald tests with few clusters).
    """
    columns = np.flatnonzero(spread.means.speaks[:-1] & ~np.isnan(spread.error[:-1]))
    if len(columns) < 2:
        return float("nan")
    influence, excess = spread.means.influence[:, columns], spread.excess[columns]
    centre = np.eye(len(columns)) - 1 / len(columns)
    covariance = centre @ (influence.T @ influence + np.diag(excess)) @ centre
    sizes, axes = np.linalg.eigh(covariance)
    kept = sizes > _ROUNDING * max(float(sizes[-1]), float((spread.error[columns] ** 2).max()))
    rank = int(kept.sum())
    if rank == 0:
        return float("nan")
    scaled = centre @ (axes[:, kept] / np.sqrt(sizes[kept]))
    statistic = float(((spread.means.value[columns] @ scaled) ** 2).sum())
    freedom = _freedom(spread.means, columns, influence @ scaled, scaled, excess)
    if freedom < len(columns) - 1:
        return float("nan")
    return fisher_tail(statistic * (freedom - rank + 1) / (freedom * rank), float(rank), freedom - rank + 1)


def _freedom(
    means: Means,
    columns: Int[np.ndarray, " column"],
    parts: Float64[np.ndarray, "cluster axis"],
    scaled: Float64[np.ndarray, "column axis"],
    excess: Float64[np.ndarray, " column"],
) -> float:
    """Degrees of freedom v of the covariance, from the kinds of clusters (by the groups in them) that add up to it.

    `parts`: the clusters' contributions on axes where the whole covariance is the unit matrix.
    """
    rank = scaled.shape[1]
    counts = means.counts[:, columns]
    kinds, kind = np.unique(counts > 0, axis=0, return_inverse=True)
    order = np.argsort(kind, kind="stable")
    ends = np.cumsum(np.bincount(kind, minlength=len(kinds)))
    loss = 0.0
    for members, here in zip(np.split(order, ends[:-1]), kinds, strict=True):
        if here.any():
            share = parts[members].T @ parts[members]
            loss += _moments(share) / _kind_freedom(counts[members][:, here], means.effective[columns][here])
    for column in np.flatnonzero(excess > 0):
        share = excess[column] * np.outer(scaled[column], scaled[column])
        loss += _moments(share) / (means.effective[columns][column] - 1)
    return (rank + rank**2) / loss


def _moments(share: Float64[np.ndarray, "axis axis"]) -> float:
    return float((share**2).sum() + np.trace(share) ** 2)


def _kind_freedom(counts: Float64[np.ndarray, "member here"], effective: Float64[np.ndarray, " here"]) -> float:
    """Effective clusters of one kind, less their part of the degree of freedom that goes into the mean."""
    kish = counts.sum(axis=0) ** 2 / (counts**2).sum(axis=0)
    return float(kish.min() * (1 - 1 / effective.min()))
