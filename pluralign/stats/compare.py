"""Every group's gain between two stages, paired item by item, and the verdict on it."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64

from pluralign.records.estimate import ALL, Change
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.stats.contrast import against
from pluralign.stats.estimate import code_of, contrast_at, reference_of, relative_to
from pluralign.stats.many import equal_means, holm
from pluralign.stats.panel import Panel, panels
from pluralign.stats.spread import ALPHA, Spread, interval, p_values, take_spread
from pluralign.stats.table import Table
from pluralign.stats.verdict import judge, minimum_detectable

Transition = tuple[str, str]


def compare(table: Table, audit: Audit, transitions: Sequence[Transition]) -> list[Change]:
    """One row per measure, transition, slice, seed and group, `all` last; none where a stage has no readings.

    `transitions` are pairs of stage names. A stage is taken at its last step. Seeds are compared with their equals,
    or all with the one seed of the earlier stage; `seed` is the later stage's. An item counts where both stages have
    a reading; where that is less than half of a group, its gain stands and its bounds are NaN.
    """
    return [
        change
        for name, measure in audit.measures.items()
        for panel in panels(table, audit.name, name, measure)
        for before, after in _pairs(panel, transitions)
        for change in _changes(audit, name, measure, panel, before, after)
    ]


def omnibus(table: Table, audit: Audit, transitions: Sequence[Transition]) -> dict[tuple[str, str, str], float]:
    """Omnibus p, that all groups gained the same, by measure and transition; NaN where it cannot be known.

    Where there are several seeds it is the largest p over the seeds, so that it is small only if every seed says so;
    where there are several slices, the smallest p times the number of slices (Bonferroni).
    """
    found: dict[tuple[str, str, str], float] = {}
    for name, measure in audit.measures.items():
        slices: dict[Transition, list[float]] = {}
        for panel in panels(table, audit.name, name, measure):
            seeds: dict[Transition, list[float]] = {}
            for before, after in _pairs(panel, transitions):
                p = equal_means(_gains(panel, measure, before, after))
                seeds.setdefault((panel.rungs[before].stage, panel.rungs[after].stage), []).append(p)
            for transition, each in seeds.items():
                slices.setdefault(transition, []).append(float(np.max(each)))
        found |= {(name, *transition): _smallest(each) for transition, each in slices.items()}
    return found


def _smallest(each: Sequence[float]) -> float:
    known = [p for p in each if not np.isnan(p)]
    return min(1.0, min(known) * len(known)) if known else float("nan")


def _pairs(panel: Panel, transitions: Sequence[Transition]) -> Iterator[tuple[int, int]]:
    """Indices of the rungs to compare."""
    last: dict[str, dict[int, int]] = {}
    for index, rung in enumerate(panel.rungs):  # steps ascend, so that the last one stays
        last.setdefault(rung.stage, {})[rung.seed] = index
    for earlier, later in dict.fromkeys(transitions):
        befores, afters = last.get(earlier, {}), last.get(later, {})
        for seed, after in afters.items():
            if seed in befores:
                yield befores[seed], after
            elif len(befores) == 1:
                yield next(iter(befores.values())), after


def _gains(panel: Panel, measure: Measure, before: int, after: int) -> Spread:
    """Gains item by item, signed so that positive is better (or larger, where neither is)."""
    sign = -1.0 if measure.better == "lower" else 1.0
    reach = None
    if measure.bounds is not None:
        span = measure.bounds[1] - measure.bounds[0]
        reach = (-span, span)
    return take_spread(sign * (panel.values[after] - panel.values[before]), panel, reach)


def _family(p: Float64[np.ndarray, " group"]) -> Float64[np.ndarray, " group"]:
    """Holm over the groups; `all`, the last, stays as it is."""
    return np.append(holm(p[:-1]), p[-1])


def _changes(audit: Audit, name: str, measure: Measure, panel: Panel, before: int, after: int) -> Iterator[Change]:
    spread = _gains(panel, measure, before, after)
    means = spread.means
    low, high = interval(spread, ALPHA)
    p = p_values(spread)
    p_adjusted = _family(p)
    reference = reference_of(audit, panel)
    relative = None if reference is None else against(spread, reference)
    relative_adjusted = np.full_like(p, np.nan) if relative is None else _family(relative.p)
    verdicts = judge(spread, p_adjusted, measure)
    detectable = minimum_detectable(spread)
    for column, group in enumerate((*panel.groups, ALL)):
        relative_gain, relative_low, relative_high, relative_p = contrast_at(relative, column)
        yield Change(
            audit=audit.name,
            measure=name,
            from_stage=panel.rungs[before].stage,
            to_stage=panel.rungs[after].stage,
            seed=panel.rungs[after].seed,
            slice=panel.slice,
            group=group,
            code=code_of(audit, group),
            gain=float(means.value[column]),
            low=float(low[column]),
            high=float(high[column]),
            p=float(p[column]),
            p_adjusted=float(p_adjusted[column]),
            relative_to=relative_to(panel, reference, group),
            relative_gain=relative_gain,
            relative_low=relative_low,
            relative_high=relative_high,
            relative_p=relative_p,
            relative_p_adjusted=float(relative_adjusted[column]),
            verdict=verdicts[column],
            minimum_detectable=float(detectable[column]),
            n=int(means.n[column]),
            clusters=int(means.clusters[column]),
            unit=measure.unit,
        )
