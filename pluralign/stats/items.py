"""Gains seen from the items: how many improved, how many worsened, and how large the effect is without a unit."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from pluralign.records.measure import Measure
from pluralign.stats.gains import Gains
from pluralign.stats.levels import binary_groups
from pluralign.stats.panel import Panel
from pluralign.stats.quantiles import sign_test
from pluralign.stats.spread import ALPHA, interval, take_spread

Columns = Float64[np.ndarray, " group"]


@dataclass(frozen=True)
class Items:
    """By group, `all` last: items that improved and worsened, McNemar's exact p, effect, and ratio above chance.

    `exact_p` is known for answers that are right or wrong, each in a cluster of its own. `effect` is Cohen's h for such
    answers (whatever their clusters), 2 asin √p of the later stage less that of the earlier, signed so that positive is
    better; else the gain over the standard deviation of the earlier readings (Glass's Δ). `above_chance`: how far the
    later stage lies beyond chance over how far the earlier one did, if its interval leaves chance out on that side.
    Source: McNemar 1947; Cohen 1988, chapter 6; Glass 1976.
    """

    improved: Int[np.ndarray, " group"]
    worsened: Int[np.ndarray, " group"]
    exact_p: Columns
    effect: Columns
    above_chance: Columns


def count_items(found: Gains, measure: Measure) -> Items:
    """The items of gains whose readings are means of single items (no `Measure.statistic`)."""
    panel, means = found.panel, found.spread.means
    improved, worsened = _counts(found.each > 0, panel), _counts(found.each < 0, panel)
    right_or_wrong = np.zeros(len(means.value), np.bool_)
    if measure.bounds is not None:
        right_or_wrong = binary_groups(found.first, panel, measure.bounds) & binary_groups(
            found.second, panel, measure.bounds
        )
    single = right_or_wrong & (means.clusters == means.n) & means.speaks
    return Items(
        improved=improved,
        worsened=worsened,
        exact_p=np.where(single, sign_test(improved, worsened), np.nan),
        effect=_effect(found, measure, right_or_wrong),
        above_chance=_above_chance(found, measure),
    )


def _counts(here: Bool[np.ndarray, " unit"], panel: Panel) -> Int[np.ndarray, " group"]:
    by_group = np.bincount(panel.group[here], minlength=len(panel.groups))
    return np.append(by_group, by_group.sum())


def _means(values: Float64[np.ndarray, " unit"], panel: Panel) -> Columns:
    """Means of the known values by group, and of all; NaN without any."""
    known = ~np.isnan(values)
    sums = np.bincount(panel.group, np.where(known, values, 0.0), minlength=len(panel.groups))
    counts = np.bincount(panel.group[known], minlength=len(panel.groups))
    sums, counts = np.append(sums, sums.sum()), np.append(counts, counts.sum())
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _effect(found: Gains, measure: Measure, right_or_wrong: Bool[np.ndarray, " group"]) -> Columns:
    first, second = _means(found.first, found.panel), _means(found.second, found.panel)
    variance = _means(found.first**2, found.panel) - first**2
    n = found.spread.means.n
    variance = np.where(variance > 1e-12 * np.maximum(1.0, first**2), variance, np.nan) * n / np.maximum(n - 1, 1)
    effect = found.spread.means.value / np.sqrt(variance)
    if measure.bounds is None:
        return effect
    bottom, top = measure.bounds
    angles = [2 * np.arcsin(np.sqrt(np.clip((mean - bottom) / (top - bottom), 0.0, 1.0))) for mean in (first, second)]
    sign = -1.0 if measure.better == "lower" else 1.0
    return np.where(right_or_wrong, sign * (angles[1] - angles[0]), effect)


def _above_chance(found: Gains, measure: Measure) -> Columns:
    if measure.chance is None:
        return np.full_like(found.spread.means.value, np.nan)
    earlier = take_spread(found.first, found.panel, measure.bounds)
    low, high = interval(earlier, ALPHA)
    sure = high < measure.chance if measure.better == "lower" else low > measure.chance
    before, after = (_means(values, found.panel) - measure.chance for values in (found.first, found.second))
    return np.divide(after, before, out=np.full_like(after, np.nan), where=sure)
