"""Clusters drawn again and signs turned: moments by formula, the same numbers for the same seed."""

from collections.abc import Callable
from time import process_time

import numpy as np
import pytest

from pluralign.stats import draws as draws_module
from pluralign.stats.bootstrap import flips, resample, times_drawn
from pluralign.stats.means import take_means
from pluralign.stats.panel import Panel

RANDOM = np.random.default_rng(0)
SUMS = RANDOM.normal(size=(40, 3))


def test_every_draw_has_as_many_clusters_as_there_are() -> None:
    times = np.concatenate(list(times_drawn(17, 300, seed=1)))
    assert times.shape == (300, 17)
    np.testing.assert_array_equal(times.sum(axis=1), 17)
    assert times.mean(axis=0) == pytest.approx(1, abs=4 * np.sqrt(1 / 300))
    assert times.var() == pytest.approx(1 - 1 / 17, rel=0.1)


def test_the_mean_of_redrawn_clusters_has_the_plug_in_variance() -> None:
    """Var of a resampled mean is (1/K²) Σ (x - mean)², the bootstrap's own formula."""
    drawn = resample(SUMS, 20_000, seed=2) / len(SUMS)
    np.testing.assert_allclose(drawn.mean(axis=0), SUMS.mean(axis=0), atol=5 * 0.16 / np.sqrt(20_000))
    covariance = np.cov(SUMS.T, bias=True) / len(SUMS)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05 * covariance.max())


def test_turned_signs_keep_the_covariance_of_the_parts() -> None:
    drawn = flips(SUMS, 20_000, seed=3)
    size = np.sqrt((SUMS**2).sum(axis=0))
    np.testing.assert_allclose(drawn.mean(axis=0) / size, 0.0, atol=5 / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(drawn.T), SUMS.T @ SUMS, atol=0.05 * (size**2).max())


def test_few_clusters_give_every_pattern_of_signs() -> None:
    parts = np.array([[1.0], [2.0], [4.0]])
    drawn, often = np.unique(flips(parts, 8000, seed=4)[:, 0], return_counts=True)
    np.testing.assert_allclose(drawn, [-7, -5, -3, -1, 1, 3, 5, 7])
    np.testing.assert_allclose(often, 1000, atol=150)


@pytest.mark.parametrize("draw", [resample, flips])
def test_a_seed_gives_the_same_draws_and_portions_do_not_matter(draw, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(SUMS, 101, 5)
    monkeypatch.setattr(draws_module, "AT_ONCE", 400)
    np.testing.assert_allclose(draw(SUMS, 101, 5), whole, atol=1e-12)
    assert not np.allclose(draw(SUMS, 101, 6), whole)


def test_ten_thousand_draws_of_two_thousand_clusters_take_seconds(make_panel: Callable[..., Panel]) -> None:
    """90,000 readings of 50 groups; the standard error of each mean is the cluster-robust one."""
    random = np.random.default_rng(7)
    cluster, group = random.integers(0, 2000, 90_000), random.integers(0, 50, 90_000)
    values, panel = random.normal(size=2000)[cluster] + random.normal(size=90_000), make_panel(group, cluster)
    start = process_time()
    means = take_means(values, panel)
    drawn = resample(np.hstack((means.totals, means.counts)), 10_000)
    spent = process_time() - start
    errors = (drawn[:, :51] / drawn[:, 51:]).std(axis=0)
    np.testing.assert_allclose(errors, np.sqrt((means.influence**2).sum(axis=0)), rtol=0.05)
    assert spent < 6, "seconds of both of two cores: three on the clock"
