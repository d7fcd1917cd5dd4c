"""A measure: what a number means."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """What one measure of an audit means.

    `better`: which direction is a gain; "neither" for measures that describe. `chance`: the value of a subject that
    guesses. `margin`: the largest change that does not matter (the margin of equivalence), None where no margin can be
    defended. `comparable`: whether levels can be compared between groups; False where the groups answer different
    questions, so that a gap at one stage mixes how hard they are with whom they stand for, and only its change speaks.
    `bounds`: smallest and largest possible value of one reading, None where there is no bound.
    """

    description: str
    unit: str = "share"
    better: Literal["higher", "lower", "neither"] = "higher"
    chance: float | None = None
    margin: float | None = 0.02
    comparable: bool = True
    bounds: tuple[float, float] | None = (0.0, 1.0)
