"""Adjusted p-values and the omnibus test equal what is published."""

from collections.abc import Callable
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.multivariate import test_mvmean as mean_vector_test

from pluralign.stats.contrast import against
from pluralign.stats.many import ADJUST, benjamini_hochberg, equal_means, holm
from pluralign.stats.panel import Panel
from pluralign.stats.spread import take_spread

MakePanel = Callable[..., Panel]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_holm_is_statsmodels(p: list[float]) -> None:
    np.testing.assert_allclose(holm(np.array(p)), multipletests(p, method="holm")[1], rtol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_benjamini_and_hochberg_is_statsmodels_and_scipy(p: list[float]) -> None:
    found = benjamini_hochberg(np.array(p))
    np.testing.assert_allclose(found, multipletests(p, method="fdr_bh")[1], rtol=1e-12)
    np.testing.assert_allclose(found, stats.false_discovery_control(p, method="bh"), rtol=1e-12)


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=8))
@settings(deadline=None)
def test_a_test_that_was_not_made_does_not_count(p: list[float]) -> None:
    known = [x for x in p if not isnan(x)]
    for adjust in ADJUST.values():
        adjusted = adjust(np.array(p, float))
        assert np.isnan(adjusted).tolist() == [isnan(x) for x in p]
        np.testing.assert_array_equal(adjusted[~np.isnan(adjusted)], adjust(np.array(known, float)))


def test_groups_in_the_same_clusters_are_hotellings(make_panel: MakePanel) -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(30, 1)) + random.normal(size=(30, 4)) * [1, 2, 1, 3] + [0, 0.4, 0, 0.4]
    panel = make_panel(np.tile(np.arange(4), 30), np.repeat(np.arange(30), 4))
    expected = mean_vector_test(values[:, 1:] - values[:, :1], np.zeros(3)).pvalue
    assert equal_means(take_spread(values.ravel(), panel, None)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shared", [True, False])
def test_two_groups_are_their_difference(make_panel: MakePanel, shared: bool) -> None:
    values = np.random.default_rng(2).normal([0, 0.5], [1, 2], (20, 2))
    cluster = np.repeat(np.arange(20), 2) if shared else np.arange(40)
    spread = take_spread(values.ravel(), make_panel(np.tile([0, 1], 20), cluster), None)
    assert equal_means(spread) == pytest.approx(against(spread, 0).p[1], rel=1e-9)


def test_separate_groups_are_close_to_welchs_analysis_of_variance(make_panel: MakePanel) -> None:
    random = np.random.default_rng(3)
    samples = [random.normal(mean, size, count) for mean, size, count in ((0, 1, 40), (0.2, 2, 60), (0.6, 3, 90))]
    group = np.repeat([0, 1, 2], [40, 60, 90])
    spread = take_spread(np.concatenate(samples), make_panel(group, np.arange(190)), None)
    assert equal_means(spread) == pytest.approx(stats.f_oneway(*samples, equal_var=False).pvalue, abs=0.003)


def test_the_order_of_groups_does_not_matter(make_panel: MakePanel) -> None:
    random = np.random.default_rng(4)
    group, cluster = random.integers(0, 4, 120), random.integers(0, 25, 120)
    values = random.normal(size=120)
    one = equal_means(take_spread(values, make_panel(group, cluster), None))
    other = equal_means(take_spread(values, make_panel(3 - group, cluster), None))
    assert one == pytest.approx(other, rel=1e-9)


def test_too_few_groups_or_clusters_cannot_be_tested(make_panel: MakePanel) -> None:
    random = np.random.default_rng(5)
    lone = make_panel(np.zeros(20), np.arange(20))
    assert np.isnan(equal_means(take_spread(random.normal(size=20), lone, None)))
    scarce = make_panel(np.repeat([0, 1], [20, 4]), np.arange(24))
    assert np.isnan(equal_means(take_spread(random.normal(size=24), scarce, None)))
    many = make_panel(np.tile(np.arange(9), 6), np.repeat(np.arange(6), 9))
    assert np.isnan(equal_means(take_spread(random.normal(size=54), many, None)))
