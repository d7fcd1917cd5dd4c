"""How far apart groups truly lie, who is worst, how many lose, and the gap: by formula where there is one."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy import stats

from pluralign.stats.between import Bounded, deviation, losing, surely, worst
from pluralign.stats.gap import widest_gap
from pluralign.stats.many import equal_means, holm
from pluralign.stats.panel import Panel
from pluralign.stats.spread import Spread, interval, take_spread

MakePanel = Callable[..., Panel]
SEED = np.random.default_rng(0)
STEPS = np.array([0, 0.3, 0.6, 0.9])


def separate(panel_of: MakePanel, samples: list[np.ndarray]) -> Spread:
    """Groups of single items."""
    sizes = [len(sample) for sample in samples]
    panel = panel_of(np.repeat(np.arange(len(samples)), sizes), np.arange(sum(sizes)))
    return take_spread(np.concatenate(samples), panel, None)


def shared(panel_of: MakePanel, values: np.ndarray) -> Spread:
    """`values` `[cluster, group]`."""
    clusters, groups = values.shape
    return take_spread(
        values.ravel(), panel_of(np.tile(np.arange(groups), clusters), np.repeat(np.arange(clusters), groups)), None
    )


def lost(spread: Spread) -> Bounded:
    return losing(spread, deviation(spread).value)


def test_the_deviation_is_what_analysis_of_variance_says(make_panel: MakePanel) -> None:
    """Equal groups: τ² = (mean square between - mean square within) / n, the method of moments."""
    values = SEED.normal(np.array([0.0, 0.5, 1.0, 3.0]), 1.0, (25, 4))
    between, within = 25 * values.mean(axis=0).var(ddof=1), values.var(axis=0, ddof=1).mean()
    found = deviation(separate(make_panel, list(values.T)))
    assert found.value == pytest.approx(np.sqrt((between - within) / 25))
    assert found.low < found.value < found.high


def test_bounds_of_the_deviation_are_those_of_the_noncentral_f(make_panel: MakePanel) -> None:
    """With equal variances the ratio is the F of analysis of variance, its noncentrality n Σ (θ - mean)² / σ²."""
    values = SEED.normal(0, 1, (400, 5))
    values = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1) + [0, 0.1, 0.2, 0.3, 0.5]
    ratio = stats.f_oneway(*values.T).statistic
    found = deviation(separate(make_panel, list(values.T)))
    for bound, level in ((found.low, 0.975), (found.high, 0.025)):
        noncentrality = 400 * 4 * bound**2
        assert stats.ncf.cdf(ratio, 4, 5 * 399, noncentrality) == pytest.approx(level, abs=0.002)


@pytest.mark.parametrize("noise", [1e-3, 1e-4, 1e-5, 1e-8])
def test_bounds_of_the_deviation_hold_it_however_sure_it_is(make_panel: MakePanel, noise: float) -> None:
    """SciPy's noncentral F ends where the means lie some thousand standard errors apart."""
    truth = np.linspace(0, 1, 50)
    found = deviation(shared(make_panel, noise * np.random.default_rng(1).normal(size=(400, 50)) + truth))
    assert found.low < truth.std(ddof=1) < found.high
    assert found.low < found.value < found.high


def test_what_clusters_share_is_no_deviation(make_panel: MakePanel) -> None:
    values = SEED.normal(0, 1, (50, 4)) + STEPS
    plain, moved = (deviation(shared(make_panel, values + common)) for common in (0.0, SEED.normal(0, 9, (50, 1))))
    assert (plain.value, plain.low, plain.high) == pytest.approx((moved.value, moved.low, moved.high))


def test_groups_alike_by_luck_still_have_room_between_them(make_panel: MakePanel) -> None:
    values = SEED.normal(0, 1, (50, 4))
    found = deviation(shared(make_panel, values - values.mean(axis=0)))
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high > 0.05


def test_scale_and_origin_carry_over(make_panel: MakePanel) -> None:
    values = SEED.normal(0, 1, (50, 4)) + STEPS
    one, other = (deviation(shared(make_panel, v)) for v in (values, 5 - 3 * values))
    assert (other.value, other.low, other.high) == pytest.approx((3 * one.value, 3 * one.low, 3 * one.high))


def test_the_worst_is_bounded_below_as_usual_and_above_for_all(make_panel: MakePanel) -> None:
    samples = [SEED.normal(mean, 1, 40) for mean in (0.5, -0.2, 0.4, 0.6)]
    spread = separate(make_panel, samples)
    place, found = worst(spread)
    assert place == 1
    assert found.low == pytest.approx(interval(spread, 0.05)[0][1])
    quantile = stats.t.ppf(0.975 ** (1 / 4), 39)
    assert found.high == pytest.approx(samples[1].mean() + quantile * stats.sem(samples[1]))
    assert found.high > interval(spread, 0.05)[1][1]


def test_surely_false_hypotheses_are_at_least_holms() -> None:
    for _ in range(50):
        p = SEED.beta(0.3, 1, 12)
        assert surely(p, 0.05) >= (holm(p) < 0.05).sum()
    assert surely(np.full(6, 0.04), 0.05) == 6, "six weak tests together say that none is true"
    assert surely(np.full(6, 0.06), 0.05) == 0
    assert surely(np.array([0.001, 0.5, 0.9]), 0.05) == 1


