"""A slope chart: the groups' values from stage to stage up one ladder, with their intervals and names at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import Literal

from markupsafe import Markup

from pluralign.report.drawing import (
    LINE_POINTS,
    SMALL,
    WIDTH,
    Scale,
    drawing,
    lettering,
    line,
    lines,
    point,
    ticks,
)
from pluralign.report.wording import NOT_KNOWN, Unit

LEFT, RIGHT = 44.0, 214.0
TOP, HEIGHT = 8.0, 210.0
NAMES = 230.0
GAP = 13.0
"""Pixels between the names of two lines."""
MOST_NAMED_RUNGS = 4
COLOURS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A group's values, one per rung; NaN where not known. `faint` lines are drawn without interval and name.

    `colour` numbers the line's colour and mark; `part` sets everyone and the reference group apart from the groups.
    """

    label: str
    values: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    colour: int
    part: Literal["group", "reference", "everyone"] = "group"
    faint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What the slope charts of one measure share: the values at the bottom and the top, the unit, the chance level."""

    low: float
    high: float
    unit: Unit
    chance: float | None


def span(drawn: Sequence[Line], bounds: tuple[float, float] | None, chance: float | None) -> tuple[float, float]:
    """The lowest and highest value to draw: of all marks and intervals with a little room, within `bounds`."""
    bars = [end for one in drawn if not one.faint for ends in (one.lows, one.highs) for end in ends]
    marks = [value for one in drawn for value in one.values]
    known = [value for value in (*bars, *marks) if not isnan(value)]
    if not known:
        return bounds or (0.0, 1.0)
    low, high = min(known), max(known)
    if chance is not None and low - 0.5 * (high - low) < chance < high + 0.5 * (high - low):
        low, high = min(low, chance), max(high, chance)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    low, high = low - room, high + room
    return (max(low, bounds[0]), min(high, bounds[1])) if bounds else (low, high)


def slope(rungs: Sequence[str], drawn: Sequence[Line], levels: Levels, message: str, *, joined: bool = True) -> Markup:
    """A figure of `drawn` over `rungs`, left to right; `message` says the same in words."""
    across = Scale(0.0, float(max(len(rungs) - 1, 1)), LEFT + 14, RIGHT - 10)
    room = max(HEIGHT, GAP * sum(not one.faint for one in drawn) + 10)
    up = Scale(levels.low, levels.high, TOP + room, TOP)
    foot, depth = _foot(rungs, across, TOP + room)
    parts = [*_grid(levels, up), *foot]
    placed = zip(drawn, _shifts(drawn, across), strict=True)
    for one, shift in sorted(placed, key=lambda pair: (not pair[0].faint, pair[0].part == "everyone")):
        parts.append(_line(one, across, up, shift, joined))
    parts += _names([one for one in drawn if not one.faint], up, TOP + room, joined)
    return drawing(TOP + room + depth, message, *parts)


def numbered(rungs: Sequence[str]) -> bool:
    """Whether a chart numbers its rungs, because their names do not fit below it."""
    return len(rungs) > MOST_NAMED_RUNGS


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> tuple[float, ...]:
    """Places near the `wanted` ones, in their order, `gap` apart and between `low` and `high` where they fit."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    placed = [0.0] * len(wanted)
    below = low - gap
    for place in order:
        below = placed[place] = max(wanted[place], below + gap)
    above = high + gap
    for place in reversed(order):
        above = placed[place] = min(placed[place], above - gap)
    return tuple(placed)


def _grid(levels: Levels, up: Scale) -> list[Markup]:
    marks = ticks(levels.low, levels.high, 6)
    parts = [line(LEFT, up(mark), RIGHT, up(mark), "grid") for mark in marks]
    told = [(up(mark) + 4, levels.unit.tick(mark, signed=False)) for mark in marks]
    parts += [lettering(text, LEFT - 6, y, "end tick", room=LEFT - 6) for y, text in told]
    if levels.chance is not None and levels.low <= levels.chance <= levels.high:
        parts.append(line(LEFT, up(levels.chance), RIGHT, up(levels.chance), "chance"))
        parts.append(lettering("chance", LEFT + 2, up(levels.chance) - 4, "tick"))
    return parts


def _foot(rungs: Sequence[str], across: Scale, floor: float) -> tuple[list[Markup], float]:
    if numbered(rungs):
        places = range(len(rungs))
        return [lettering(str(place + 1), across(float(place)), floor + 16, "middle tick") for place in places], 22.0
    room = (RIGHT - LEFT + 36) / max(len(rungs), 1) - 3
    names = [lines(rung, room, 3) for rung in rungs]
    parts = [
        lettering(row, across(float(place)), floor + 16 + (SMALL + 2) * depth, "middle tick")
        for place, rows in enumerate(names)
        for depth, row in enumerate(rows)
    ]
    return parts, 10.0 + (SMALL + 2) * max((len(rows) for rows in names), default=0)


def _shifts(drawn: Sequence[Line], across: Scale) -> list[float]:
    shown = sum(not one.faint for one in drawn)
    wide = min(16.0, 0.5 * (across(1.0) - across(0.0))) if shown > 1 else 0.0
    places = iter(range(shown))
    return [0.0 if one.faint else wide * (next(places) / max(shown - 1, 1) - 0.5) for one in drawn]


def _line(one: Line, across: Scale, up: Scale, shift: float, joined: bool) -> Markup:
    style = "faint" if one.faint else one.part if one.part != "group" else f"hue{one.colour % COLOURS}"
    known = _known(one)
    spots = {place: (across(float(place)) + shift, up(one.values[place])) for place in known}
    parts = [
        line(*spots[left], *spots[right], f"path {style}")
        for left, right in pairwise(known)
        if joined and right == left + 1
    ]
    if one.faint:
        return Markup("").join(parts)
    for place in known:
        x = spots[place][0]
        if not isnan(one.lows[place]) and not isnan(one.highs[place]):
            parts.append(line(x, up.inside(one.lows[place]), x, up.inside(one.highs[place]), f"bar {style}"))
    shape = LINE_POINTS[one.colour % len(LINE_POINTS)]
    for place in known:
        unsure = isnan(one.lows[place]) or isnan(one.highs[place])
        parts.append(point(shape, *spots[place], f"spot {style} open" if unsure else f"spot {style}"))
    return Markup('<g class="line">{}</g>').format(Markup("").join(parts))


def _names(shown: Sequence[Line], up: Scale, floor: float, joined: bool) -> list[Markup]:
    wanted = [up(one.values[known[-1]]) if (known := _known(one)) else floor for one in shown]
    parts: list[Markup] = []
    for one, start, y in zip(shown, wanted, spread(wanted, GAP, TOP + 2, floor - 2), strict=True):
        style = one.part if one.part != "group" else f"hue{one.colour % COLOURS}"
        if joined and not isnan(one.values[-1]):
            parts.append(line(RIGHT + 1, start, NAMES - 10, y, f"leader {style}"))
        if _known(one):
            parts.append(point(LINE_POINTS[one.colour % len(LINE_POINTS)], NAMES - 5, y, f"spot {style}"))
        label = one.label if _known(one) else f"{NOT_KNOWN}: {one.label}"
        parts.append(lettering(label, NAMES + 3, y + 4, f"name {style}", room=WIDTH - NAMES - 3))
    return parts


def _known(one: Line) -> list[int]:
    return [place for place, value in enumerate(one.values) if not isnan(value)]
