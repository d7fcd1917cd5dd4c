"""Intervals and p-values equal SciPy's and statsmodels' where those have the case, and are never of zero width."""

from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pluralign.stats.contrast import against
from pluralign.stats.panel import Panel
from pluralign.stats.spread import interval, p_values, take_spread

MakePanel = Callable[..., Panel]
REACH = (-1.0, 1.0)


def test_one_item_per_cluster_is_the_t_test(make_panel: MakePanel) -> None:
    values = np.random.default_rng(1).normal(0.1, 1, 31)
    spread = take_spread(values, make_panel(np.zeros(31), np.arange(31)), None)
    test = stats.ttest_1samp(values, 0.0)
    low, high = interval(spread, 0.05)
    expected = test.confidence_interval()
    np.testing.assert_allclose([low[0], high[0], p_values(spread)[0]], [*expected, test.pvalue], atol=1e-10)


def test_clusters_equal_the_cluster_robust_regression(make_panel: MakePanel) -> None:
    random = np.random.default_rng(2)
    cluster = np.repeat(np.arange(12), random.integers(1, 7, 12))
    values = random.normal(size=12)[cluster] + random.normal(size=len(cluster))
    spread = take_spread(values, make_panel(np.zeros(len(cluster)), cluster), None)
    fit = statsmodels.api.OLS(values, np.ones_like(values)).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    np.testing.assert_allclose(spread.error[0], fit.bse[0], rtol=1e-10)
    assert spread.means.freedom[0] <= 11


def test_equal_clusters_have_one_degree_of_freedom_less(make_panel: MakePanel) -> None:
    cluster = np.repeat(np.arange(9), 4)
    spread = take_spread(np.random.default_rng(3).normal(size=36), make_panel(np.zeros(36), cluster), None)
    assert spread.means.freedom[0] == pytest.approx(8, abs=1e-12)


def test_groups_without_shared_clusters_are_welchs_test(make_panel: MakePanel) -> None:
    random = np.random.default_rng(4)
    one, other = random.normal(0, 1, 14), random.normal(0.5, 3, 45)
    panel = make_panel(np.repeat([0, 1], [14, 45]), np.arange(59))
    found = against(take_spread(np.concatenate((one, other)), panel, None), 0)
    test = stats.ttest_ind(other, one, equal_var=False)
    expected = test.confidence_interval()
    np.testing.assert_allclose([found.low[1], found.high[1], found.p[1]], [*expected, test.pvalue], atol=1e-10)


def test_parallel_groups_are_the_paired_test(make_panel: MakePanel) -> None:
    random = np.random.default_rng(5)
    shared = random.normal(size=25)
    one, other = shared + random.normal(0, 0.3, 25), shared + random.normal(0.1, 0.3, 25)
    panel = make_panel(np.repeat([0, 1], 25), np.tile(np.arange(25), 2))
    found = against(take_spread(np.concatenate((one, other)), panel, None), 0)
    test = stats.ttest_rel(other, one)
    expected = test.confidence_interval()
    np.testing.assert_allclose([found.low[1], found.high[1], found.p[1]], [*expected, test.pvalue], atol=1e-10)


def test_a_difference_equals_the_regression_where_all_clusters_hold_both_groups(make_panel: MakePanel) -> None:
    random = np.random.default_rng(6)
    counts = random.integers(1, 5, (15, 2))
    cluster = np.repeat(np.repeat(np.arange(15), 2), counts.ravel())
    group = np.repeat(np.tile([0, 1], 15), counts.ravel())
    values = random.normal(size=15)[cluster] + random.normal(size=len(cluster))
    found = against(take_spread(values, make_panel(group, cluster), None), 0)
    design = np.column_stack((np.ones(len(group)), group))
    fit = statsmodels.api.OLS(values, design).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    small_sample = np.sqrt((len(group) - 1) / (len(group) - 2))
    t = found.value[1] / (fit.bse[1] / small_sample)
    freedom = 2 * stats.t.sf(abs(t), np.array([5.0, 14.0]))
    assert freedom[1] - 1e-12 <= found.p[1] <= freedom[0]
    assert found.value[1] == pytest.approx(fit.params[1], abs=1e-12)


