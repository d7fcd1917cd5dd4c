"""Between groups: planted gains are covered, equal ones told apart in one audit of twenty, and real ones are seen."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pluralign.stats.between import deviation, losing, worst
from pluralign.stats.gap import widest_gap
from pluralign.stats.max_t import flipped, max_t
from pluralign.stats.panel import Panel
from pluralign.stats.spread import Spread, interval, take_spread

REPLICATES = 300
FLIPS = 399
"""Draws of signs: p-values are exact whatever their number, and power hardly grows with more."""
Grouped = Callable[[np.ndarray, np.ndarray], Panel]


def error(rate: float, replicates: int = REPLICATES) -> float:
    """Four standard errors of a simulated rate."""
    return 4 * np.sqrt(rate * (1 - rate) / replicates)


@dataclass(frozen=True)
class Audit:
    """One simulated audit: gains by item, their groups and clusters, and the groups' true gains."""

    values: np.ndarray
    group: np.ndarray
    cluster: np.ndarray
    truth: np.ndarray
    reach: tuple[float, float] | None = None


def separate(random: np.random.Generator, counts: list[int], sizes: list[float], truth: list[float]) -> Iterator[Audit]:
    """Groups with items of their own, in clusters of two that go together."""
    cluster = np.repeat(np.arange(sum(counts)), 2)
    group = np.repeat(np.arange(len(counts)), 2 * np.array(counts))
    while True:
        noise = (random.normal(size=sum(counts))[cluster] + random.normal(size=len(cluster))) / np.sqrt(2)
        yield Audit(noise * np.array(sizes)[group] + np.array(truth)[group], group, cluster, np.array(truth))


def parallel(random: np.random.Generator, clusters: int, absent: float, truth: list[float]) -> Iterator[Audit]:
    """The same items in every group, of which a share is absent; what they share is as large as what they do not."""
    sizes = np.linspace(0.5, 2, len(truth))
    while True:
        values = random.normal(size=(clusters, 1)) + random.normal(size=(clusters, len(truth))) * sizes + truth
        cluster, group = np.nonzero(random.random(values.shape) >= absent)
        yield Audit(values[cluster, group], group, cluster, np.array(truth))


def shares(random: np.random.Generator, items: int, changing: float, truth: list[float]) -> Iterator[Audit]:
    """Right and wrong answers: `changing` of them change, to the better more often than back by the true gain."""
    group = np.repeat(np.arange(len(truth)), items)
    gain = np.array(truth)[group]
    while True:
        place = random.random(len(group))
        values = (place < (changing + gain) / 2).astype(float) - (place > 1 - (changing - gain) / 2)
        yield Audit(values, group, np.arange(len(group)), np.array(truth), (-1.0, 1.0))


def ranks(random: np.random.Generator, questions: int, countries: int, favoured: float = 0.0) -> Iterator[Audit]:
    """Ranks of countries at two stages: what one wins in a question others lose; three are `favoured` at the second.

    The true gains are those of two hundred thousand questions; nobody's where nobody is favoured.
    """
    liked = np.linspace(0, 3, countries)
    moved = liked - favoured * (np.arange(countries) % 4 == 1)
    group, cluster = np.tile(np.arange(countries), questions), np.repeat(np.arange(questions), countries)

    def gains(many: int) -> np.ndarray:
        topic = random.normal(size=(many, countries))
        stages = [stage + topic + random.normal(size=(many, countries)) for stage in (liked, moved)]
        before, after = (np.argsort(np.argsort(stage, axis=1), axis=1) for stage in stages)
        return (before - after).astype(float)

    truth = gains(200_000).mean(axis=0) if favoured else np.zeros(countries)
    while True:
        yield Audit(gains(questions).ravel(), group, cluster, truth)


EQUAL = {
    "ten groups alike": (separate, ([20] * 10, [1.0] * 10, [0.0] * 10)),
    "three groups of other sizes and spreads": (separate, ([10, 30, 90], [3.0, 1.0, 2.0], [0.4] * 3)),
    "the same items in six groups": (parallel, (40, 0.0, [0.2] * 6)),
    "the same items in thirty groups": (parallel, (25, 0.0, [0.0] * 30)),
    "partly the same items": (parallel, (60, 0.3, [-0.3] * 4)),
    "right and wrong answers": (shares, (80, 0.2, [0.05] * 8)),
    "answers that rarely change": (shares, (100, 0.04, [0.02] * 5)),
    "ranks of countries": (ranks, (50, 12)),
}

UNEQUAL = {
    "ten groups": (separate, ([20] * 10, [1.0] * 10, [-0.5, -0.2, -0.1, 0.0, 0.0, 0.1, 0.1, 0.2, 0.3, 0.8])),
    "small groups that gain": (separate, ([8, 10, 40, 60], [3.0, 1.0, 1.0, 2.0], [2.0, 0.4, 0.0, -0.4])),
    "two groups": (separate, ([30, 40], [1.0, 2.0], [0.3, -0.1])),
    "the same items": (parallel, (40, 0.0, [-0.3, 0.0, 0.1, 0.4, 0.5])),
    "partly the same items": (parallel, (60, 0.3, [-0.4, -0.1, 0.1, 0.5])),
    "right and wrong answers": (shares, (80, 0.3, [-0.1, -0.05, 0.0, 0.05, 0.1, 0.2])),
    "ranks of countries": (ranks, (50, 12, 0.5)),
}


