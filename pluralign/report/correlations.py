"""Do the stages put the groups into the same order? A matrix of an audit's rank correlations, and all their numbers."""

from collections.abc import Mapping, Sequence
from math import isnan

from markupsafe import Markup

from pluralign.records.estimate import Correlation
from pluralign.report.excerpt import named
from pluralign.report.listing import Column, table
from pluralign.report.wording import NONE, Unit, count, p_value

Side = tuple[str, str]
"""A stage or survey, and its measure."""

_PLAIN = Unit("")
_NOTE = (
    "Spearman's rank correlation of the groups' means: 1 where both put the groups into the same order, 0 where the "
    "orders have nothing in common. Below it the 95% interval over the items."
)


def correlations(found: Sequence[Correlation]) -> Markup:
    """The rank correlations of one audit; nothing where there are none."""
    if not found:
        return Markup("")
    pairs = {((row.left, row.left_measure), (row.right, row.right_measure)): row for row in found}
    sides = list(dict.fromkeys(side for pair in pairs for side in pair))
    head = Markup('<section class="measure"><h3>Who stands where, alike or not</h3><p class="meaning">{}</p>')
    return head.format(_NOTE) + _matrix(sides, pairs) + _listing(found) + Markup("</section>")


def _matrix(sides: Sequence[Side], pairs: Mapping[tuple[Side, Side], Correlation]) -> Markup:
    """Each side by those before it, which the columns number."""
    head = Markup('<th scope="col" class="number">{}</th>')
    heads = Markup("").join(head.format(place) for place in range(1, len(sides)))
    lines = [
        Markup("<tr>{}{}</tr>").format(
            _side(place, side), Markup("").join(_cell(pairs.get((other, side))) for other in sides[:place])
        )
        for place, side in enumerate(sides)
    ]
    frame = Markup(
        '<div class="scroll" role="region" tabindex="0" aria-label="{}"><table class="matrix"><caption>{}</caption>'
        '<thead><tr><th scope="col"></th>{}</tr></thead><tbody>{}</tbody></table></div>'
    )
    caption = "Rank correlations of every two"
    return frame.format(caption, caption, heads, Markup("").join(lines))


def _side(place: int, side: Side) -> Markup:
    head = Markup('<th scope="row">{} <bdi>{}</bdi> <small><bdi>{}</bdi></small></th>')
    return head.format(place + 1, named(side[0]), named(side[1]))


def _cell(row: Correlation | None) -> Markup:
    if row is None or isnan(row.spearman):
        return Markup('<td class="number unknown">{}</td>').format(NONE)
    kind = "alike" if row.spearman >= 0 else "opposed"
    cell = Markup('<td class="number {}" style="--much:{}%">{}<br><small>{}</small></td>')
    interval = NONE if isnan(row.low) else _PLAIN.interval(row.low, row.high)
    return cell.format(kind, round(100 * abs(row.spearman)), _PLAIN.level(row.spearman), interval)


def _listing(found: Sequence[Correlation]) -> Markup:
    columns = [Column("One", False), Column("Other", False), Column("Spearman"), Column("95% interval"), Column("p")]
    columns += [Column("Kendall"), Column("Groups")]
    rows = [
        [
            f"{named(row.left)} ({named(row.left_measure)})",
            f"{named(row.right)} ({named(row.right_measure)})",
            _PLAIN.level(row.spearman),
            _PLAIN.interval(row.low, row.high),
            p_value(row.p),
            _PLAIN.level(row.kendall),
            f"{row.n:,}",
        ]
        for row in found
    ]
    return table("Rank correlations: all numbers", columns, rows, [_why(row) for row in found])


def _why(row: Correlation) -> str:
    """Why something is not known; empty where all is."""
    if isnan(row.p):
        return f"only {count(row.n, 'group')} on both sides" if row.n < 3 else "all groups of one side are tied"
    return "no interval: too few independent clusters" if isnan(row.low) else ""
