"""How unlike the changes of groups are, in words: beside the sentence of a transition."""

from math import isnan

from pluralign.records.estimate import Disparity, Summary
from pluralign.records.findings import Audit
from pluralign.report.excerpt import named
from pluralign.report.names import display
from pluralign.report.wording import NOT_KNOWN, Unit, p_value, unit_of


def between_groups(summary: Summary, audit: Audit) -> str:
    """A sentence for every slice and seed with at least two groups whose uncertainty is known; empty without any."""
    unit = unit_of(audit.measures[summary.measure])
    seeds = len({one.seed for one in summary.between}) > 1
    told: list[str] = []
    for one in summary.between:
        if not isnan(one.gap):
            seed = f", seed {one.seed}" if seeds else ""
            parts = [part for part in (_gap(one, audit, unit), _spread(one, unit), _losing(one)) if part]
            told.append(f"By {one.slice.replace('_', ' ')}{seed}: {'; '.join(parts)}.")
    return " ".join(told)


def _gap(one: Disparity, audit: Audit, unit: Unit) -> str:
    """The largest change less the smallest, beside what chance makes of it."""
    size = unit.change(one.gap, signed=False)
    who = ""
    if one.worst_group and one.gap > 0:
        worst, best = (
            named(display(one.slice, group, audit.codes.get((one.slice, group), group)))
            for group in (one.worst_group, one.best_group)
        )
        gained = unit.change(one.worst_gain + one.gap)
        who = f" ({worst} {unit.change(one.worst_gain)}, {best} {gained})"
    chance = unit.change(one.gap_if_equal, signed=False)
    return (
        f"the {one.groups} groups’ changes lie up to {size} {unit.of_changes} apart{who}, "
        f"where equal ones would by chance lie {chance} apart (p {p_value(one.gap_p)})"
    )


def _spread(one: Disparity, unit: Unit) -> str:
    if isnan(one.spread):
        return ""
    bounds = unit.interval(one.spread_low, one.spread_high)
    return (
        f"standard deviation of the true changes {unit.change(one.spread, signed=False)} {unit.of_changes} ({bounds})"
    )


def _losing(one: Disparity) -> str:
    if isnan(one.losing):
        return ""
    share = Unit("share")
    bounds = share.interval(one.losing_low, one.losing_high)
    return f"share of groups that lose {share.level(one.losing)} ({bounds})" if bounds != NOT_KNOWN else ""
