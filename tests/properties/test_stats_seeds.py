"""Training seeds: intervals of these models and of the method cover what each speaks of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pluralign.stats.panel import Panel
from pluralign.stats.seeds import Levels, levels_against, levels_of
from pluralign.stats.spread import take_spread

REPLICATES, GAIN = 2000, 0.3
SIZES = (2,) * 60


def simulated(
    design: Any, replicated: Callable[[Any, int], Panel], seeds: int, between: float, own: float
) -> tuple[Levels, np.ndarray]:
    """Audits of so many seeds, and the mean true gain of their models; items have a deviation of 1 in clusters of two.

    `between`: deviation of true gains between seeds; `own`: of what an item does in one seed and not in others.
    """
    plan, random = design(SIZES, 0.4), np.random.default_rng(seeds)
    panel, common = replicated(plan, REPLICATES), plan.noise(random, REPLICATES)
    truth = GAIN + between * random.normal(size=(seeds, REPLICATES, 1))
    spreads = [
        take_spread((true + common + own * plan.noise(random, REPLICATES)).ravel(), panel, None) for true in truth
    ]
    return levels_of(spreads), truth.mean(axis=0)[:, 0]


def covered(bounds: tuple[np.ndarray, np.ndarray], truth: np.ndarray | float) -> float:
    return float(((bounds[0][:-1] <= truth) & (truth <= bounds[1][:-1])).mean())


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("between", "own"), [(0.0, 1.0), (0.1, 0.5), (1.0, 1.0)])
def test_both_intervals_cover(design: Any, replicated: Any, seeds: int, between: float, own: float) -> None:
    levels, models = simulated(design, replicated, seeds, between, own)
    assert covered(levels.of_models, models) == pytest.approx(0.95, abs=0.02)
    assert covered(levels.of_method(), GAIN) > 0.93
    assert (levels.method_p[:-1] < 0.05).mean() == pytest.approx(1 - covered(levels.of_method(), 0.0))


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_methods_interval_is_exact_where_seeds_are_what_varies(design: Any, replicated: Any, seeds: int) -> None:
    levels, _ = simulated(design, replicated, seeds, 2.0, 0.5)
    assert covered(levels.of_method(), GAIN) == pytest.approx(0.95, abs=0.02)


def test_the_models_interval_is_none_of_the_method(design: Any, replicated: Any) -> None:
    levels, _ = simulated(design, replicated, 3, 0.5, 0.5)
    assert covered(levels.of_models, GAIN) < 0.7


def test_the_spread_of_seeds_is_without_that_of_items(design: Any, replicated: Any) -> None:
    levels, _ = simulated(design, replicated, 8, 0.3, 2.0)
    assert levels.seeds[:-1].mean() == pytest.approx(0.09, rel=0.1)
    without, _ = simulated(design, replicated, 8, 0.0, 2.0)
    assert np.median(without.seeds[:-1]) < 0.01


@pytest.mark.parametrize("between", [0.0, 0.3])
def test_the_methods_interval_covers_the_gap_of_groups_that_share_items(
    grouped: Callable[[np.ndarray, np.ndarray], Panel], between: float
) -> None:
    """Three seeds; an item does as much to both groups, a seed something else to each of them."""
    panel, random, inside = grouped(np.tile([0, 1], 60), np.repeat(np.arange(60), 2)), np.random.default_rng(7), 0
    outside = 0
    for _ in range(600):
        items, gap = np.repeat(random.normal(size=60), 2), np.tile([GAIN, 0.0], 60)
        seeds = [gap + items + np.tile(between * random.normal(size=2), 60) for _ in range(3)]
        spreads = [take_spread(seed + 0.5 * random.normal(size=120), panel, None) for seed in seeds]
        found = levels_against(spreads, 1)
        low, high = (bound[0] for bound in found.of_method())
        inside += low <= GAIN <= high
        outside += abs(found.value[0] - GAIN) > found.value[0] - found.of_models[0][0]
    assert inside / 600 > 0.93
    assert (outside / 600 > 0.3) == (between > 0), "these models' interval is none of the method's gap"