def test_swapping_the_reference_negates_the_difference(make_panel: MakePanel) -> None:
    random = np.random.default_rng(7)
    group, cluster = random.integers(0, 2, 60), random.integers(0, 20, 60)
    spread = take_spread(random.normal(size=60), make_panel(group, cluster), None)
    one, other = against(spread, 0), against(spread, 1)
    np.testing.assert_allclose([one.low[1], one.high[1]], [-other.high[0], -other.low[0]], rtol=1e-12)
    assert one.p[1] == pytest.approx(other.p[0], rel=1e-12)


@pytest.mark.parametrize("clusters", [5, 20, 400])
def test_where_nothing_varies_bounds_are_clopper_and_pearsons(make_panel: MakePanel, clusters: int) -> None:
    panel = make_panel(np.zeros(3 * clusters), np.repeat(np.arange(clusters), 3))
    spread = take_spread(np.zeros(3 * clusters), panel, REACH)
    exact = stats.binomtest(0, clusters).proportion_ci(0.95, "exact")
    low, high = interval(spread, 0.05)
    np.testing.assert_allclose([low[0], high[0]], [-exact.high, exact.high], rtol=1e-9)
    assert exact.high == pytest.approx(1 - 0.025 ** (1 / clusters))
    assert p_values(spread)[0] == 1.0


def test_where_everything_changed_the_bounds_stop_at_what_is_possible(make_panel: MakePanel) -> None:
    spread = take_spread(np.ones(12), make_panel(np.zeros(12), np.arange(12)), REACH)
    low, high = interval(spread, 0.05)
    assert high[0] == 1.0
    assert low[0] == pytest.approx(1 - 2 * (1 - 0.025 ** (1 / 12)))
    assert p_values(spread)[0] == pytest.approx(stats.binomtest(12, 12, 0.5).pvalue)


def test_without_bounds_a_sample_that_does_not_vary_says_nothing(make_panel: MakePanel) -> None:
    spread = take_spread(np.full(30, 0.1), make_panel(np.zeros(30), np.arange(30)), None)
    low, high = interval(spread, 0.05)
    assert spread.means.value[0] == pytest.approx(0.1)
    assert np.isnan([low[0], high[0], p_values(spread)[0], spread.error[0]]).all()


def test_two_groups_that_answer_alike_have_no_bounds_for_their_difference(make_panel: MakePanel) -> None:
    values = np.random.default_rng(8).random(20)
    panel = make_panel(np.repeat([0, 1], 20), np.tile(np.arange(20), 2))
    found = against(take_spread(np.tile(values, 2) + np.repeat([0, 0.1], 20), panel, (0.0, 2.0)), 0)
    assert found.value[1] == pytest.approx(0.1)
    assert np.isnan([found.low[1], found.high[1], found.p[1]]).all()


@pytest.mark.parametrize("clusters", [1, 2, 4])
def test_too_few_clusters_have_a_value_and_no_bounds(make_panel: MakePanel, clusters: int) -> None:
    values = np.random.default_rng(9).random(10 * clusters)
    panel = make_panel(np.zeros(10 * clusters), np.repeat(np.arange(clusters), 10))
    spread = take_spread(values, panel, REACH)
    assert spread.means.value[0] == pytest.approx(values.mean())
    assert np.isnan([*interval(spread, 0.05)[0], p_values(spread)[0], spread.error[0]]).all()


flips = st.lists(st.sampled_from([-1.0, 0.0, 0.0, 0.0, 1.0]), min_size=5, max_size=60)


@given(flips)
@settings(max_examples=200, deadline=None)
def test_p_agrees_with_the_interval_and_widths_are_never_zero(make_panel: MakePanel, values: list[float]) -> None:
    count = len(values)
    spread = take_spread(np.array(values), make_panel(np.zeros(count), np.arange(count)), REACH)
    for alpha in (0.05, 0.1):
        low, high = interval(spread, alpha)
        assert low[0] < high[0]
        assert low[0] <= spread.means.value[0] <= high[0]
        assert (p_values(spread)[0] < alpha) == (low[0] > 0 or high[0] < 0)


@given(st.integers(10, 300), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_a_few_changes_never_know_more_than_none(make_panel: MakePanel, count: int, changed: int) -> None:
    """The t-interval of one change in 300 would lie inside the bounds of no change in 300."""
    panel = make_panel(np.zeros(count), np.arange(count))
    none = interval(take_spread(np.zeros(count), panel, REACH), 0.05)
    some = interval(take_spread((np.arange(count) < changed).astype(float), panel, REACH), 0.05)
    assert some[1][0] > none[1][0]
    assert some[0][0] <= none[0][0]
