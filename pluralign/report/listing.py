"""The tables behind the figures: every estimate and every change, in the reader's units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pluralign.records.estimate import ALL, Adjustment, Change, Estimate
from pluralign.report.drawing import key
from pluralign.report.excerpt import Excerpt, named
from pluralign.report.figures import way_name
from pluralign.report.wording import (
    NONE,
    NOT_KNOWN,
    WORDS,
    count,
    p_value,
    unknown_change,
    unknown_estimate,
    unknown_gap,
    unknown_others,
    unknown_relative,
)

MOST_OPEN = 12
"""Rows of a table that stands unfolded."""

ADJUSTED: Mapping[Adjustment, str] = {"holm": "p (Holm)", "bh": "p (Benjamini and Hochberg)"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its head, and whether it holds numbers."""

    head: str
    numbers: bool = True


def estimates_table(excerpt: Excerpt) -> Markup:
    """Every group's value at every stage, with its gap to the reference group where there is one."""
    unit, reference = excerpt.unit, excerpt.reference
    columns = [Column("Stage", False), Column("Group", False), Column(_head("Value", unit.of_levels)), _INTERVAL]
    if reference:
        gap = Column(_head(f"Gap to {excerpt.label(reference)}", unit.of_changes))
        columns += [gap, _INTERVAL, Column("p")]
    if _is_shrunk(excerpt):
        columns += [Column(_head("Shrunk", unit.of_levels)), _INTERVAL]
    columns += [Column("Items"), Column("Clusters"), Column("Missing")]
    order = {group: place for place, group in enumerate(excerpt.groups)}
    rungs = {stage: place for place, stage in enumerate(excerpt.stages)}
    rows = sorted(
        excerpt.estimates,
        key=lambda row: (rungs.get(row.stage, len(rungs)), row.step is None, row.step or 0, order[row.group], row.seed),
    )
    reasons = [_why_no_estimate(excerpt, row) for row in rows]
    caption = f"{named(excerpt.measure_name)} by {named(excerpt.slice)}: every stage"
    if reference and not excerpt.measure.comparable:
        caption += "; gaps mix the difficulty of the groups' questions with the groups and are no verdict"
    return table(caption, columns, [_estimate_cells(excerpt, row) for row in rows], reasons)


def changes_table(excerpt: Excerpt) -> Markup:
    """Every group's change over every transition, with its verdict and what could have been seen."""
    unit, reference = excerpt.unit, excerpt.reference
    gain = "Gain" if excerpt.judged else "Change"
    columns = [Column("Transition", False), Column("Group", False), Column(_head(gain, unit.of_changes)), _INTERVAL]
    adjusted = Column(ADJUSTED[excerpt.audit.adjustment])
    columns += [Column("p"), adjusted, Column("Verdict", False), Column(_head("Detectable", unit.of_changes))]
    if reference or excerpt.against_others:
        whom = excerpt.label(reference) if reference else "the other groups, on average"
        columns += [Column(_head(f"{gain} less that of {whom}", unit.of_changes)), _INTERVAL, Column("p"), adjusted]
    columns += [Column("Better, worse"), Column("Items"), Column("Clusters")]
    rows = [row for way in excerpt.transitions for row in excerpt.between(way)]
    reasons = [_why_no_change(excerpt, row) for row in rows]
    caption = f"{named(excerpt.measure_name)} by {named(excerpt.slice)}: every change"
    return table(caption, columns, [_change_cells(excerpt, row) for row in rows], reasons)


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], reasons: Sequence[str]) -> Markup:
    """A table, folded where it is long; a last column says why something is not known, where something is not."""
    if any(reasons):
        columns = [*columns, Column("Why not known", False)]
        rows = [[*row, reason] for row, reason in zip(rows, reasons, strict=True)]
    heads = [Markup('<th scope="col" class="{}">{}</th>').format(_style(column), column.head) for column in columns]
    lines = [_line(columns, row) for row in rows]
    frame = Markup('<table class="listing"><caption>{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table>')
    inner = frame.format(caption, Markup("").join(heads), Markup("").join(lines))
    folded = Markup(
        "<details{}><summary>{} ({})</summary>"
        '<div class="scroll" role="region" tabindex="0" aria-label="{}">{}</div></details>'
    )
    is_open = Markup(" open") if len(rows) <= MOST_OPEN else Markup("")
    return folded.format(is_open, caption, count(len(rows), "row"), caption, inner)


