"""Who gained and who lost, as figures: one forest plot per transition, all on one axis."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from operator import attrgetter

from markupsafe import Markup

from pluralign.records.estimate import ALL, Change
from pluralign.report.drawing import key
from pluralign.report.excerpt import Excerpt, Transition, named
from pluralign.report.forest import Axis, Bar, forest, reach
from pluralign.report.wording import NOT_KNOWN, WORDS, Kind, unknown_change, unknown_relative
from pluralign.stats.spread import ALPHA

MOST_OPEN = 4
"""Up to so many transitions stand unfolded; of more, those over a whole ladder."""

MOST_DRAWN, EXTREMES = 24, 8
"""Of more groups, so many at either end are drawn, beside the reference group and everyone; the tables have all."""

MEANING: dict[Kind, str] = {
    "gain": "gained",
    "loss": "lost",
    "equivalent": "same: no change beyond the margin",
    "inconclusive": "unclear: cannot be known yet",
    "described": "change, not judged",
    "better": "ahead: fared better than the reference",
    "worse": "behind: fared worse than the reference",
    "unsure": "unclear: cannot be known yet",
    "reference": "the reference group",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What a set of forest plots tells: `title` of the number shown, and the `kinds` of marks.

    A `relative` number is a group's change less that of the reference group.
    """

    title: str
    kinds: tuple[Kind, ...]
    relative: bool


def gains(excerpt: Excerpt) -> Markup:
    """Forest plots of every group's own change, and everyone's."""
    kinds: tuple[Kind, ...] = ("gain", "loss", "equivalent", "inconclusive")
    judged = Story(title="Gain", kinds=kinds, relative=False)
    described = Story(title="Change", kinds=("described", "equivalent"), relative=False)
    return _forests(excerpt, judged if excerpt.judged else described)


def gap_changes(excerpt: Excerpt) -> Markup:
    """Forest plots of every group's change less that of the reference group."""
    kinds: tuple[Kind, ...] = ("better", "worse", "unsure", "reference")
    title = f"Change less that of {excerpt.label(excerpt.reference)}"
    return _forests(
        excerpt, Story(title=title, kinds=kinds if excerpt.judged else ("described", "reference"), relative=True)
    )


def way_name(way: Transition) -> str:
    """A transition as the reader knows it."""
    return f"{named(way[0])} → {named(way[1])}"


def tally(kinds: Iterable[Kind]) -> str:
    """How many groups are of each kind: `3 gained, 1 lost, 2 unclear`."""
    seen = Counter(kinds)
    counted = ((seen[kind], word) for kind, word in WORDS.items() if word and kind != "reference")
    return ", ".join(f"{number} {word}" for number, word in counted if number)


def panels(figures: Iterable[Markup]) -> Markup:
    """Figures side by side, as many as there is room for."""
    return Markup('<div class="panels">{}</div>').format(Markup("").join(figures))


def told_reasons(reasons: Sequence[str]) -> Markup:
    """A note of what is not known and why, folded where it is long; nothing where all is known."""
    if not reasons:
        return Markup("")
    if len(reasons) <= MOST_OPEN:
        return Markup('<p class="note">Not known. {}.</p>').format("; ".join(reasons))
    entries = Markup("").join(Markup("<li>{}</li>").format(reason) for reason in reasons)
    folded = Markup('<details class="note"><summary>Not known, and why ({})</summary><ul>{}</ul></details>')
    return folded.format(len(reasons), entries)


def together(labels: Sequence[str]) -> str:
    """Several groups in one breath: their names, or how many there are where that is many."""
    return ", ".join(labels) if len(labels) <= MOST_DRAWN else f"{len(labels)} groups"


def _forests(excerpt: Excerpt, story: Story) -> Markup:
    rows = {way: _rows(excerpt, way, story) for way in excerpt.transitions}
    bars = {way: _bars(excerpt, _drawn(excerpt, rows[way], story), story) for way in excerpt.transitions}
    every = [bar for several in bars.values() for bar in several]
    ends = ("worse", "better") if excerpt.judged else ("lower", "higher")
    margin = None if story.relative else excerpt.measure.margin
    axis = Axis(limit=reach(every, margin), margin=margin, unit=excerpt.unit, ends=ends)
    figures = {way: _figure(excerpt, way, story, axis) for way in excerpt.transitions if bars[way]}
    open_ways = [way for way in figures if way in excerpt.wholes] if len(figures) > MOST_OPEN else list(figures)
    rest = [way for way in figures if way not in open_ways]
    parts = [_legend(story.kinds, axis), _left_out(excerpt), panels(figures[way] for way in open_ways)]
    if rest:
        folded = Markup("<details><summary>{}, step by step: {} more</summary>{}</details>")
        parts.append(folded.format(story.title, len(rest), panels(figures[way] for way in rest)))
    return Markup("").join(parts)


def _left_out(excerpt: Excerpt) -> Markup:
    groups = len(excerpt.groups) - 1
    if groups <= MOST_DRAWN:
        return Markup("")
    told = f"Of {groups} groups, each figure has the {EXTREMES} furthest to either side, "
    told += "and the reference group where there is one; the tables have all."
    return Markup('<p class="note">{}</p>').format(told)


def _rows(excerpt: Excerpt, way: Transition, story: Story) -> list[Change]:
    return [row for row in excerpt.between(way) if not story.relative or row.group != ALL]


