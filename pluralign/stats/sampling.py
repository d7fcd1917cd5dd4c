"""How far chance alone moves the means of several groups together: independent parts, and how well each is known.

Groups may share clusters, in all of them, in some or in none. Every linear or quadratic form of the groups' means (a
contrast, a spread, the test that all are equal) is taken of the same parts, so that what groups share cancels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from pluralign.stats.means import Means

Kind = tuple[Int[np.ndarray, " _"], float]


@dataclass(frozen=True)
class Sampling:
    """The groups whose uncertainty is known, and where it comes from.

    `columns`: where they stand among all groups (`all` is none of them). `value`: their means. `parts`: contributions
    by independent source; the products of two columns add up to their sampling covariance. A source is a cluster, or
    stands for the variance of a group that hardly varies beyond what its clusters show (`Spread.excess`). `kinds`: rows
    of `parts` that belong together (clusters that hold the same groups) with the degrees of freedom of their part of
    the covariance.
    """

    columns: Int[np.ndarray, " group"]
    value: Float64[np.ndarray, " group"]
    parts: Float64[np.ndarray, "source group"]
    kinds: tuple[Kind, ...]


def take_sampling(
    means: Means, error: Float64[np.ndarray, " group"], excess: Float64[np.ndarray, " group"]
) -> Sampling:
    """The sampling of the groups that can speak; `error` and `excess` as in `Spread`."""
    columns = np.flatnonzero(means.speaks[:-1] & ~np.isnan(error[:-1]))
    effective, excess = means.effective[columns], excess[columns]
    beyond = np.flatnonzero(excess > 0)
    extra = np.zeros((len(beyond), len(columns)))
    extra[np.arange(len(beyond)), beyond] = np.sqrt(excess[beyond])
    kinds = _kinds(means.counts[:, columns], effective)
    first = len(means.counts)
    kinds += [(np.array([first + row]), float(effective[column] - 1)) for row, column in enumerate(beyond.tolist())]
    return Sampling(columns, means.value[columns], np.vstack((means.influence[:, columns], extra)), tuple(kinds))


def _kinds(counts: Float64[np.ndarray, "cluster group"], effective: Float64[np.ndarray, " group"]) -> list[Kind]:
    """Clusters by the groups in them; those that hold none are left out.

    The degrees of freedom of a kind are its effective clusters, less their part of the one that goes into the mean.
    """
    held = counts > 0
    if not held.any():
        return []
    packed = np.packbits(held, axis=1)
    order = np.lexsort(packed.T)
    changes = (packed[order][1:] != packed[order][:-1]).any(axis=1)
    found: list[Kind] = []
    for rows in np.split(order, np.flatnonzero(changes) + 1):
        here = held[rows[0]]
        if here.any():
            own = counts[np.ix_(rows, here)]
            kish = own.sum(axis=0) ** 2 / (own**2).sum(axis=0)
            found.append((rows, float(kish.min() * (1 - 1 / effective[here].min()))))
    return found