def _why_no_estimate(excerpt: Excerpt, row: Estimate) -> str:
    known = excerpt.reference_is_known(row)
    own = unknown_estimate(row, bounded=excerpt.bounded)
    return own or unknown_gap(row, bounded=excerpt.bounded, reference_known=known)


def _why_no_change(excerpt: Excerpt, row: Change) -> str:
    known = excerpt.reference_is_known(row)
    own = unknown_change(row, bounded=excerpt.bounded)
    others = unknown_others(row, bounded=excerpt.bounded) if excerpt.against_others else ""
    return own or others or unknown_relative(row, bounded=excerpt.bounded, reference_known=known)


_INTERVAL = Column("95% interval")


def _head(text: str, unit: str) -> str:
    return f"{text} ({unit})" if unit else text


def _style(column: Column) -> str:
    return "number" if column.numbers else "text"


def _line(columns: Sequence[Column], row: Sequence[str]) -> Markup:
    cells = [_cell(column, cell) for column, cell in zip(columns, row, strict=True)]
    return Markup("<tr>") + Markup("").join(cells) + Markup("</tr>")


def _cell(column: Column, cell: str) -> Markup:
    """A number as it is, for there may be thousands; a text with its own writing direction."""
    if column.numbers:
        start = Markup('<td class="unknown">') if cell == NOT_KNOWN else Markup("<td>")
        return start + cell + Markup("</td>")
    return Markup('<td class="text"><bdi>') + cell + Markup("</bdi></td>")


def _estimate_cells(excerpt: Excerpt, row: Estimate) -> list[str]:
    unit = excerpt.unit
    stage = named(row.stage) if row.step is None else f"{named(row.stage)} · step {row.step}"
    cells = [stage, excerpt.label(row.group, row.seed), unit.level(row.value), unit.interval(row.low, row.high)]
    if excerpt.reference:
        cells += (
            [unit.change(row.gap), unit.interval(row.gap_low, row.gap_high, signed=True), p_value(row.gap_p)]
            if _has_gap(row, excerpt.reference)
            else [NONE] * 3
        )
    if _is_shrunk(excerpt):
        cells += [unit.level(row.shrunk), unit.interval(row.shrunk_low, row.shrunk_high)]
    return [*cells, _number(row.n), row.suppressed or _number(row.clusters), _number(row.missing)]


def _is_shrunk(excerpt: Excerpt) -> bool:
    return any(row.shrunk_to for row in excerpt.estimates)


def _number(number: int | None) -> str:
    return NONE if number is None else f"{number:,}"


def _change_cells(excerpt: Excerpt, row: Change) -> list[str]:
    unit = excerpt.unit
    own = [
        unit.change(row.gain),
        unit.interval(row.low, row.high, signed=True),
        p_value(row.p),
        p_value(row.p_adjusted),
    ]
    verdict = key(row.verdict) + WORDS[row.verdict] if excerpt.judged or row.verdict == "equivalent" else NONE
    cells = [way_name((row.from_stage, row.to_stage)), excerpt.label(row.group, row.seed), *own, verdict]
    cells.append(unit.change(row.minimum_detectable, signed=False))
    cells += _difference_cells(excerpt, row)
    moved = NONE if row.improved is None else f"{row.improved:,}, {row.worsened:,}"
    return [*cells, moved, f"{row.n:,}", f"{row.clusters:,}"]


def _difference_cells(excerpt: Excerpt, row: Change) -> list[str]:
    """The change less that of the reference group, or without one less the mean of the other groups'."""
    unit = excerpt.unit
    if excerpt.reference:
        if not _has_gap(row, excerpt.reference):
            return [NONE] * 4
        numbers = row.relative_gain, row.relative_low, row.relative_high, row.relative_p, row.relative_p_adjusted
    elif excerpt.against_others:
        if row.group == ALL:
            return [NONE] * 4
        numbers = row.others_gain, row.others_low, row.others_high, row.others_p, row.others_p_adjusted
    else:
        return []
    value, low, high, p, adjusted = numbers
    return [unit.change(value), unit.interval(low, high, signed=True), p_value(p), p_value(adjusted)]


def _has_gap(row: Estimate | Change, reference: str) -> bool:
    return row.group not in (ALL, reference)
