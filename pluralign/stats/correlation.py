"""Rank correlations: do two stages, or a stage and a survey, put the groups into the same order?

Only the order of the groups' means counts, so that stages may be compared whose measures have different units, such as
a language model's log-probabilities and a reward model's rewards.
Source: Spearman 1904; Kendall 1945 (tau-b).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float64, Int, Int64
from scipy import stats as _stats  # pyright: ignore[reportMissingTypeStubs]

from pluralign.records.estimate import SURVEY, Correlation
from pluralign.stats.means import FEWEST_CLUSTERS
from pluralign.stats.shrinkage import plausible_means
from pluralign.stats.spread import ALPHA
from pluralign.stats.table import NO_STEP, Table

stats: Any = _stats
DRAWS = 1000
PERMUTATIONS = 9999
FEWEST_GROUPS = 3
"""Two groups have but two orders: nothing can be tested, and no interval is narrower than the whole."""

_ROUNDING = 1e-9
Values = Float64[np.ndarray, " group"]


@dataclass(frozen=True)
class _Standing:
    """Where the groups stand at one stage, or in a survey, which has no clusters and never varies.

    `value`: the groups' means, NaN where there is none; `drawn`: the means of resampled clusters.
    """

    name: str
    measure: str
    clusters: float
    value: Values
    drawn: Float64[np.ndarray, "draw group"]


def correlate(
    table: Table,
    audit: str,
    measures: Sequence[str],
    survey: tuple[str, Mapping[str, float]] | None = None,
    seed: int = 0,
) -> list[Correlation]:
    """Every pair of stages once, in the order of the readings, and each stage with the survey, which stands last.

    A stage is compared by the first of `measures` that it has readings of, at its last step, over all its seeds, and by
    the groups of the first slice. `survey` is its name and a value for each group. NaN where fewer than two groups are
    known on both sides or all of one side are tied; interval and p from three groups on, the interval from five
    clusters on.
    """
    standings = list(_standings(table, audit, measures, survey, seed))
    orders = _Orders(seed)
    return [_correlation(audit, left, right, orders, seed) for left, right in combinations(standings, 2)]


def interval(
    rho: float,
    value: Float64[np.ndarray, "2 group"],
    drawn: Float64[np.ndarray, "draw 2 group"],
    seed: int = 0,
) -> tuple[float, float]:
    """95% interval of the rank correlation `rho` of two sides' means, from those of resampled clusters.

    It is that of the true means, which noise blurs: the correlation of the means falls short of theirs, and that of
    resampled means falls short once more, so that percentiles of the latter cover as little as nothing. Its ends are
    the percentiles of the correlations of plausible true means (`stats.shrinkage`), and it always holds the estimate
    (`tests/properties/test_stats_correlation.py`).
    """
    plausible = plausible_means(value, drawn, np.random.default_rng(seed))
    correlations = (_scores(plausible[:, 0]) * _scores(plausible[:, 1])).sum(axis=1)
    low, high = np.quantile(np.clip(correlations, -1, 1), (ALPHA / 2, 1 - ALPHA / 2))
    return min(float(low), rho), max(float(high), rho)


def permutation_p(left: Values, right: Values, orders: Int[np.ndarray, "order group"]) -> float:
    """Two-sided p of the correlation of two sides' scores, (b + 1) / (m + 1).

    b of the m `orders` of the left side give a correlation at least as far from zero.
    Source: Phipson and Smyth 2010.
    """
    found = abs(float(left @ right))
    further = int((np.abs(left[orders] @ right) >= found - _ROUNDING).sum())
    return (further + 1) / (len(orders) + 1)


@dataclass(frozen=True)
class _Orders:
    """Random orders of so many groups, the same for every pair."""

    seed: int
    made: dict[int, Int64[np.ndarray, "order group"]] = field(
        default_factory=dict[int, Int64[np.ndarray, "order group"]]
    )

    def of(self, groups: int) -> Int64[np.ndarray, "order group"]:
        if groups not in self.made:
            plain = np.tile(np.arange(groups), (PERMUTATIONS, 1))
            self.made[groups] = np.random.default_rng(self.seed).permuted(plain, axis=1)
        return self.made[groups]


def _scores(values: Float64[np.ndarray, "row group"]) -> Float64[np.ndarray, "row group"]:
    """Average ranks along each row, centred, of length 1; NaN where all are tied."""
    ranks = np.asarray(stats.rankdata(values, axis=1), np.float64) - (values.shape[1] + 1) / 2
    length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    return np.divide(ranks, length, out=np.full_like(ranks, np.nan), where=length > 0)


def _correlation(audit: str, left: _Standing, right: _Standing, orders: "_Orders", seed: int) -> Correlation:
    value = np.array((left.value, right.value))
    known = np.flatnonzero(~np.isnan(value).any(axis=0))
    value, groups = value[:, known], len(known)
    rho = tau = low = high = p = float("nan")
    if groups >= 2:
        first, second = _scores(value)
        rho = float(np.clip(first @ second, -1, 1))
        tau = float(stats.kendalltau(*value).statistic)
        if groups >= FEWEST_GROUPS and not np.isnan(rho):
            p = permutation_p(first, second, orders.of(groups))
            if min(left.clusters, right.clusters) >= FEWEST_CLUSTERS:
                drawn = np.stack((left.drawn[:, known], right.drawn[:, known]), axis=1)
                low, high = interval(rho, value, drawn, seed)
    return Correlation(
        audit=audit,
        left=left.name,
        left_measure=left.measure,
        right=right.name,
        right_measure=right.measure,
        spearman=rho,
        kendall=tau,
        low=low,
        high=high,
        p=p,
        n=groups,
    )


def _standings(
    table: Table,
    audit: str,
    measures: Sequence[str],
    survey: tuple[str, Mapping[str, float]] | None,
    seed: int,
) -> Iterator[_Standing]:
    views = {measure: _first_slice(table.view(audit, measure)) for measure in measures}
    groups = np.unique(np.concatenate([view.group.codes for view in views.values()]))
    clusters = np.unique(np.concatenate([view.cluster.codes for view in views.values()]))
    if not len(groups):
        return
    weights = np.random.default_rng(seed).exponential(size=(DRAWS, len(clusters)))
    measure_of: dict[int, str] = {}
    for measure, view in views.items():
        for stage in np.unique(view.stage.codes).tolist():
            measure_of.setdefault(stage, measure)
    for stage, measure in sorted(measure_of.items()):
        rows = _last_step(views[measure].take(np.flatnonzero(views[measure].stage.codes == stage)))
        yield _standing(table.stage.words[stage], measure, rows, (clusters, groups), weights)
    if survey is not None:
        name, values = survey
        codes: list[int] = groups.tolist()
        given = np.array([values.get(table.group.words[code], np.nan) for code in codes], np.float64)
        yield _Standing(name, SURVEY, np.inf, given, np.broadcast_to(given, (DRAWS, len(given))))


def _first_slice(view: Table) -> Table:
    return view.take(np.flatnonzero(view.slice.codes == view.slice.codes[0])) if len(view) else view


def _last_step(view: Table) -> Table:
    """The readings of the finished stage, or else of its last step."""
    last = NO_STEP if (view.step == NO_STEP).any() else view.step.max()
    return view.take(np.flatnonzero(view.step == last))


def _standing(
    name: str,
    measure: str,
    rows: Table,
    codes: tuple[Int[np.ndarray, " cluster"], Int[np.ndarray, " group"]],
    weights: Float64[np.ndarray, "draw cluster"],
) -> _Standing:
    """The means of one stage; `codes`: those of the clusters and groups that the columns stand for.

    Clusters are resampled by weights that are never zero, so that no group is ever without any (Rubin 1981), and the
    deviations are given the variance of a mean of K clusters, (K + 1) / (K - 1) times their own.
    """
    known = rows.take(np.flatnonzero(~np.isnan(rows.value)))
    shape = len(codes[0]), len(codes[1])
    cluster, group = (
        np.searchsorted(every, column.codes) for every, column in zip(codes, (known.cluster, known.group), strict=True)
    )
    cell = cluster * shape[1] + group
    sums = np.bincount(cell, known.value, minlength=shape[0] * shape[1]).reshape(shape)
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    clusters = len(np.unique(cluster))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = sums.sum(axis=0) / counts.sum(axis=0)
        drawn = (weights @ sums) / (weights @ counts)
    drawn = value + np.sqrt((clusters + 1) / max(clusters - 1, 1)) * (drawn - value)
    return _Standing(name, measure, float(clusters), value, drawn)
