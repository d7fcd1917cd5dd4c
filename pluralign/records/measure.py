"""A measure: what a number means."""

from dataclasses import dataclass
from math import isnan, nan
from typing import Literal

StatisticKind = Literal["nll", "ece", "ece_floor", "sd", "outlying", "drift", "moved", "ranked_worse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """How a group's number comes from the readings of another measure, `of`, where it is not the mean of its own.

    `kind`: "nll" (of margins m, the mean of log(1 + exp(-m))), "ece" (their expected calibration error), "ece_floor"
    (that of a perfectly calibrated model with their confidences), "sd" (standard deviation), "outlying" (share of
    readings more than three standard deviations from the mean), "drift" (Wasserstein distance between the readings of
    the group and those of all other groups), "moved" (Wasserstein distance between the readings at a stage and at the
    stage that it is held against, `Audit.against`; nothing where there is none), "ranked_worse" (of the reference group
    alone, share of the other groups whose mean is larger). `of` may name several measures, of which a stage has one.
    `bins`, of "ece": equal bins over [0, 1] and both orders of a pair. `scaled`: the margins are divided by a
    temperature first, fitted on the other half of the prompts.
    """

    kind: StatisticKind
    of: str | tuple[str, ...]
    bins: int = 10
    scaled: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """What one measure of an audit means.

    `better`: which direction is a gain; "neither" for measures that describe. `chance`: the value of a subject that
    guesses. `margin`: the largest change that does not matter (the margin of equivalence), None where no margin can be
    defended. `comparable`: whether levels can be compared between groups; False where the groups answer different
    questions, so that a gap at one stage mixes how hard they are with whom they stand for, and only its change speaks.
    `bounds`: smallest and largest possible value of one reading, None where there is no bound. Unless they are given,
    shares have a margin of .02 and bounds 0 and 1, other units neither. `statistic`: None for a mean of readings.
    `changes`: whether a change between stages means anything.
    """

    description: str
    unit: str = "share"
    better: Literal["higher", "lower", "neither"] = "higher"
    chance: float | None = None
    margin: float | None = nan
    comparable: bool = True
    bounds: tuple[float, float] | None = (nan, nan)
    statistic: Statistic | None = None
    changes: bool = True

    def __post_init__(self) -> None:
        share = self.unit == "share"
        if self.margin is not None and isnan(self.margin):
            object.__setattr__(self, "margin", 0.02 if share else None)
        if self.bounds is not None and isnan(self.bounds[0]):
            object.__setattr__(self, "bounds", (0.0, 1.0) if share else None)