def taken(audit: Audit, grouped: Grouped) -> Spread:
    return take_spread(audit.values, grouped(audit.group, audit.cluster), audit.reach)


def rates(draws: Iterator[Audit], grouped: Grouped, replicates: int = REPLICATES) -> dict[str, float]:
    """How often bounds hold the truth, and how often tests reject."""
    held: Counter[str] = Counter()
    for _ in range(replicates):
        audit = next(draws)
        spread, truth = taken(audit, grouped), audit.truth
        apart, (place, lowest), gap = deviation(spread), worst(spread), widest_gap(spread, FLIPS)
        share = losing(spread, apart.value)
        own = truth.std(ddof=1)
        held["spread"] += apart.low <= own + 1e-12 and own <= apart.high
        held["spread seen"] += apart.low > 0
        held["worst"] += lowest.low <= truth[place] <= lowest.high
        low, high = (bound[place] for bound in interval(spread, 0.05))
        held["worst, naive"] += low <= truth[place] <= high
        held["losing"] += share.low - 1e-9 <= (truth < 0).mean() <= share.high + 1e-9
        held["gap"] += gap.p <= 0.05
        held["pairs"] += gap.pairs_p <= 0.05
        assert share.low <= share.value <= share.high
    return {name: count / replicates for name, count in held.items()}


@pytest.mark.parametrize(("make", "options"), EQUAL.values(), ids=EQUAL)
def test_groups_that_gained_alike(grouped: Grouped, make: Callable[..., Any], options: tuple[Any, ...]) -> None:
    found = rates(make(np.random.default_rng(1), *options), grouped)
    assert found["gap"] <= 0.05 + error(0.05)
    assert found["pairs"] <= 0.05 + error(0.05)
    assert found["spread seen"] <= 0.025 + error(0.025)
    assert found["spread"] >= 0.975 - error(0.975)
    assert found["worst"] >= 0.95 - error(0.95)
    assert found["losing"] >= 0.95 - error(0.95)


@pytest.mark.parametrize(("make", "options"), UNEQUAL.values(), ids=UNEQUAL)
def test_groups_that_did_not(grouped: Grouped, make: Callable[..., Any], options: tuple[Any, ...]) -> None:
    found = rates(make(np.random.default_rng(2), *options), grouped)
    assert found["spread"] >= 0.95 - error(0.95)
    assert found["worst"] >= 0.95 - error(0.95)
    assert found["losing"] >= 0.95 - error(0.95)
    assert min(found["gap"], found["pairs"]) > 0.2


def test_tests_of_the_gap_are_not_shy(grouped: Grouped) -> None:
    """Of equal groups one audit in twenty is called unequal, not one in a hundred."""
    found = rates(parallel(np.random.default_rng(3), 40, 0.0, [0.0] * 10), grouped, 600)
    assert found["gap"] == pytest.approx(0.05, abs=error(0.05, 600))
    assert found["pairs"] == pytest.approx(0.05, abs=error(0.05, 600))
    assert found["spread seen"] == pytest.approx(0.025, abs=error(0.025, 600))
    assert found["worst, naive"] < 0.9 <= found["worst"], "picked for being lowest of ten, a plain interval misses"


def test_ten_identical_groups_of_two_hundred(grouped: Grouped) -> None:
    """Their shares lie eleven points apart on average; resampling's interval of the gap always leaves zero out."""
    random = np.random.default_rng(5)
    group, cluster = np.repeat(np.arange(10), 200), np.arange(2000)
    found = [
        widest_gap(take_spread((random.random(2000) < 0.5).astype(float), grouped(group, cluster), (0.0, 1.0)))
        for _ in range(100)
    ]
    assert np.mean([gap.value for gap in found]) == pytest.approx(0.109, abs=0.01)
    assert np.mean([gap.if_equal for gap in found]) == pytest.approx(0.109, abs=0.005)
    assert np.mean([gap.p <= 0.05 for gap in found]) <= 0.05 + error(0.05, 100)


def test_max_t_keeps_the_family_at_five_per_cent_and_sees_more_than_bonferroni(grouped: Grouped) -> None:
    """Sixteen groups answer the same items much alike: nobody gained, then four did."""
    random, holding, seen, bonferroni = np.random.default_rng(6), 0, 0, 0
    cluster, group = (index.ravel() for index in np.indices((40, 16)))
    panel = grouped(group, cluster)
    for _ in range(REPLICATES):
        values = 3 * random.normal(size=(40, 1)) + random.normal(size=(40, 16))
        holding += (max_t(*flipped(take_spread(values.ravel(), panel, None).means, FLIPS)) <= 0.05).any()
        values[:, :4] += 1.4
        observed, drawn = flipped(take_spread(values.ravel(), panel, None).means, FLIPS)
        seen += (max_t(observed, drawn)[:4] <= 0.05).any()
        bonferroni += ((np.abs(drawn) >= np.abs(observed)).mean(axis=0)[:4] * 16 <= 0.05).any()
    assert holding / REPLICATES <= 0.05 + error(0.05)
    assert holding / REPLICATES >= 0.05 - error(0.05)
    assert seen > bonferroni + 0.1 * REPLICATES
