"""Every group's value at every stage, and its gap to the reference group."""

from collections.abc import Iterator

import numpy as np

from pluralign.records.estimate import ALL, Estimate
from pluralign.records.findings import Audit
from pluralign.records.intersection import FEWEST_CELL_CLUSTERS, Intersection
from pluralign.records.measure import Measure
from pluralign.stats.contrast import Contrast, against
from pluralign.stats.levels import level_interval
from pluralign.stats.panel import Panel
from pluralign.stats.shrink import Shrunk, shrink
from pluralign.stats.spread import Spread, take_spread
from pluralign.stats.statistics import held_against, panels_of, reach_of, sample
from pluralign.stats.table import Table

NAN = float("nan")


def estimate(table: Table, audit: Audit) -> list[Estimate]:
    """One row per measure, slice, rung (stage, seed, step) and group, `all` last; no row for a stage without readings.

    `missing` counts readings that are NaN and items that other stages were asked and this one was not. Where more
    than half of a group is missing, or it has fewer than five clusters, `value` stands and its bounds are NaN.
    InputError where readings contradict each other or the measure's bounds.
    """
    rows: list[Estimate] = []
    for name, measure in audit.measures.items():
        for panel in panels_of(table, audit, name):
            for rung in range(len(panel.rungs)):
                rows.extend(_estimates(audit, name, measure, panel, rung))
                rows.extend(_suppressed(audit, name, measure, panel, rung))
    return rows


def reference_of(audit: Audit, panel: Panel) -> int | None:
    """The index of the slice's reference group; None where the audit has none, or no readings of it."""
    group = audit.reference.get(panel.slice)
    return panel.groups.index(group) if group in panel.groups else None


def code_of(audit: Audit, slice: str, group: str) -> str:
    """The code to join on; empty for `all`."""
    return "" if group == ALL else audit.codes.get((slice, group), group)


def _estimates(audit: Audit, name: str, measure: Measure, panel: Panel, rung: int) -> Iterator[Estimate]:
    reference, before = reference_of(audit, panel), held_against(audit, panel, rung)
    if before is None and measure.statistic is not None and measure.statistic.kind == "moved":
        return
    taken = sample(measure, panel.values[rung], panel, reference, before)
    spread = take_spread(taken.values, panel, reach_of(measure), taken.everyone)
    means = spread.means
    low, high = level_interval(spread, taken.values, panel) if taken.bounds is None else taken.bounds
    low, high = np.where(means.speaks, low, np.nan), np.where(means.speaks, high, np.nan)
    gap = None if reference is None else against(spread, reference)
    shrunk = _shrunk(audit, panel, spread)
    at = panel.rungs[rung]
    for column, group in enumerate((*panel.groups, ALL)):
        if taken.only not in (None, column):
            continue
        gap_value, gap_low, gap_high, gap_p = contrast_at(gap, column)
        yield Estimate(
            audit=audit.name,
            measure=name,
            stage=at.stage,
            seed=at.seed,
            step=at.step,
            slice=panel.slice,
            group=group,
            code=code_of(audit, panel.slice, group),
            value=float(means.value[column]),
            low=float(low[column]),
            high=float(high[column]),
            n=int(means.n[column]),
            clusters=int(means.clusters[column]),
            missing=int(means.missing[column]),
            unit=measure.unit,
            relative_to=relative_to(panel, reference, group),
            gap=gap_value,
            gap_low=gap_low,
            gap_high=gap_high,
            gap_p=gap_p,
            shrunk=NAN if shrunk is None or group == ALL else float(shrunk.value[column]),
            shrunk_low=NAN if shrunk is None or group == ALL else float(shrunk.low[column]),
            shrunk_high=NAN if shrunk is None or group == ALL else float(shrunk.high[column]),
            shrunk_to="" if shrunk is None or group == ALL else shrunk.towards,
        )


def _intersection(audit: Audit, panel: Panel) -> Intersection | None:
    return next((each for each in audit.intersections if each.name == panel.slice), None)


def _shrunk(audit: Audit, panel: Panel, spread: Spread) -> Shrunk | None:
    """The cells of an intersection, shrunk, within what is possible; None for other slices."""
    crossed = _intersection(audit, panel)
    if crossed is None:
        return None
    groups = [crossed.cells[cell] for cell in panel.groups]
    found = shrink(spread.means.value[:-1], spread.error[:-1], groups)
    least, most = spread.reach or (-np.inf, np.inf)
    value, low, high = (np.clip(each, least, most) for each in (found.value, found.low, found.high))
    return Shrunk(value, low, high, found.towards)


def _suppressed(audit: Audit, name: str, measure: Measure, panel: Panel, rung: int) -> Iterator[Estimate]:
    """A row without numbers for every cell of an intersection that has too few clusters."""
    crossed, at = _intersection(audit, panel), panel.rungs[rung]
    for cell in () if crossed is None else crossed.suppressed:
        yield Estimate(
            audit=audit.name,
            measure=name,
            stage=at.stage,
            seed=at.seed,
            step=at.step,
            slice=panel.slice,
            group=cell,
            code=code_of(audit, panel.slice, cell),
            value=NAN,
            low=NAN,
            high=NAN,
            n=None,
            clusters=None,
            missing=None,
            unit=measure.unit,
            relative_to="",
            gap=NAN,
            gap_low=NAN,
            gap_high=NAN,
            gap_p=NAN,
            suppressed=f"<{FEWEST_CELL_CLUSTERS}",
        )


def relative_to(panel: Panel, reference: int | None, group: str) -> str:
    """The group that `group` is compared with; the reference group names itself, everyone together nobody."""
    return "" if reference is None or group == ALL else panel.groups[reference]


def contrast_at(contrast: Contrast | None, column: int) -> tuple[float, float, float, float]:
    """Value, bounds and p of one column; NaN where there is no contrast."""
    if contrast is None:
        return NAN, NAN, NAN, NAN
    return tuple(float(x[column]) for x in (contrast.value, contrast.low, contrast.high, contrast.p))  # pyright: ignore[reportReturnType]
