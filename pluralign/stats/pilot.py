"""How answers varied in an earlier run: what a plan for the next one needs to know, group by group."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pluralign.records.measure import Measure
from pluralign.stats.gains import Transition, paired_rungs
from pluralign.stats.means import Means, take_means
from pluralign.stats.panel import Panel, panels
from pluralign.stats.power import Sample
from pluralign.stats.table import Table

Values = Float64[np.ndarray, " unit"]


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """One group's answers at two stages of an earlier run.

    `level`: the later stage's answers; `gain`: their differences to the earlier stage's. `pairing`: the correlation of
    both stages' answers to the same item. `shared_level`, `shared_gain`: the correlation of the group's mean with that
    of the reference group through the clusters that both answered; None where most of its clusters are its own.
    """

    slice: str
    group: str
    items: int
    clusters: int
    level: Sample
    gain: Sample
    pairing: float
    shared_level: float | None = None
    shared_gain: float | None = None


def pilots(table: Table, audit: str, measure: str, reference: Mapping[str, str], way: Transition) -> Iterator[Pilot]:
    """Every group with at least two clusters that answered at both stages of `way`, which are names.

    `reference` names the reference group by slice. Of several seeds the first pair counts (`stats.gains`), of several
    steps the last. Nothing where no rung of the one can be paired with one of the other.
    """
    for panel in panels(table, audit, measure, Measure("", unit="", bounds=None)):
        pair = next(paired_rungs(panel, [way]), None)
        if pair is None:
            continue
        first, last = pair
        together = np.where(np.isnan(panel.values[first] + panel.values[last]), np.nan, 0.0)
        before, after = panel.values[first] + together, panel.values[last] + together
        yield from _pilots(panel, before, after, reference.get(panel.slice))


def _pilots(panel: Panel, before: Values, after: Values, reference: str | None) -> Iterator[Pilot]:
    levels, gains = take_means(after, panel), take_means(after - before, panel)
    beside = panel.groups.index(reference) if reference in panel.groups else None
    for column, group in enumerate(panel.groups):
        if levels.clusters[column] < 2:
            continue
        here = panel.group == column
        values = before, after, after - before
        earlier, later, both = (_sample(each[here], panel.cluster[here]) for each in values)
        shares = beside is not None and beside != column and _share(levels, column, beside) > 0.5
        yield Pilot(
            slice=panel.slice,
            group=group,
            items=int(levels.n[column]),
            clusters=int(levels.clusters[column]),
            level=later,
            gain=both,
            pairing=_pairing(earlier.deviation, later.deviation, both.deviation),
            shared_level=_correlation(levels, column, beside) if shares and beside is not None else None,
            shared_gain=_correlation(gains, column, beside) if shares and beside is not None else None,
        )


def _sample(values: Values, cluster: np.ndarray) -> Sample:
    """Deviation, cluster sizes and intra-cluster correlation of one group's known values.

    By one-way analysis of variance with unequal clusters; a correlation below zero counts as zero.
    Source: Donner 1986 (the estimator and its mean cluster size).
    """
    known = ~np.isnan(values)
    values, place = values[known], np.unique(cluster[known], return_inverse=True)[1]
    counts, totals = np.bincount(place), np.bincount(place, values)
    n, clusters = len(values), len(counts)
    centre = values.mean()
    total = float(((values - centre) ** 2).sum())
    between = float((counts * (totals / counts - centre) ** 2).sum())
    size = n / clusters
    icc = 0.0
    if n > clusters:
        typical = (n - (counts**2).sum() / n) / (clusters - 1)
        outer, inner = between / (clusters - 1), (total - between) / (n - clusters)
        whole = outer + (typical - 1) * inner
        icc = min(max((outer - inner) / whole, 0.0), 1.0) if whole > 0 else 0.0
    return Sample(
        deviation=float(np.sqrt(total / (n - 1))), size=size, variation=float(counts.std() / size), icc=float(icc)
    )


def _share(means: Means, column: int, beside: int) -> float:
    """The share of a group's clusters that the reference group answered too."""
    own = means.counts[:, column] > 0
    return float((own & (means.counts[:, beside] > 0)).sum() / own.sum())


def _correlation(means: Means, column: int, beside: int) -> float:
    """The correlation of two groups' means through their clusters; 0 where one of them does not vary."""
    one, other = means.influence[:, column], means.influence[:, beside]
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / size if size > 0 else 0.0


def _pairing(earlier: float, later: float, gain: float) -> float:
    """The correlation of two variables from their deviations and that of their difference; 0 where one is constant."""
    product = 2 * earlier * later
    return (earlier**2 + later**2 - gain**2) / product if product > 0 else 0.0
