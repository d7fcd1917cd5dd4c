"""Intersections of slices: people who are in one group of each, such as a language's speakers of one gender."""

from collections.abc import Mapping
from dataclasses import dataclass

FEWEST_CELL_CLUSTERS = 30
"""Cells with fewer clusters are told of, without a number."""

JOINT = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intersection:
    """The cells of two or more slices: `cells` by name with its group in each slice, and names of the `suppressed`."""

    slices: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]
    suppressed: tuple[str, ...]

    @property
    def name(self) -> str:
        """The slice that the cells are groups of."""
        return JOINT.join(self.slices)

    def cell_of(self, slices: Mapping[str, str]) -> str | None:
        """The cell of an item with these slices, among those that are shown; None where it is in none of them."""
        if not all(each in slices for each in self.slices):
            return None
        cell = JOINT.join(slices[each] for each in self.slices)
        return cell if cell in self.cells else None
