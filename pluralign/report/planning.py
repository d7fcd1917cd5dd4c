"""What an audit could see, in words: a table of designs, and what can and cannot be known with the items at hand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

from pluralign.report.wording import NONE, Unit, count
from pluralign.stats.power import (
    MOST_ITEMS,
    Design,
    Test,
    items_for,
    items_for_equivalence,
    power_of,
    power_of_equivalence,
    smallest_effect,
    smallest_margin,
)

OUT_OF_REACH = "no number"
"""Of items, where no number of them is enough."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is to be seen: an `effect` of this size, and that no effect is larger than `margin`; `None` for neither."""

    effect: float | None
    margin: float | None
    unit: Unit
    test: Test


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that is estimated, and of whom.

    `design`: what more items are planned by. `items` are at hand, None where that is not known, and seen by `present`,
    which is `design` unless the reference group's items are known too.
    """

    what: str
    design: Design
    group: str = ""
    items: int | None = None
    present: Design | None = None


@dataclass(frozen=True)
class _AtHand:
    """What a row's items can see."""

    design: Design
    items: int
    test: Test

    @property
    def effect(self) -> float:
        return smallest_effect(self.design, self.items, self.test)

    @property
    def margin(self) -> float:
        return smallest_margin(self.design, self.items, self.test)


def planned(rows: Sequence[Row], goal: Goal) -> str:
    """The table of all rows, and below it what can and cannot be known."""
    columns = list(_columns(rows, goal))
    lines = [[head for head, _ in columns], *([cell(row) for _, cell in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = 2 if any(row.group for row in rows) else 1
    laid = ["  ".join(_laid(line, widths, texts)).rstrip() for line in lines]
    return "\n".join([*laid, "", *(_known_now(rows, goal) or _needed(goal)), *_out_of_reach(rows, goal)])


def _laid(line: Sequence[str], widths: Sequence[int], texts: int) -> Iterator[str]:
    """A line's cells at their widths, the first `texts` to the left and numbers to the right."""
    for place, (cell, width) in enumerate(zip(line, widths, strict=True)):
        yield cell.ljust(width) if place < texts else cell.rjust(width)


def _columns(rows: Sequence[Row], goal: Goal) -> Iterator[tuple[str, Callable[[Row], str]]]:
    """The heads of the table, and what makes their cells."""
    unit, test, held = goal.unit, goal.test, all(row.items is not None for row in rows)
    if any(row.group for row in rows):
        yield "Group", lambda row: row.group
    yield "What is seen", lambda row: row.what
    if held:
        yield "Items", lambda row: f"{row.items:,}"
        yield "Clusters", lambda row: f"{round(_at_hand(row, test).items / row.design.group.size):,}"
        yield "Seen from", lambda row: _size(_at_hand(row, test).effect, unit)
        yield "Same within", lambda row: _size(_at_hand(row, test).margin, unit)
    if goal.effect is not None:
        effect, size = goal.effect, _size(goal.effect, unit)
        if held:
            yield f"Power for {size}", lambda row: _share(power_of, row, effect, test)
        yield f"Items for {size}", lambda row: _items(items_for(row.design, effect, test))
    if goal.margin is not None:
        margin, size = goal.margin, _size(goal.margin, unit)
        if held:
            yield f"Power for ±{size}", lambda row: _share(power_of_equivalence, row, margin, test)
        yield f"Items for ±{size}", lambda row: _items(items_for_equivalence(row.design, margin, test))


def _at_hand(row: Row, test: Test) -> _AtHand:
    if row.items is None:
        raise ValueError(f"{row.what}: no items are at hand")
    return _AtHand(row.present or row.design, row.items, test)


def _share(power: Callable[[Design, float, float, Test], float], row: Row, size: float, test: Test) -> str:
    held = _at_hand(row, test)
    return f"{power(held.design, size, held.items, test):.0%}"


def _items(number: int | None) -> str:
    return OUT_OF_REACH if number is None else f"{number:,}"


def _size(effect: float, unit: Unit) -> str:
    """A size with its unit; a dash where nothing is seen, however large."""
    if isnan(effect) or (unit.share and effect > 1):
        return NONE
    return f"{unit.change(effect, signed=False)} {unit.of_changes}".rstrip()


def _often(test: Test) -> str:
    return f"{100 * test.power:g} of 100 such audits"


def _needed(goal: Goal) -> list[str]:
    """What the items needed buy."""
    said: list[str] = []
    if goal.effect is not None:
        said.append(
            f"With so many items in each group {_often(goal.test)} tell {_size(goal.effect, goal.unit)} from none. "
            "With fewer it stays inconclusive more often, which does not show that there is none."
        )
    if goal.margin is not None:
        said.append(
            f"With so many {_often(goal.test)} show that nothing changed by more than "
            f"±{_size(goal.margin, goal.unit)}, if nothing changed at all."
        )
    return said


def _out_of_reach(rows: Sequence[Row], goal: Goal) -> Iterator[str]:
    """Of what no number of items is enough, and why, once for all groups."""
    sought = (("", goal.effect, items_for), ("±", goal.margin, items_for_equivalence))
    for sign, size, needed in sought:
        lost = [row for row in rows if size is not None and needed(row.design, size, goal.test) is None]
        for row in {row.what: row for row in lost}.values():
            alike = replace(row.design, reference_items=None)
            small = size is not None and needed(alike, size, goal.test) is not None
            why = "the reference group has too few" if small else f"it would take more than {MOST_ITEMS:,}"
            yield f"{row.what}: no number of items is enough for {sign}{_size(size or 0, goal.unit)}, because {why}."


def _known_now(rows: Sequence[Row], goal: Goal) -> list[str]:
    """What the items at hand can and cannot tell, question by question; nothing where none are."""
    said: list[str] = []
    for what in dict.fromkeys(row.what for row in rows if row.items is not None):
        some = [_at_hand(row, goal.test) for row in rows if row.what == what]
        effects = [each.effect for each in some]
        seen = [effect for effect in effects if _size(effect, goal.unit) != NONE]
        if not seen:
            said.append(f"{what}: nothing can be told with so few clusters, however large it is.")
            continue
        told = (
            f"{what}: {_often(goal.test)} see it from {_range(seen, goal.unit)} on. What is smaller is mostly "
            "inconclusive: neither shown nor ruled out"
        )
        margins = [margin for each in some if _size(margin := each.margin, goal.unit) != NONE]
        told += f"; no change at all is shown within ±{_range(margins, goal.unit)}." if margins else "."
        if goal.effect is not None:
            enough = sum(effect <= goal.effect for effect in effects)
            told += f" {_size(goal.effect, goal.unit)} can be shown of {enough} of {count(len(some), 'group')}."
        said.append(told)
    return said


def _range(sizes: Sequence[float], unit: Unit) -> str:
    """The smallest and the largest size; one where they read alike."""
    low, high = _size(min(sizes), unit), _size(max(sizes), unit)
    return low if low == high else f"{unit.change(min(sizes), signed=False)} to {high}"
