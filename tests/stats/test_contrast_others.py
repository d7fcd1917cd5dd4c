"""A group's gain less the mean of the others': the published tests where there are such, and its own definition."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from pluralign.stats.contrast import against, against_others
from pluralign.stats.panel import Panel
from pluralign.stats.spread import take_spread

MakePanel = Callable[..., Panel]
RANDOM = np.random.default_rng(0)


def test_groups_in_the_same_clusters_are_a_paired_t_test(make_panel: MakePanel) -> None:
    values = RANDOM.normal(size=(30, 1)) + RANDOM.normal(size=(30, 4)) * [1, 2, 1, 3] + [0, 0.4, 0, 0.4]
    panel = make_panel(np.tile(np.arange(4), 30), np.repeat(np.arange(30), 4))
    found = against_others(take_spread(values.ravel(), panel, None))
    for group in range(4):
        others = np.delete(values, group, axis=1).mean(axis=1)
        test = stats.ttest_rel(values[:, group], others)
        np.testing.assert_allclose(
            [found.value[group], found.low[group], found.high[group], found.p[group]],
            [(values[:, group] - others).mean(), *test.confidence_interval(), test.pvalue],
            rtol=1e-9,
        )
    assert np.isnan([found.value[-1], found.low[-1], found.p[-1]]).all()


def test_separate_groups_are_welchs_contrast(make_panel: MakePanel) -> None:
    """Satterthwaite's degrees of freedom of a - (b + c) / 2."""
    samples = [RANDOM.normal(mean, size, count) for mean, size, count in ((0, 1, 12), (0.5, 2, 20), (1, 3, 9))]
    group = np.repeat([0, 1, 2], [12, 20, 9])
    found = against_others(take_spread(np.concatenate(samples), make_panel(group, np.arange(41)), None))
    weights = np.array([1, -0.5, -0.5])
    value = weights @ [sample.mean() for sample in samples]
    parts = weights**2 * [sample.var(ddof=1) / len(sample) for sample in samples]
    freedom = parts.sum() ** 2 / (parts**2 / [len(sample) - 1 for sample in samples]).sum()
    error = np.sqrt(parts.sum())
    assert found.value[0] == pytest.approx(value)
    assert found.high[0] - found.value[0] == pytest.approx(stats.t.ppf(0.975, freedom) * error)
    assert found.p[0] == pytest.approx(2 * stats.t.sf(abs(value) / error, freedom))


def test_partly_shared_clusters_are_statsmodels_robust_contrast(make_panel: MakePanel) -> None:
    """The cluster-robust variance of a regression on the groups, up to each group's factor K / (K - 1)."""
    group, cluster = np.nonzero(RANDOM.random((3, 400)) < 0.7)
    values = RANDOM.normal(size=len(group)) + RANDOM.normal(size=400)[cluster]
    found = against_others(take_spread(values, make_panel(group, cluster), None))
    fit = OLS(values, np.eye(3)[group]).fit(
        cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}, use_t=False
    )
    test = fit.t_test(np.array([1, -0.5, -0.5]))
    assert found.value[0] == pytest.approx(float(np.ravel(test.effect)[0]))
    error = (found.high[0] - found.low[0]) / 2 / 1.96
    assert error == pytest.approx(float(np.ravel(test.sd)[0]), rel=0.02)


@pytest.mark.parametrize("shared", [True, False])
def test_with_two_groups_the_others_are_the_reference(make_panel: MakePanel, shared: bool) -> None:
    values = RANDOM.normal([0, 0.5], [1, 2], (20, 2))
    cluster = np.repeat(np.arange(20), 2) if shared else np.arange(40)
    spread = take_spread(values.ravel(), make_panel(np.tile([0, 1], 20), cluster), None)
    one, other = against_others(spread), against(spread, 0)
    for name in ("value", "low", "high", "p"):
        assert getattr(one, name)[1] == pytest.approx(getattr(other, name)[1], rel=1e-9)


def test_large_groups_count_no_more_than_small_ones(make_panel: MakePanel) -> None:
    group = np.repeat([0, 1, 2], [10, 10, 500])
    values = np.array([0.0, 1.0, 2.0])[group] + np.tile([-0.1, 0.1], 260)
    found = against_others(take_spread(values, make_panel(group, np.arange(520)), None))
    np.testing.assert_allclose(found.value[:3], [-1.5, 0.0, 1.5], atol=1e-9)


def test_a_group_that_cannot_speak_is_nobodys_other(make_panel: MakePanel) -> None:
    group = np.repeat([0, 1, 2], [20, 20, 4])
    values = np.array([0.0, 1.0, 50.0])[group] + RANDOM.normal(size=44)
    spread = take_spread(values, make_panel(group, np.arange(44)), None)
    alone = take_spread(values[:40], make_panel(group[:40], np.arange(40)), None)
    found, without = against_others(spread), against_others(alone)
    np.testing.assert_allclose(found.low[:2], without.low[:2])
    assert found.value[2] == pytest.approx(spread.means.value[2] - spread.means.value[:2].mean())
    assert np.isnan([found.low[2], found.high[2], found.p[2]]).all()


def test_who_cannot_speak_is_still_held_against_the_only_one_who_can(make_panel: MakePanel) -> None:
    values = np.concatenate((RANDOM.normal(size=20), RANDOM.normal(50, 1, size=4)))
    spread = take_spread(values, make_panel(np.repeat([0, 1], [20, 4]), np.arange(24)), None)
    found = against_others(spread)
    assert found.value[1] == pytest.approx(spread.means.value[1] - spread.means.value[0])
    assert np.isnan([found.value[0], found.value[2], found.low[1], found.p[1]]).all()


def test_without_others_nothing_is_known(make_panel: MakePanel) -> None:
    found = against_others(take_spread(RANDOM.normal(size=20), make_panel(np.zeros(20), np.arange(20)), None))
    assert np.isnan([found.value, found.low, found.high, found.p]).all()


def test_groups_that_answer_alike_have_no_bounds(make_panel: MakePanel) -> None:
    values = np.tile(RANDOM.normal(size=(20, 1)), (1, 3)).ravel()
    panel = make_panel(np.tile(np.arange(3), 20), np.repeat(np.arange(20), 3))
    found = against_others(take_spread(values, panel, None))
    np.testing.assert_allclose(found.value[:3], 0.0, atol=1e-12)
    assert np.isnan([found.low, found.high, found.p]).all()
