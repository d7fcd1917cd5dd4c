"""A forest plot: one row per group, its change as a mark on its interval, and the verdict in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from markupsafe import Markup

from pluralign.report.drawing import POINTS, WIDTH, Scale, drawing, lettering, line, pixel, point, ticks
from pluralign.report.wording import NOT_KNOWN, WORDS, Kind, Unit

ROW = 22.0
APART = 8.0
"""Room between the groups and everyone."""

LEFT, RIGHT = 112.0, 246.0
NUMBER, WORD = 290.0, 295.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A group's change. `apart` sets everyone apart from the groups; NaN is written out, never drawn as zero."""

    label: str
    value: float
    low: float
    high: float
    kind: Kind
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What the rows of several forest plots share: how far they reach to either side of zero, the margin, the ends."""

    limit: float
    margin: float | None
    unit: Unit
    ends: tuple[str, str]


def reach(bars: Sequence[Bar], margin: float | None) -> float:
    """How far an axis reaches to either side of zero: over all marks and intervals but outlandish ones.

    One group with hardly any data must not press all others flat: what reaches more than twice as far as nine in ten
    intervals leaves the axis, and an arrow says so.
    """
    marks = [abs(bar.value) for bar in bars if not isnan(bar.value)]
    ends = sorted(max(abs(bar.low), abs(bar.high)) for bar in bars if not isnan(bar.low) and not isnan(bar.high))
    usual = 2 * ends[int(0.9 * (len(ends) - 1))] if ends else max(marks, default=0.0)
    widest = max([1.5 * (margin or 0.0), *(end for end in (*marks, *ends) if end <= usual)])
    return 1.06 * widest if widest > 0 else 1.0


def forest(bars: Sequence[Bar], axis: Axis, message: str) -> Markup:
    """A figure of `bars`, top down, on `axis`; `message` says the same in words."""
    scale = Scale(-axis.limit, axis.limit, LEFT, RIGHT)
    rows = [ROW * (place + 0.5) + (APART if bar.apart else 0.0) for place, bar in enumerate(bars)]
    floor = ROW * len(bars) + (APART if any(bar.apart for bar in bars) else 0.0) + 2
    parts = [_band(axis, scale, floor), *_grid(axis, scale, floor)]
    first_apart = next((place for place, bar in enumerate(bars) if bar.apart), 0)
    if first_apart:
        parts.append(line(0.0, rows[first_apart] - ROW / 2 - 4, WIDTH, rows[first_apart] - ROW / 2 - 4, "rule"))
    parts += [_row(bar, y, scale, axis.unit) for bar, y in zip(bars, rows, strict=True)]
    return drawing(floor + 34, message, *parts)


def _band(axis: Axis, scale: Scale, floor: float) -> Markup:
    if axis.margin is None:
        return Markup("")
    left, right = scale.inside(-axis.margin), scale.inside(axis.margin)
    shape = Markup('<rect x="{}" y="0" width="{}" height="{}" class="band"/>')
    return shape.format(pixel(left), pixel(right - left), pixel(floor))


def _grid(axis: Axis, scale: Scale, floor: float) -> list[Markup]:
    marks = ticks(-axis.limit, axis.limit, 5)
    parts = [line(scale(mark), 0.0, scale(mark), floor, "zero" if not mark else "grid") for mark in marks]
    told = [(scale(mark), axis.unit.tick(mark, signed=True)) for mark in (marks[0], 0.0, marks[-1])]
    parts += [lettering(text, x, floor + 13, "middle tick") for x, text in told]
    worse, better = axis.ends
    parts.append(lettering(f"← {worse}", scale(0.0) - 10, floor + 29, "end tick"))
    parts.append(lettering(f"{better} →", scale(0.0) + 10, floor + 29, "tick"))
    return parts


def _row(bar: Bar, y: float, scale: Scale, unit: Unit) -> Markup:
    style = "label strong" if bar.apart else "label"
    parts = [lettering(bar.label, 0.0, y + 4, style, room=LEFT - 8)]
    if isnan(bar.value) and bar.kind != "reference":
        parts.append(lettering(NOT_KNOWN, WIDTH, y + 4, "end unknown"))
        return Markup("").join(parts)
    if bar.kind == "reference":
        parts.append(point(POINTS["reference"], scale(0.0), y, "point reference"))
        parts.append(lettering(WORDS["reference"], WIDTH, y + 4, "end unknown"))
        return Markup("").join(parts)
    parts.append(_interval(bar, y, scale))
    parts.append(point(POINTS[bar.kind], scale.inside(bar.value), y, f"point {bar.kind}"))
    parts.append(lettering(unit.change(bar.value), NUMBER, y + 4, "end number"))
    parts.append(lettering(WORDS[bar.kind], WORD, y + 4, f"word {bar.kind}"))
    return Markup("").join(parts)


def _interval(bar: Bar, y: float, scale: Scale) -> Markup:
    ends = [bar.value if isnan(end) else end for end in (bar.low, bar.high)]
    parts = [line(scale.inside(ends[0]), y, scale.inside(ends[1]), y, f"interval {bar.kind}")]
    if min(ends) < scale.low:
        parts.append(point("M-10 0-4-3.5V3.5z", scale.start, y, f"beyond {bar.kind}"))
    if max(ends) > scale.high:
        parts.append(point("M10 0 4-3.5V3.5z", scale.end, y, f"beyond {bar.kind}"))
    return Markup("").join(parts)
