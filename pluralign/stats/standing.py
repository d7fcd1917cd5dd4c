"""Where one group stands among all: the share of the others whose mean is larger than its own.

The share jumps where two means pass each other: it has no influence values, and resampled clusters do not say how far
off it may be (where many others are near, intervals from them held in 47 to 95 of 100 simulated audits). What can be
said is which others surely stand above, and which below.
Source: bounds of ranks from tests of differences are those of Mogstad, Romano, Shaikh and Wilhelm 2024, who take the
largest t; how many are surely above is counted here as Benjamini and Heller 2008 do. The least p is our own.
"""

import numpy as np
from jaxtyping import Float64, Int

from pluralign.stats.between import surely
from pluralign.stats.means import Means, take_means
from pluralign.stats.panel import Panel
from pluralign.stats.quantiles import student_tails
from pluralign.stats.spread import ALPHA

_ROUNDING = 1e-12
Others = Float64[np.ndarray, " other"]


def share_above(values: Float64[np.ndarray, " unit"], panel: Panel, reference: int) -> tuple[float, float, float]:
    """The share of the other groups whose mean is larger than that of group `reference`, with 95% bounds.

    The bounds are the share of those surely above, and one less that of those surely below, at 2.5% each (`surely`).
    Of normal readings they held in 99 of 100 simulated audits, however the others' means lay, and are wide where many
    lie near (`docs/log.md`). Very skewed differences mislead Student's t: where the group never varies and 20
    others with exponential readings lie just above it, in 84 of 100 audits of 60 clusters, and 90 of 100 of 200.
    NaN where the group, or every other, has no value.
    """
    means = take_means(values, panel)
    others = np.delete(np.arange(len(panel.groups)), reference)
    others = others[~np.isnan(means.value[others] - means.value[reference])]
    if not len(others):
        return float("nan"), float("nan"), float("nan")
    apart = means.value[others] - means.value[reference]
    above, below = _tails(means, others, reference, apart)
    low, high = surely(above, ALPHA / 2) / len(others), 1 - surely(below, ALPHA / 2) / len(others)
    return float((apart > 0).mean()), low, high


def _tails(means: Means, others: Int[np.ndarray, " other"], reference: int, apart: Others) -> tuple[Others, Others]:
    """One-sided p that a mean is no larger, and that it is no smaller, than the reference group's.

    Student's t of the difference cluster by cluster, with the effective clusters of the group that has fewer, less one;
    never below 2^-K of K such clusters, which is what turned signs could show. 1 where either group cannot speak.
    """
    variance = ((means.influence[:, others] - means.influence[:, [reference]]) ** 2).sum(axis=0)
    noise = _ROUNDING * ((means.influence[:, others] ** 2).sum(axis=0) + (means.influence[:, reference] ** 2).sum())
    effective = np.minimum(means.effective[others], means.effective[reference])
    sure = np.where(apart == 0, 0.0, np.copysign(np.inf, apart))
    t = np.divide(apart, np.sqrt(variance), out=sure, where=variance > noise)
    outside = student_tails(np.abs(t), np.maximum(effective - 1, 1.0)) / 2
    least = 2.0**-effective
    known = means.speaks[others] & means.speaks[reference]
    above, below = np.where(t > 0, outside, 1 - outside), np.where(t < 0, outside, 1 - outside)
    return np.where(known, np.maximum(above, least), 1.0), np.where(known, np.maximum(below, least), 1.0)
