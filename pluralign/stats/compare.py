"""Every group's gain between two stages, paired item by item, and the verdict on it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pluralign.records.estimate import ALL, Change
from pluralign.records.findings import Audit
from pluralign.stats.contrast import Contrast, against, against_others
from pluralign.stats.estimate import code_of, contrast_at, reference_of, relative_to
from pluralign.stats.gains import Gains, Transition, changing, gains
from pluralign.stats.items import Items, count_items
from pluralign.stats.many import ADJUST, OfSlice, dealt, together
from pluralign.stats.max_t import flipped, max_t
from pluralign.stats.spread import ALPHA, interval, p_values
from pluralign.stats.table import Table
from pluralign.stats.verdict import judge, minimum_detectable

PValues = Float64[np.ndarray, " group"]
NAN = float("nan")


@dataclass(frozen=True)
class _Compared:
    """The gains of one slice between two rungs, with what they are compared to, before they are judged."""

    gains: Gains
    p: PValues
    reference: int | None
    relative: Contrast | None
    others: Contrast
    items: Items | None

    @property
    def relative_p(self) -> PValues:
        """P-values of the relative gains; NaN without a reference group."""
        return np.full_like(self.p, np.nan) if self.relative is None else self.relative.p


@dataclass(frozen=True)
class _Adjusted:
    """P-values by group, adjusted for the whole family: of the gains (by rule, by max-T), and of the differences."""

    own: PValues
    max_t: PValues
    relative: PValues
    others: PValues


def compare(table: Table, audit: Audit, transitions: Sequence[Transition]) -> list[Change]:
    """One row per measure, transition, slice, seed and group, `all` last; none where a stage has no readings.

    `transitions` are pairs of stage names. A stage is taken at its last step. Seeds are compared with their equals,
    or all with the one seed of the earlier stage; `seed` is the later stage's. An item counts where both stages have
    a reading; where that is less than half of a group, its gain stands and its bounds are NaN. P-values are adjusted
    for the groups of all slices together, measure by measure, transition by transition and seed by seed.
    """
    changes: list[Change] = []
    for name, _ in changing(audit):
        compared = [_compare(audit, name, found) for found in gains(table, audit, name, transitions)]
        for one, adjusted in zip(compared, _adjust(compared, ADJUST[audit.adjustment]), strict=True):
            changes.extend(_changes(audit, name, one, adjusted))
    return changes


def _compare(audit: Audit, name: str, found: Gains) -> _Compared:
    measure, spread = audit.measures[name], found.spread
    reference = reference_of(audit, found.panel)
    return _Compared(
        gains=found,
        p=p_values(spread),
        reference=reference,
        relative=None if reference is None else against(spread, reference),
        others=against_others(spread),
        items=count_items(found, measure) if measure.statistic is None else None,
    )


def _adjust(compared: Sequence[_Compared], rule: Callable[[PValues], PValues]) -> list[_Adjusted]:
    """The adjusted p-values of every slice, over the groups of its whole family; `all`, the last, stays as it is."""
    adjusted: dict[int, _Adjusted] = {}
    families = [one.gains.family for one in compared]
    for family in dict.fromkeys(families):
        places = [place for place, other in enumerate(families) if other == family]
        members = [compared[place] for place in places]
        parts = zip(
            together(rule, [one.p for one in members]),
            _by_largest(members),
            together(rule, [one.relative_p for one in members]),
            together(rule, [one.others.p for one in members]),
            strict=True,
        )
        adjusted |= {place: _Adjusted(*part) for place, part in zip(places, parts, strict=True)}
    return [adjusted[place] for place in range(len(compared))]


def _by_largest(members: Sequence[_Compared]) -> list[OfSlice]:
    """Max-T over the slices of one family, never below the p-values themselves.

    Signs are drawn for each slice by itself, as if slices shared no items, which errs on the safe side (Šidák 1967).
    """
    drawn = [flipped(one.gains.spread.means, seed=seed) for seed, one in enumerate(members)]
    adjusted = max_t(np.concatenate([each[0] for each in drawn]), np.concatenate([each[1] for each in drawn], axis=1))
    p = [one.p for one in members]
    return [np.maximum(part, each) for part, each in zip(dealt(adjusted, p), p, strict=True)]


def _changes(audit: Audit, name: str, compared: _Compared, adjusted: _Adjusted) -> Iterator[Change]:
    found, measure = compared.gains, audit.measures[name]
    panel, spread, reference = found.panel, found.spread, compared.reference
    low, high = interval(spread, ALPHA)
    verdicts = judge(spread, adjusted.own, measure)
    detectable = minimum_detectable(spread)
    for column, group in enumerate((*panel.groups, ALL)):
        relative_gain, relative_low, relative_high, relative_p = contrast_at(compared.relative, column)
        others_gain, others_low, others_high, others_p = contrast_at(compared.others, column)
        yield Change(
            audit=audit.name,
            measure=name,
            from_stage=found.from_stage,
            to_stage=found.to_stage,
            seed=found.seed,
            slice=panel.slice,
            group=group,
            code=code_of(audit, panel.slice, group),
            gain=float(spread.means.value[column]),
            low=float(low[column]),
            high=float(high[column]),
            p=float(compared.p[column]),
            p_adjusted=float(adjusted.own[column]),
            relative_to=relative_to(panel, reference, group),
            relative_gain=relative_gain,
            relative_low=relative_low,
            relative_high=relative_high,
            relative_p=relative_p,
            relative_p_adjusted=float(adjusted.relative[column]),
            verdict=verdicts[column],
            minimum_detectable=float(detectable[column]),
            n=int(spread.means.n[column]),
            clusters=int(spread.means.clusters[column]),
            unit=measure.unit,
            others_gain=others_gain,
            others_low=others_low,
            others_high=others_high,
            others_p=others_p,
            others_p_adjusted=float(adjusted.others[column]),
            p_max_t=float(adjusted.max_t[column]),
            adjustment=audit.adjustment,
            improved=None if compared.items is None else int(compared.items.improved[column]),
            worsened=None if compared.items is None else int(compared.items.worsened[column]),
            exact_p=NAN if compared.items is None else float(compared.items.exact_p[column]),
            effect=NAN if compared.items is None else float(compared.items.effect[column]),
            above_chance=NAN if compared.items is None else float(compared.items.above_chance[column]),
        )
