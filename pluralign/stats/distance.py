"""How far apart two distributions lie: Wasserstein's distance, the area between their distribution functions.

For rewards it is the mean way that one group's rewards would have to be moved to lie like the others', or one stage's
to lie like another's.

Two samples of one distribution lie apart as well, so the distance found is too large where the true one is small, and
draws of clusters, which lie further apart still, cannot say by how much. What they do say is how far the difference of
the two distribution functions strays; by the triangle inequality the distance strays no further:
|W - Ŵ| ≤ ∫ |(F̂ - Ĝ) - (F - G)|. The bounds are Ŵ less and more that integral's 95% quantile over the draws, in which
F̂ and Ĝ stand for F and G.
Source: Villani 2009, Optimal Transport, remark 2.19 (on the line).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from pluralign.stats.bootstrap import times_drawn
from pluralign.stats.panel import Panel

DRAWS = 200
Columns = Float64[np.ndarray, " group"]
Bounded = tuple[Columns, Columns, Columns]
Members = Float64[np.ndarray, "member value"]
"""1 where a value belongs to a group."""


def drift(values: Float64[np.ndarray, " unit"], panel: Panel, seed: int = 0) -> Bounded:
    """Each group's distance to the values of all other groups, with 95% bounds from 200 draws of clusters.

    The last column is the mean over the pairs of all groups. NaN where a group, or what is left without it, has no
    value.
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
    everything = np.ones((1, len(order)))
    apart = [_apart(everything, *pair)[0] for pair in zip(own, others, strict=True)]
    found = _distances(everything, own, others, steps)[0]
    strayed = np.concatenate(
        [
            _distances(times[:, cluster], own, others, steps, apart)
            for times in times_drawn(clusters, DRAWS, seed, held=len(order))
        ]
    )
    far = np.nanquantile(np.where(np.isnan(found), 0.0, strayed), 0.95, axis=0)
    return found, np.maximum(found - far, 0.0), found + far


def _apart(
    weights: Any, own: Float64[np.ndarray, " value"], others: Float64[np.ndarray, " value"]
) -> Float64[np.ndarray, "draw value"]:
    """By how much the two sides' distribution functions differ at each of the sorted values; NaN without a side."""
    mine, rest = np.cumsum(weights * own, axis=1), np.cumsum(weights * others, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return mine / mine[:, -1:] - rest / rest[:, -1:]


def _distances(
    weights: Any,
    own: Members,
    others: Members,
    steps: Float64[np.ndarray, " step"],
    around: Sequence[Float64[np.ndarray, " value"]] | None = None,
) -> Float64[np.ndarray, "draw column"]:
    """Distances for `weights` `[draws, values]` of the sorted values, and their mean by the groups' weights.

    With `around`, by group, how far the difference of the distribution functions is from that one.
    """
    each: list[Float64[np.ndarray, " draw"]] = []
    sizes: list[Float64[np.ndarray, " draw"]] = []
    for place, (member, other) in enumerate(zip(own, others, strict=True)):
        apart = _apart(weights, member, other) - (0.0 if around is None else around[place])
        size, left = (weights * member).sum(axis=1), (weights * other).sum(axis=1)
        area = (np.abs(apart[:, :-1]) * steps).sum(axis=1)
        each.append(np.where((size > 0) & (left > 0), area, np.nan))
        sizes.append(size)
    columns, counts = np.array(each), np.array(sizes)
    known = ~np.isnan(columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, columns * counts, 0.0).sum(axis=0) / np.where(known, counts, 0.0).sum(axis=0)
    return np.vstack((columns, mean[None])).T
