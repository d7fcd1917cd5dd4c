"""A measure: what a number means."""

from dataclasses import dataclass
from math import isnan, nan
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """What one measure of an audit means.

    `better`: which direction is a gain; "neither" for measures that describe. `chance`: the value of a subject that
    guesses. `margin`: the largest change that does not matter (the margin of equivalence), None where no margin can be
    defended. `comparable`: whether levels can be compared between groups; False where the groups answer different
    questions, so that a gap at one stage mixes how hard they are with whom they stand for, and only its change speaks.
    `bounds`: smallest and largest possible value of one reading, None where there is no bound. Unless they are given,
    shares have a margin of .02 and bounds 0 and 1, other units neither.
    """

    description: str
    unit: str = "share"
    better: Literal["higher", "lower", "neither"] = "higher"
    chance: float | None = None
    margin: float | None = nan
    comparable: bool = True
    bounds: tuple[float, float] | None = (nan, nan)

    def __post_init__(self) -> None:
        share = self.unit == "share"
        if self.margin is not None and isnan(self.margin):
            object.__setattr__(self, "margin", 0.02 if share else None)
        if self.bounds is not None and isnan(self.bounds[0]):
            object.__setattr__(self, "bounds", (0.0, 1.0) if share else None)
