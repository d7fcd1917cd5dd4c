"""What can be seen with so many items, before anything is run: power, the smallest effect, and the items needed.

Means of n items in clusters have the variance σ² D / n. D = 1 + (m - 1) ρ is the design effect of clusters with
intra-cluster correlation ρ, in which an item has m - 1 neighbours on average: m = m̄ (1 + c²) where sizes have mean m̄
and coefficient of variation c. n / m is the effective number of clusters, and degrees of freedom are one less, as in
the analysis (`stats.means`).
Source: Kish 1965 (design effect, unequal clusters); Miller 2024, arXiv:2411.00640 (power of evaluations).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from pluralign.stats.means import FEWEST_CLUSTERS, FEWEST_EFFECTIVE
from pluralign.stats.quantiles import noncentral_student, student_point

Number = int | float

MOST_ITEMS = 1_000_000_000
"""What needs more than so many items a group is said to be out of reach."""
_HALVINGS = 80
_FAR = 3.0
"""Standard errors beyond which a significant estimate of the wrong sign has no weight (below 1e-6), nor digits."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How one group's values vary: standard deviation of an item's, and how items lie in clusters.

    `size`, `variation`: mean and coefficient of variation of the clusters' sizes; `icc`: intra-cluster correlation.
    """

    deviation: Number
    size: Number = 1
    variation: Number = 0
    icc: Number = 0

    @property
    def neighbours(self) -> float:
        """Items in the cluster of an item, itself among them, on average over items."""
        return max(float(self.size * (1 + self.variation**2)), 1.0)

    def variance(self, items: Number) -> float:
        """Variance of the mean of so many items."""
        return self.deviation**2 * (1 + (self.neighbours - 1) * self.icc) / items

    def freedom(self, items: Number) -> float:
        """Effective clusters less one; 0 where clusters are too few for the analysis to say anything of uncertainty."""
        effective = items / self.neighbours
        return 0.0 if items < FEWEST_CLUSTERS * self.size or effective < FEWEST_EFFECTIVE else effective - 1


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is estimated: the mean of a group, or that of a group less a reference group's.

    A group's own gain is a mean, of the differences between two stages; a gap is a difference of two means of answers;
    the change of a gap one of two means of gains. `shared`: the correlation of both groups' means cluster by cluster,
    where they answer the same questions, and as many; None for clusters of their own. `reference_items`: how many the
    reference group has, None for as many as the group.
    """

    group: Sample
    reference: Sample | None = None
    shared: float | None = None
    reference_items: Number | None = None

    def error(self, items: Number) -> tuple[float, float]:
        """Standard error and degrees of freedom with so many items of the group.

        Clusters of one's own: Welch's test, degrees of freedom by Satterthwaite. Shared ones: the paired test.
        """
        own, freedom = self.group.variance(items), self.group.freedom(items)
        if self.reference is None:
            return math.sqrt(own), freedom
        theirs = items if self.shared is not None or self.reference_items is None else self.reference_items
        other, other_freedom = self.reference.variance(theirs), self.reference.freedom(theirs)
        if self.shared is not None:
            joint = own + other - 2 * self.shared * math.sqrt(own * other)
            return math.sqrt(max(joint, 0.0)), min(freedom, other_freedom)
        if min(freedom, other_freedom) <= 0:
            return math.sqrt(own + other), 0.0
        return math.sqrt(own + other), (own + other) ** 2 / (own**2 / freedom + other**2 / other_freedom)


@dataclass(frozen=True, kw_only=True)
class Test:
    """A two-sided test at level `alpha`, Holm's worst case for so many groups, and the `power` that is wanted."""

    __test__ = False  # no test of pytest's
    alpha: float = 0.05
    power: float = 0.8
    groups: int = 1


def power_of(design: Design, effect: Number, items: Number, test: Test) -> float:
    """Probability that a true effect of that size is told from zero with so many items of the group."""
    error, freedom = design.error(items)
    if freedom <= 0:
        return 0.0
    if error == 0:
        return 1.0 if effect else 0.0
    point = -student_point(test.alpha / (2 * test.groups), freedom)
    shift = abs(effect) / error
    wrong_side = noncentral_student(-point, freedom, shift) if shift < _FAR else 0.0
    return 1 - noncentral_student(point, freedom, shift) + wrong_side


def smallest_effect(design: Design, items: Number, test: Test) -> float:
    """The smallest effect that is seen with the power that is wanted; NaN with too few clusters."""
    error, freedom = design.error(items)
    if freedom <= 0:
        return math.nan
    return _where(lambda effect: power_of(design, effect, items, test) >= test.power, error)


def power_of_equivalence(design: Design, margin: Number, items: Number, test: Test) -> float:
    """Probability that two one-sided tests hold a true effect of zero within the margin (no allowance for groups).

    With an estimated error, by two noncentral t (exact but for pairs of both rejections, which are rare above half).
    Source: Schuirmann 1987; Phillips 1990.
    """
    error, freedom = design.error(items)
    if freedom <= 0:
        return 0.0
    if error == 0:
        return 1.0
    point = -student_point(test.alpha, freedom)
    return max(1 - 2 * noncentral_student(point, freedom, margin / error), 0.0)


def smallest_margin(design: Design, items: Number, test: Test) -> float:
    """The smallest margin within which a true effect of zero is shown to lie; NaN with too few clusters."""
    error, freedom = design.error(items)
    if freedom <= 0:
        return math.nan
    return _where(lambda margin: power_of_equivalence(design, margin, items, test) >= test.power, error)


def items_for(design: Design, effect: Number, test: Test) -> int | None:
    """The fewest items of the group, in whole clusters, that see the effect with the power wanted; None out of reach.

    Out of reach are more than a billion items, as where a reference group is too small for any number of the other's.
    """
    return _fewest(design, lambda items: power_of(design, effect, items, test) >= test.power)


def items_for_equivalence(design: Design, margin: Number, test: Test) -> int | None:
    """The fewest items, in whole clusters, that show a true effect of zero to lie within the margin."""
    return _fewest(design, lambda items: power_of_equivalence(design, margin, items, test) >= test.power)


def _fewest(design: Design, enough: Callable[[Number], bool]) -> int | None:
    size = design.group.size
    most = FEWEST_CLUSTERS
    while not enough(most * size):
        most *= 2
        if most * size > MOST_ITEMS:
            return None
    least = FEWEST_CLUSTERS - 1
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle * size) else (middle, most)
    return math.ceil(most * size)


def _where(enough: Callable[[Number], bool], unit: float) -> float:
    """The least number from which on it is enough, sought in steps of `unit`."""
    if unit == 0:
        return 0.0
    least, most = 0.0, unit
    while not enough(most):
        least, most = most, 2 * most
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return most