def _drawn(excerpt: Excerpt, rows: Sequence[Change], story: Story) -> list[Change]:
    """The rows that are drawn: all, or of many groups those at either end, by size, and the reference between."""
    if len(excerpt.groups) - 1 <= MOST_DRAWN:
        return list(rows)
    value = attrgetter("relative_gain" if story.relative else "gain")
    others = [row for row in rows if row.group not in (ALL, excerpt.reference) and not isnan(value(row))]
    others.sort(key=value, reverse=True)
    reference = [row for row in rows if row.group == excerpt.reference]
    lowest = others[max(EXTREMES, len(others) - EXTREMES) :]
    return [*others[:EXTREMES], *reference, *lowest, *(row for row in rows if row.group == ALL)]


def _bars(excerpt: Excerpt, rows: Sequence[Change], story: Story) -> list[Bar]:
    return [_relative(excerpt, row) if story.relative else _own(excerpt, row) for row in rows]


def _own(excerpt: Excerpt, change: Change) -> Bar:
    kind = change.verdict
    return Bar(
        label=excerpt.label(change.group, change.seed),
        value=change.gain,
        low=change.low,
        high=change.high,
        kind=kind if excerpt.judged or kind == "equivalent" else "described",
        apart=change.group == ALL,
    )


def _relative(excerpt: Excerpt, change: Change) -> Bar:
    label = excerpt.label(change.group, change.seed)
    if change.group == excerpt.reference:
        return Bar(label=label, value=nan, low=nan, high=nan, kind="reference")
    return Bar(
        label=label,
        value=change.relative_gain,
        low=change.relative_low,
        high=change.relative_high,
        kind=_relative_kind(change) if excerpt.judged else "described",
    )


def _relative_kind(change: Change) -> Kind:
    if isnan(change.relative_p_adjusted) or change.relative_p_adjusted >= ALPHA:
        return "unsure"
    return "better" if change.relative_gain > 0 else "worse"


def _figure(excerpt: Excerpt, way: Transition, story: Story, axis: Axis) -> Markup:
    rows = _rows(excerpt, way, story)
    bars = _bars(excerpt, rows, story)
    counted = _counted(excerpt, bars)
    shown = _bars(excerpt, _drawn(excerpt, rows, story), story)
    drawn = forest(shown, axis, _message(excerpt, way, story, bars))
    whole = Markup('<span class="tag">whole ladder</span> ') if way in excerpt.wholes else Markup("")
    told = ": ".join(part for part in (f"In {excerpt.unit.of_changes}", counted) if part)
    frame = Markup("<figure><figcaption><strong>{}</strong>{}{}</figcaption>{}{}</figure>")
    return frame.format(way_name(way), whole, told, drawn, _not_known(excerpt, way, story))


def _counted(excerpt: Excerpt, bars: Sequence[Bar]) -> str:
    """How many of the groups are of each kind, of several seeds once for each."""
    counted = tally(bar.kind for bar in bars if not bar.apart and not isnan(bar.value))
    return f"seed by seed, {counted}" if counted and excerpt.several_seeds else counted


def _message(excerpt: Excerpt, way: Transition, story: Story, bars: Sequence[Bar]) -> str:
    groups = [bar for bar in bars if not bar.apart and not isnan(bar.value)]
    parts = [f"{story.title} in {named(excerpt.measure_name)}, {way_name(way)}, with 95% intervals"]
    if counted := _counted(excerpt, bars):
        parts.append(counted)
    if groups:
        most, least = max(groups, key=lambda bar: bar.value), min(groups, key=lambda bar: bar.value)
        parts.append(f"most: {_said(most, excerpt)}")
        parts += [f"least: {_said(least, excerpt)}"] if least != most else []
    parts += [_said(bar, excerpt) for bar in bars if bar.apart]
    unknown = [bar.label for bar in bars if isnan(bar.value) and bar.kind != "reference"]
    parts += [f"{together(unknown)}: {NOT_KNOWN}"] if unknown else []
    return ". ".join(parts) + "."


def _said(bar: Bar, excerpt: Excerpt) -> str:
    if isnan(bar.value):
        return f"{bar.label}: {NOT_KNOWN}"
    interval = excerpt.unit.interval(bar.low, bar.high, signed=True)
    return f"{bar.label} {excerpt.unit.change(bar.value)} {excerpt.unit.of_changes} ({interval})"


def _not_known(excerpt: Excerpt, way: Transition, story: Story) -> Markup:
    reasons: dict[str, list[str]] = {}
    for row in _rows(excerpt, way, story):
        reasons.setdefault(_reason(excerpt, row, story), []).append(excerpt.label(row.group, row.seed))
    return told_reasons([f"{together(labels)}: {reason}" for reason, labels in reasons.items() if reason])


def _reason(excerpt: Excerpt, row: Change, story: Story) -> str:
    if not story.relative:
        return unknown_change(row, bounded=excerpt.bounded)
    return unknown_relative(row, bounded=excerpt.bounded, reference_known=excerpt.reference_is_known(row))


def _legend(kinds: Sequence[Kind], axis: Axis) -> Markup:
    entries = [Markup("<li>{} {}</li>").format(key(kind), MEANING[kind]) for kind in kinds]
    entries.append(Markup('<li><i class="key-line"></i> 95% interval</li>'))
    if axis.margin is not None:
        margin = f"{axis.unit.change(axis.margin, signed=False)} {axis.unit.of_changes}"
        entries.append(Markup('<li><i class="key-band"></i> within ±{}: does not matter</li>').format(margin))
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(entries))
