"""Intersections of an audit's slices: checked against its items, and the cells that are too small found beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pluralign.errors import InputError, unknown
from pluralign.records.intersection import FEWEST_CELL_CLUSTERS, JOINT, Intersection
from pluralign.records.item import Item
from pluralign.stats.table import Table


def intersect(wanted: Sequence[Sequence[str]], items: Sequence[Item], place: str) -> tuple[Intersection, ...]:
    """The intersections that a run file wants. Raises: InputError for slices that the items lack."""
    known = {name for item in items for name in item.slices}
    found: dict[str, Intersection] = {}
    for slices in wanted:
        for name in slices:
            if name not in known:
                raise InputError(f"{place}: intersections: {unknown('slice', name, known)}")
        if len(slices) < 2 or len(set(slices)) < len(slices):
            raise InputError(f"{place}: intersections: {list(slices)}: name two different slices or more")
        one = _intersection(tuple(slices), items, place)
        alike = any(set(slices) == set(other.slices) for other in found.values())
        if alike or one.name in known:
            raise InputError(f'{place}: intersections: "{one.name}" is there twice')
        found[one.name] = one
    return tuple(found.values())


def _intersection(slices: tuple[str, ...], items: Sequence[Item], place: str) -> Intersection:
    clusters: dict[tuple[str, ...], set[str]] = {}
    for item in items:
        if all(name in item.slices for name in slices):
            clusters.setdefault(tuple(item.slices[name] for name in slices), set()).add(item.cluster)
    names = {cell: JOINT.join(cell) for cell in clusters}
    if len(set(names.values())) < len(names):
        raise InputError(
            f'{place}: intersections: {list(slices)}: groups with "{JOINT}" in their names give one name twice'
        )
    large = {cell for cell, held in clusters.items() if len(held) >= FEWEST_CELL_CLUSTERS}
    return Intersection(
        slices=slices,
        cells={name: cell for cell, name in names.items() if cell in large},
        suppressed=tuple(sorted(name for cell, name in names.items() if cell not in large)),
    )


def in_cells(item: Item, intersections: Sequence[Intersection]) -> Item:
    """The item with its cells as further slices."""
    cells = {each.name: each.cell_of(item.slices) for each in intersections}
    held = {name: cell for name, cell in cells.items() if cell is not None}
    return replace(item, slices={**item.slices, **held}) if held else item


def cell_codes(
    intersections: Sequence[Intersection], codes: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], str]:
    """The code of every cell: those of its groups, joined; a group without a code has its name."""
    return {
        (each.name, name): JOINT.join(codes.get(pair, pair[1]) for pair in zip(each.slices, cell, strict=True))
        for each in intersections
        for name, cell in each.cells.items()
    }


def told_of(intersections: Sequence[Intersection]) -> list[str]:
    """What a reader must know: which cells are suppressed."""
    return [
        f"{each.name}: {len(each.suppressed)} of {len(each.suppressed) + len(each.cells)} cells have fewer than "
        f"{FEWEST_CELL_CLUSTERS} clusters and no numbers ({', '.join(each.suppressed)})"
        for each in intersections
        if each.suppressed
    ]


def told_empty(audit: str, intersections: Sequence[Intersection], table: Table) -> list[str]:
    """A notice for every intersection that no reading counts for, as where readings name their slice themselves."""
    held = {slice for slice, _ in table.groups(audit)}
    return [
        f"{audit}: no reading counts for {each.name}; this audit says itself which group a reading is of."
        for each in intersections
        if each.cells and each.name not in held
    ]
