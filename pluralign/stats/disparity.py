"""How unlike the gains of groups are: one record per measure, transition, slice and seed."""

from collections.abc import Sequence

import numpy as np

from pluralign.records.estimate import Disparity
from pluralign.records.findings import Audit
from pluralign.stats.between import Bounded, deviation, losing, worst
from pluralign.stats.gains import Gains, Transition, changing, gains
from pluralign.stats.gap import widest_gap
from pluralign.stats.many import equal_means
from pluralign.stats.table import Table


def disparities(
    table: Table, audit: Audit, transitions: Sequence[Transition]
) -> dict[tuple[str, str, str], list[Disparity]]:
    """How unlike the groups' gains are, by measure and transition; one record per slice and seed."""
    found: dict[tuple[str, str, str], list[Disparity]] = {}
    for name, measure in changing(audit):
        for each in gains(table, audit, name, transitions):
            record = _disparity(each, judged=measure.better != "neither")
            found.setdefault((name, each.from_stage, each.to_stage), []).append(record)
    return found


def omnibus(found: Sequence[Disparity]) -> float:
    """Omnibus p, that all groups gained the same, over the slices and seeds of one measure and transition.

    Where there are several seeds it is the largest p over the seeds, so that it is small only if every seed says so;
    where there are several slices, the smallest p times the number of slices (Bonferroni). NaN where it cannot be
    known.
    """
    slices: dict[str, list[float]] = {}
    for one in found:
        slices.setdefault(one.slice, []).append(one.equal_p)
    largest = [float(np.max(each)) for each in slices.values()]
    known = [p for p in largest if not np.isnan(p)]
    return min(1.0, min(known) * len(known)) if known else float("nan")


def _disparity(each: Gains, *, judged: bool) -> Disparity:
    spread, groups = each.spread, each.panel.groups
    columns = spread.sampling.columns
    apart, gap = deviation(spread), widest_gap(spread)
    lowest, least = worst(spread) if judged else (-1, Bounded())
    best = columns[np.argmax(spread.means.value[columns])] if lowest >= 0 else -1
    share = losing(spread, apart.value) if judged else Bounded()
    return Disparity(
        slice=each.panel.slice,
        seed=each.seed,
        groups=len(columns),
        equal_p=equal_means(spread),
        spread=apart.value,
        spread_low=apart.low,
        spread_high=apart.high,
        worst_group=groups[lowest] if lowest >= 0 else "",
        worst_gain=least.value,
        worst_low=least.low,
        worst_high=least.high,
        best_group=groups[best] if best >= 0 else "",
        losing=share.value,
        losing_low=share.low,
        losing_high=share.high,
        gap=gap.value,
        gap_if_equal=gap.if_equal,
        gap_p=gap.p,
        pairs_p=gap.pairs_p,
    )
