"""A reading: one measure's value for one item at one stage."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an audit's `read` gives: the value of `measure` for an item.

    With `slice` and `group` None the reading counts for every slice of its item; an audit that gives many readings per
    item (one per country) names them. NaN says "missing".
    """

    measure: str
    value: float
    slice: str | None = None
    group: str | None = None
