"""Where the groups stand, as figures: one slope chart per ladder, all on one axis."""

from collections.abc import Mapping, Sequence
from math import nan

from markupsafe import Markup

from pluralign.records.estimate import ALL, Estimate
from pluralign.report.excerpt import Excerpt, named
from pluralign.report.figures import panels, together, told_reasons
from pluralign.report.ladders import Ladder, kept
from pluralign.report.slope import Levels, Line, numbered, slope, span
from pluralign.report.wording import unknown_estimate

MOST_NAMED_LINES = 12
EXTREMES = 4
"""Where there are more lines, so many from either end of the order by gain are named."""

Rung = tuple[str, int | None]
Rows = Mapping[Rung, Mapping[tuple[str, int], Estimate]]
"""Estimates by stage and step, then by group and seed."""


def levels(excerpt: Excerpt) -> Markup:
    """Slope charts of the groups' values, with a note of the stages that have none."""
    rows = _rows(excerpt)
    with_values = frozenset(stage for stage, _ in rows)
    found = kept(excerpt.ladders, with_values)
    rungs = [[rung for stage in ladder.rungs for rung in rows if rung[0] == stage] for ladder in found]
    drawn = [_lines(excerpt, {rung: rows[rung] for rung in several}) for several in rungs]
    bounds, chance = excerpt.measure.bounds, excerpt.measure.chance
    low, high = span([one for several in drawn for one in several], bounds, chance)
    axis = Levels(low=low, high=high, unit=excerpt.unit, chance=chance)
    figures = [
        _figure(excerpt, ladder, _names(several), lines, axis)
        for ladder, several, lines in zip(found, rungs, drawn, strict=True)
    ]
    absent = [stage for stage in excerpt.stages if stage not in with_values]
    return panels(figures) + _notes(excerpt, absent, any(one.faint for several in drawn for one in several))


def _rows(excerpt: Excerpt) -> Rows:
    steps = sorted({(row.stage, row.step) for row in excerpt.estimates}, key=lambda rung: _step_order(rung[1]))
    found: dict[Rung, dict[tuple[str, int], Estimate]] = {rung: {} for rung in steps}
    for row in excerpt.estimates:
        found[row.stage, row.step][row.group, row.seed] = row
    return found


def _step_order(step: int | None) -> tuple[bool, int]:
    return (step is None, step or 0)


def _names(rungs: Sequence[Rung]) -> list[str]:
    stages = [stage for stage, _ in rungs]
    several = {stage for stage in stages if stages.count(stage) > 1}
    return [
        f"{named(stage)} · step {step}" if stage in several and step is not None else named(stage)
        for stage, step in rungs
    ]


def _lines(excerpt: Excerpt, rows: Rows) -> list[Line]:
    present = {group for at in rows.values() for group, _ in at}
    lines = [(group, seed) for group in excerpt.groups if group in present for seed in _seeds(rows)]
    shown = _clear(excerpt) if len(lines) > MOST_NAMED_LINES else excerpt.groups
    colours = {group: place for place, group in enumerate(shown)}
    return [_line(excerpt, rows, (group, seed), colours.get(group)) for group, seed in lines]


def _seeds(rows: Rows) -> list[int | None]:
    """Seeds of the stages that have several; None where every stage has but one, its own."""
    found = [{seed for _, seed in at} for at in rows.values()]
    several = sorted({seed for seeds in found if len(seeds) > 1 for seed in seeds})
    return [*several] if several else [None]


def _clear(excerpt: Excerpt) -> list[str]:
    """The groups at either end of the order by gain, the reference group and everyone."""
    own = [group for group in excerpt.groups if group not in (ALL, excerpt.reference)]
    named_ones = {ALL, excerpt.reference, *own[:EXTREMES], *own[-EXTREMES:]}
    return [group for group in excerpt.groups if group in named_ones]


def _line(excerpt: Excerpt, rows: Rows, whose: tuple[str, int | None], colour: int | None) -> Line:
    """The line of a group and seed; faint where it has no colour."""
    group, seed = whose
    found = [_estimate(at, group, seed) for at in rows.values()]
    return Line(
        label=excerpt.label(group, seed),
        values=tuple(row.value if row else nan for row in found),
        lows=tuple(row.low if row else nan for row in found),
        highs=tuple(row.high if row else nan for row in found),
        colour=colour or 0,
        part="everyone" if group == ALL else "reference" if group == excerpt.reference else "group",
        faint=colour is None,
    )


def _estimate(at: Mapping[tuple[str, int], Estimate], group: str, seed: int | None) -> Estimate | None:
    seeds = {other for _, other in at}
    return at.get((group, next(iter(seeds)) if len(seeds) == 1 or seed is None else seed))


def _figure(excerpt: Excerpt, ladder: Ladder, names: list[str], lines: list[Line], axis: Levels) -> Markup:
    listed = " · ".join(f"{place} {name}" for place, name in enumerate(names, 1)) if numbered(names) else ""
    title = (" → " if ladder.joined else ", ").join((names[0], names[-1]) if listed else names)
    drawn = slope(names, lines, axis, _message(excerpt, names, lines), joined=ladder.joined)
    frame = Markup("<figure><figcaption><strong>{}</strong>{}</figcaption>{}</figure>")
    return frame.format(title, listed, drawn)


def _message(excerpt: Excerpt, names: Sequence[str], lines: Sequence[Line]) -> str:
    told = [
        f"{one.label} " + ", ".join(excerpt.unit.level(value) for value in one.values) for one in lines if not one.faint
    ]
    return f"{named(excerpt.measure_name)} at {', '.join(names)}. " + "; ".join(told) + "."


def _notes(excerpt: Excerpt, absent: Sequence[str], some_faint: bool) -> Markup:
    told = _reasons(excerpt)
    notes = [f"No value here: {', '.join(map(named, absent))}."] if absent else []
    ends = "that gained most and least" if excerpt.ordered_by_gain else "with the highest and the lowest values"
    notes += [f"Named are the groups {ends}; the table has all."] if some_faint else []
    return told_reasons(told) + Markup("").join(Markup('<p class="note">{}</p>').format(note) for note in notes)


def _reasons(excerpt: Excerpt) -> list[str]:
    """Why values are not known: a line for all groups of which the same is not known at the same stages."""
    stages: dict[tuple[str, str], list[str]] = {}
    for row in excerpt.estimates:
        if reason := unknown_estimate(row, bounded=excerpt.bounded):
            stages.setdefault((excerpt.label(row.group, row.seed), reason), []).append(named(row.stage))
    labels: dict[tuple[str, str], list[str]] = {}
    for (label, reason), at in stages.items():
        labels.setdefault((", ".join(at), reason), []).append(label)
    return [f"{together(some)} at {at}: {reason}" for (at, reason), some in labels.items()]
