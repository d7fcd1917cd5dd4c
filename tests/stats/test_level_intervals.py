"""Values at a stage: Wilson's interval for shares, never outside the measure's bounds; t where there are none."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pluralign.stats.levels import level_interval
from pluralign.stats.panel import Panel
from pluralign.stats.spread import take_spread

MakePanel = Callable[..., Panel]


def level(values: np.ndarray, panel: Panel, reach: tuple[float, float] | None) -> tuple[float, float]:
    low, high = level_interval(take_spread(values, panel, reach), values, panel)
    return float(low[0]), float(high[0])


@given(st.integers(5, 400), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_shares_of_single_items_are_wilsons(make_panel: MakePanel, count: int, share: float) -> None:
    right = round(share * count)
    found = level((np.arange(count) < right).astype(float), make_panel(np.zeros(count), np.arange(count)), (0.0, 1.0))
    np.testing.assert_allclose(found, proportion_confint(right, count, method="wilson"), rtol=1e-9, atol=1e-12)


def test_a_measure_without_bounds_is_students(make_panel: MakePanel) -> None:
    values = np.random.default_rng(1).normal(3, 2, 40)
    found = level(values, make_panel(np.zeros(40), np.arange(40)), None)
    np.testing.assert_allclose(found, stats.ttest_1samp(values, 0).confidence_interval(), rtol=1e-10)


def test_an_interval_moves_with_the_scale_of_its_measure(make_panel: MakePanel) -> None:
    values = np.random.default_rng(2).random(60)
    panel = make_panel(np.zeros(60), np.repeat(np.arange(20), 3))
    low, high = level(values, panel, (0.0, 1.0))
    np.testing.assert_allclose(level(1 + 180 * values, panel, (1.0, 181.0)), [1 + 180 * low, 1 + 180 * high])
    np.testing.assert_allclose(level(1 - values, panel, (0.0, 1.0)), [1 - high, 1 - low])


def test_clusters_that_agree_count_as_one_answer_each(make_panel: MakePanel) -> None:
    """30 clusters of 7 equal answers know what 30 single answers know: Wilson's with t for the normal quantile."""
    right = (np.arange(30) < 11).astype(float)
    low, high = level(np.repeat(right, 7), make_panel(np.zeros(210), np.repeat(np.arange(30), 7)), (0.0, 1.0))
    alpha = 2 * stats.norm.sf(stats.t.ppf(0.975, 29))
    single_low, single_high = proportion_confint(11, 30, alpha=alpha, method="wilson")
    assert high - low == pytest.approx(single_high - single_low, rel=0.03)


@given(st.lists(st.sampled_from([0.0, 0.0, 0.3, 1.0, 1.0]), min_size=5, max_size=60), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_intervals_stay_inside_the_bounds_and_hold_the_value(
    make_panel: MakePanel, values: list[float], per_cluster: int
) -> None:
    count = len(values)
    cluster = np.arange(count) // per_cluster
    low, high = level(np.array(values), make_panel(np.zeros(count), cluster), (0.0, 1.0))
    if cluster[-1] + 1 < 5:
        assert np.isnan([low, high]).all()
    else:
        assert 0 <= low <= np.mean(values) + 1e-12
        assert np.mean(values) - 1e-12 <= high <= 1
        assert low < high
