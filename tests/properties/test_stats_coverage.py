"""95% intervals hold the truth in 95 of 100 simulated audits, clustered or not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pluralign.stats.levels import level_interval
from pluralign.stats.panel import Panel
from pluralign.stats.spread import interval, take_spread

REPLICATES = 4000
ERROR = 4 * np.sqrt(0.95 * 0.05 / REPLICATES)
"""Four standard errors of a simulated coverage of 95%."""

Replicated = Callable[[Any, int], Panel]

EQUAL = {
    "6 single items": ((1,) * 6, 0.0),
    "200 single items": ((1,) * 200, 0.0),
    "8 clusters of 5": ((5,) * 8, 0.3),
    "50 clusters of 3": ((3,) * 50, 0.5),
    "passages with one or two questions": ((1, 2) * 40, 0.5),
}


def coverage(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    """Over the replicates; the last column is everyone together."""
    return float(((low <= truth) & (truth <= high))[:-1].mean())


@pytest.mark.parametrize(("sizes", "together"), EQUAL.values(), ids=EQUAL)
def test_means_are_covered(design: Any, replicated: Replicated, sizes: tuple[int, ...], together: float) -> None:
    plan = design(sizes, together)
    values = 0.3 + plan.noise(np.random.default_rng(1), REPLICATES)
    found = interval(take_spread(values.ravel(), replicated(plan, REPLICATES), None), 0.05)
    assert coverage(*found, 0.3) == pytest.approx(0.95, abs=ERROR)


@pytest.mark.parametrize(("sizes", "together"), [((4,) * 30, 0.4), ((1, 2) * 40, 0.5)])
def test_the_same_check_fails_without_clusters(
    design: Any, replicated: Replicated, sizes: tuple[int, ...], together: float
) -> None:
    plan = design(sizes, together)
    values = 0.3 + plan.noise(np.random.default_rng(2), REPLICATES)
    alone = replicated(np.arange(sum(sizes)), REPLICATES)
    found = interval(take_spread(values.ravel(), alone, None), 0.05)
    assert coverage(*found, 0.3) < 0.95 - 2 * ERROR


def test_one_large_cluster_does_not_break_the_interval(design: Any, replicated: Replicated) -> None:
    """A dialogue of 30 items beside 30 of one: with clusters - 1 degrees of freedom 75% would be covered."""
    plan = design((30, *(1,) * 30), 0.3)
    values = plan.noise(np.random.default_rng(3), REPLICATES)
    found = take_spread(values.ravel(), replicated(plan, REPLICATES), None)
    assert 0.92 < coverage(*interval(found, 0.05), 0.0) < 0.98
    half = stats.t.ppf(0.975, 30) * found.plain
    assert coverage(found.means.value - half, found.means.value + half, 0.0) < 0.85


SHARES = {
    "20 items at .5": ((1,) * 20, 0.0, 0.5),
    "20 items at .1": ((1,) * 20, 0.0, 0.1),
    "200 items at .03": ((1,) * 200, 0.0, 0.03),
    "8 clusters at .5": ((6,) * 8, 0.3, 0.5),
    "10 clusters at .1": ((5,) * 10, 0.2, 0.1),
    "40 clusters at .3": ((5,) * 40, 0.2, 0.3),
    "40 clusters at .05": ((5,) * 40, 0.6, 0.05),
    "100 clusters at .02": ((9,) * 100, 0.5, 0.02),
    "passages with one or two questions at .7": ((1, 2) * 40, 0.5, 0.7),
}


@pytest.mark.parametrize(("sizes", "together", "share"), SHARES.values(), ids=SHARES)
def test_shares_are_covered(
    design: Any, replicated: Replicated, sizes: tuple[int, ...], together: float, share: float
) -> None:
    """Shares come in steps, so that coverage swings around 95%; above it with few or rare answers."""
    plan = design(sizes, together)
    values = plan.shares(np.random.default_rng(4), REPLICATES, share).ravel()
    panel = replicated(plan, REPLICATES)
    found = level_interval(take_spread(values, panel, (0.0, 1.0)), values, panel)
    assert 0.95 - ERROR <= coverage(*found, share) <= 0.99


@pytest.mark.parametrize(("together", "share"), [(0.4, 0.3), (0.6, 0.1)])
def test_wilsons_interval_fails_where_its_clusters_are_ignored(
    design: Any, replicated: Replicated, together: float, share: float
) -> None:
    plan = design((5,) * 40, together)
    values = plan.shares(np.random.default_rng(5), REPLICATES, share).ravel()
    panel = replicated(np.arange(200), REPLICATES)
    found = level_interval(take_spread(values, panel, (0.0, 1.0)), values, panel)
    assert coverage(*found, share) < 0.9


GAINS = {
    "200 items, 20 in 100 change": ((1,) * 200, 0.0, 0.2, 0.03),
    "1000 items, 3 in 100 change": ((1,) * 1000, 0.0, 0.03, 0.02),
    "100 clusters of 2": ((2,) * 100, 0.5, 0.2, 0.0),
    "10 clusters of 5": ((5,) * 10, 0.3, 0.5, 0.1),
}


@pytest.mark.parametrize(("sizes", "together", "changing", "gain"), GAINS.values(), ids=GAINS)
def test_gains_of_shares_are_covered(
    design: Any, replicated: Replicated, sizes: tuple[int, ...], together: float, changing: float, gain: float
) -> None:
    """Of the items `changing` change, wrong to right more often than back by `gain`."""
    plan = design(sizes, together)
    place = stats.norm.cdf(plan.noise(np.random.default_rng(6), REPLICATES))
    up, down = (changing + gain) / 2, (changing - gain) / 2
    values = (place < up).astype(float) - (place > 1 - down)
    found = interval(take_spread(values.ravel(), replicated(plan, REPLICATES), (-1.0, 1.0)), 0.05)
    assert 0.95 - ERROR <= coverage(*found, gain) <= 0.98
