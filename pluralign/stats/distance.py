"""How far apart two distributions lie: Wasserstein's distance, the area between their distribution functions.

For rewards it is the mean way that one group's rewards would have to be moved to lie like the others', or one stage's
to lie like another's.
Source: Villani 2009, Optimal Transport, remark 2.19 (on the line).
"""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from pluralign.stats.draws import portions
from pluralign.stats.panel import Panel

DRAWS = 200
Columns = Float64[np.ndarray, " group"]
Bounded = tuple[Columns, Columns, Columns]
Members = Float64[np.ndarray, "member value"]
"""1 where a value belongs to a group."""


def drift(values: Float64[np.ndarray, " unit"], panel: Panel, seed: int = 0) -> Bounded:
    """Each group's distance to the values of all other groups, with 95% bounds from 200 draws of clusters.

    The last column is the mean over the pairs of all groups. As for the calibration error, the draws' quantiles are
    taken around their own mean. NaN where a group, or what is left without it, has no value.
    """
    own = _members(panel)
    return _bounded(values, (own, 1 - own), panel.cluster, panel.clusters, seed)


def moved(
    before: Float64[np.ndarray, " unit"], after: Float64[np.ndarray, " unit"], panel: Panel, seed: int = 0
) -> Bounded:
    """Each group's distance between its values at two stages, with bounds and last column as `drift` has them.

    A unit counts where both are known; a draw takes a cluster with both.
    """
    both = np.where(np.isnan(before + after), np.nan, 0.0)
    own = _members(panel)
    sides = np.hstack((own, 0 * own)), np.hstack((0 * own, own))
    return _bounded(
        np.concatenate((after + both, before + both)), sides, np.tile(panel.cluster, 2), panel.clusters, seed
    )


def _members(panel: Panel) -> Members:
    return np.array([panel.group == column for column in range(len(panel.groups))], np.float64)


def _bounded(
    values: Float64[np.ndarray, " value"],
    sides: tuple[Members, Members],
    cluster: Int[np.ndarray, " value"],
    clusters: int,
    seed: int,
) -> Bounded:
    """The distance between the two `sides` of each group, and its bounds."""
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    own, others = sides[0][:, order], sides[1][:, order]
    steps, cluster = np.diff(values[order]), cluster[order]
    found = _distances(np.ones((1, len(order))), own, others, steps)[0]
    draw, equal = np.random.default_rng(seed), np.full(clusters, 1 / clusters)
    drawn = np.concatenate(
        [
            _distances(draw.multinomial(clusters, equal, rows)[:, cluster], own, others, steps)
            for rows in portions(DRAWS, max(len(order), clusters))
        ]
    )
    drawn = np.where(np.isnan(found), 0.0, drawn)
    low, high = np.nanquantile(drawn, (0.025, 0.975), axis=0) - np.nanmean(drawn, axis=0)
    return found, np.maximum(found + low, 0.0), found + high


def _distances(
    weights: Any, own: Members, others: Members, steps: Float64[np.ndarray, " step"]
) -> Float64[np.ndarray, "draw column"]:
    """Distances for `weights` `[draws, values]` of the sorted values, and their mean by the groups' weights."""
    each: list[Float64[np.ndarray, " draw"]] = []
    sizes: list[Float64[np.ndarray, " draw"]] = []
    for member, other in zip(own, others, strict=True):
        mine, rest = weights * member, weights * other
        size, left = mine.sum(axis=1), rest.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = np.cumsum(mine, axis=1) / size[:, None] - np.cumsum(rest, axis=1) / left[:, None]
        area = (np.abs(apart[:, :-1]) * steps).sum(axis=1)
        each.append(np.where((size > 0) & (left > 0), area, np.nan))
        sizes.append(size)
    columns, counts = np.array(each), np.array(sizes)
    known = ~np.isnan(columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, columns * counts, 0.0).sum(axis=0) / np.where(known, counts, 0.0).sum(axis=0)
    return np.vstack((columns, mean[None])).T
