"""Chance, drawn: whole clusters drawn again with replacement, or their signs turned.

Everything is a matrix product of what is drawn `[draw, cluster]` with sums by cluster `[cluster, column]`, a portion of
the draws at a time. The same seed gives the same draws.
Source: Efron and Tibshirani 1993, chapter 6 (resampling); Cameron, Gelbach and Miller 2008 (signs of clusters).
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from pluralign.stats.draws import portions

FLIPS = 2000
"""Draws of signs: a p-value of .05 is then known to about .005."""


def resample(
    sums: Float64[np.ndarray, "cluster column"], draws: int, seed: int = 0
) -> Float64[np.ndarray, "draw column"]:
    """Sums over as many clusters as there are, drawn with replacement; a mean is a ratio of two columns."""
    return np.concatenate([times @ sums for times in times_drawn(len(sums), draws, seed)])


def times_drawn(
    clusters: int, draws: int, seed: int = 0, held: int = 0
) -> Iterator[Float64[np.ndarray, "draw cluster"]]:
    """How often every cluster is drawn, a portion of the draws at a time; each draw has as many as there are.

    `held`: the numbers that a draw is made into, where these are more than the clusters.
    """
    random = np.random.default_rng(seed)
    for rows in portions(draws, max(clusters, held)):
        drawn = random.integers(0, clusters, (rows, clusters))
        drawn += clusters * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * clusters)
        yield times.reshape(rows, clusters).astype(np.float64)


def flips(
    parts: Float64[np.ndarray, "cluster column"], draws: int = FLIPS, seed: int = 0
) -> Float64[np.ndarray, "draw column"]:
    """Sums of the clusters' parts with signs drawn at random, one for all columns of a cluster.

    What columns share in a cluster stays shared. Where a cluster's parts are as likely with either sign, the sum as it
    was found is one more such draw, which makes a test of it exact.
    """
    random, total = np.random.default_rng(seed), parts.sum(axis=0)
    return np.concatenate(
        [2 * (_bits(random, rows, len(parts)) @ parts) - total for rows in portions(draws, len(parts))]
    )


def _bits(random: np.random.Generator, rows: int, columns: int) -> Float64[np.ndarray, "row column"]:
    """Zeros and ones, equally likely."""
    width = 8 * -(-columns // 64)  # whole words of the generator, so that portions do not matter
    packed = np.frombuffer(random.bytes(rows * width), np.uint8).reshape(rows, width)
    return np.unpackbits(packed, axis=1, count=columns).astype(np.float64)