def test_the_share_that_loses_is_sure_where_all_is_sure(make_panel: MakePanel) -> None:
    found = lost(separate(make_panel, [SEED.normal(mean, 0.1, 40) for mean in (-1, 1, 2, -3)]))
    assert (found.low, found.high) == (0.5, 0.5)
    assert found.value == pytest.approx(0.5, abs=1e-6)


def test_luck_does_not_split_groups_that_gained_alike(make_panel: MakePanel) -> None:
    """Forty groups gain .1 with a standard error of .2: a third of the gains found are below zero, no true one is."""
    spread = separate(make_panel, list(SEED.normal(0.1, 1.0, (40, 25))))
    found = lost(spread)
    assert (spread.means.value[:-1] < 0).mean() > 0.2
    assert found.value < 0.1
    assert found.low == 0.0


@pytest.mark.parametrize("gain", [0.0, 0.1, 0.9])
def test_what_one_group_gains_another_loses(make_panel: MakePanel, gain: float) -> None:
    """Their common mean is zero without any noise: one of two loses, or it is open who does."""
    values = gain + np.tile([-1.0, 1.0], 15)
    found = lost(shared(make_panel, np.column_stack((values, -values))))
    assert found.value == pytest.approx(0.5)
    assert found.low <= found.value <= found.high


def test_a_single_group_is_compared_with_nobody(make_panel: MakePanel) -> None:
    spread = separate(make_panel, [SEED.normal(size=30), SEED.normal(size=3)])
    gap = widest_gap(spread)
    assert np.isnan([deviation(spread).value, lost(spread).high, gap.value, gap.p, gap.pairs_p, gap.if_equal]).all()
    assert worst(spread)[0] == 0
    nobody = separate(make_panel, [SEED.normal(size=4), SEED.normal(size=3)])
    assert worst(nobody)[0] == -1
    assert np.isnan(worst(nobody)[1].value)


def test_the_gap_of_two_groups_is_tested_as_their_difference(make_panel: MakePanel) -> None:
    """In clusters that both share: scipy's exact test by signs of the differences."""
    values = SEED.normal([0.0, 0.6], 1.0, (12, 2))
    expected = stats.permutation_test((values[:, 1] - values[:, 0],), np.mean, permutation_type="samples").pvalue
    found = widest_gap(shared(make_panel, values))
    assert found.value == pytest.approx(abs(values.mean(axis=0) @ [-1, 1]))
    assert found.p == pytest.approx(expected, abs=0.04)
    assert found.pairs_p == pytest.approx(found.p, abs=0.001)


def test_the_gap_that_chance_makes_is_the_range_of_normal_deviates(make_panel: MakePanel) -> None:
    """The mean range of ten standard normal deviates is 3.078 (Tippett 1925)."""
    values = SEED.normal(0, 1, (900, 10))
    assert widest_gap(shared(make_panel, values)).if_equal == pytest.approx(3.078 / 30, rel=0.05)


def test_the_furthest_pair_need_not_be_the_widest(make_panel: MakePanel) -> None:
    """A small noisy group makes the gap wide; the pair that surely differs lies inside it."""
    samples = [SEED.normal(0, 1, 900), SEED.normal(0.3, 1, 900), SEED.normal(0.9, 6, 20)]
    found = widest_gap(separate(make_panel, samples))
    assert found.pairs_p < 0.01 < found.p


def test_many_more_groups_than_clusters_can_be_compared(make_panel: MakePanel) -> None:
    """Wald's test needs more clusters than groups; the spread and the gap do not."""
    spread = shared(make_panel, SEED.normal(0, 1, (12, 40)) + np.linspace(0, 6, 40))
    assert np.isnan(equal_means(spread))
    found, truth = deviation(spread), np.linspace(0, 6, 40).std(ddof=1)
    assert found.low < truth < found.high
    assert widest_gap(spread).p < 0.01


def test_the_furthest_pair_is_counted_over_all_signs(make_panel: MakePanel) -> None:
    """Max-T over pairs by its definition: all patterns of signs, each difference over the root of its squares."""
    random = np.random.default_rng(5)
    values = random.normal([0.0, 0.5, 0.9], [0.3, 1.0, 2.0], (9, 3)) + random.normal(0, 2, (9, 1))
    signs = np.array(list(product((-1, 1), repeat=9)))
    differences = np.stack([values[:, i] - values[:, j] for i, j in ((0, 1), (0, 2), (1, 2))], axis=1)
    size = np.sqrt((differences**2).sum(axis=0))
    drawn = np.abs(signs @ differences / size).max(axis=1)
    observed = np.abs(differences.sum(axis=0) / size).max()
    expected = (drawn >= observed - 1e-12).mean()
    assert 0.05 < expected < 0.6
    assert widest_gap(shared(make_panel, values), 20_000).pairs_p == pytest.approx(expected, abs=0.012)
