"""How far a group's values lie from the others', held against scipy."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from pluralign.stats.distance import drift, moved
from pluralign.stats.panel import Panel

MakePanel = Callable[..., Panel]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(6, 80))
def test_each_group_is_held_against_all_others(make_panel: MakePanel, seed: int, groups: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    group = np.append(np.arange(groups), draw.integers(0, groups, count - groups))
    values = draw.normal(size=count).round(1) + group
    found, low, high = drift(values, make_panel(group, np.arange(count)))
    expected = [wasserstein_distance(values[group == g], values[group != g]) for g in range(groups)]
    np.testing.assert_allclose(found[:-1], expected, atol=1e-12)
    assert found[-1] == pytest.approx(np.average(expected, weights=np.bincount(group)))
    assert (low <= found).all()
    assert (found <= high).all()


def test_a_move_is_as_far_as_it_goes(make_panel: MakePanel) -> None:
    values = np.random.default_rng(0).normal(size=50)
    group = np.repeat([0, 1], 50)
    found, _, _ = drift(np.concatenate((values, values + 1.5)), make_panel(group, np.arange(100)))
    np.testing.assert_allclose(found, 1.5)


def test_without_others_there_is_no_distance(make_panel: MakePanel) -> None:
    for values in (np.ones(6), np.full(6, np.nan)):
        for bound in drift(values, make_panel(np.zeros(6, np.int64), np.arange(6))):
            assert np.isnan(bound).all()


def test_draws_of_clusters_cover_the_distance(make_panel: MakePanel) -> None:
    group, panel_cluster = np.repeat([0, 1], 200), np.arange(400)
    hits = 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        values = draw.normal(size=400) + 0.8 * group
        _, low, high = drift(values, make_panel(group, panel_cluster), seed=seed)
        hits += int(low[0] <= 0.8 <= high[0])
    assert hits >= 52


@pytest.mark.parametrize("count", [20, 100])
def test_where_nothing_lies_apart_the_bounds_hold_zero(make_panel: MakePanel, count: int) -> None:
    """Of two groups whose prompts are the same, and of two stages that answer alike but for chance."""
    group, cluster = np.repeat([0, 1], count), np.tile(np.arange(count) // 2, 2)
    panel, hits = make_panel(group, cluster), np.zeros(2)
    for seed in range(60):
        draw = np.random.default_rng(seed)
        values = draw.normal(size=count // 2)[cluster] + draw.normal(size=2 * count)
        after = draw.normal(size=count // 2)[cluster] + draw.normal(size=2 * count)
        for place, (found, low, _) in enumerate((drift(values, panel, seed), moved(values, after, panel, seed))):
            assert (found > 0).all(), "chance alone sets samples apart"
            hits[place] += low[0] == 0
    assert (hits >= 51).all(), "95% of 60 is 57"


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(6, 80))
def test_two_stages_lie_apart_as_their_distributions_do(
    make_panel: MakePanel, seed: int, groups: int, count: int
) -> None:
    draw = np.random.default_rng(seed)
    group = np.append(np.arange(groups), draw.integers(0, groups, count - groups))
    before, after = draw.normal(size=count).round(1), 2 * draw.normal(size=count).round(1) + 0.5
    after[group.argmax()] = np.nan
    found, low, high = moved(before, after, make_panel(group, np.arange(count)))
    known = ~np.isnan(after)
    sizes = [(known & (group == g)).sum() for g in range(groups)]
    for g in range(groups):
        here = known & (group == g)
        if sizes[g]:
            assert found[g] == pytest.approx(wasserstein_distance(before[here], after[here]), abs=1e-12)
            assert low[g] - 1e-9 <= found[g] <= high[g] + 1e-9
        else:
            assert np.isnan(found[g])
    each = [0.0 if not sizes[g] else found[g] for g in range(groups)]
    assert found[-1] == pytest.approx(np.average(each, weights=sizes))


def test_a_stage_that_shuffles_its_values_has_not_moved(make_panel: MakePanel) -> None:
    values = np.random.default_rng(0).normal(size=40)
    panel = make_panel(np.zeros(40, np.int64), np.arange(40))
    assert moved(values, values[::-1].copy(), panel)[0] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(moved(values, values + 0.7, panel)[0], 0.7)


def test_a_draw_takes_a_cluster_at_both_stages(make_panel: MakePanel) -> None:
    """So that a move of everyone by as much is known better than the same one where no cluster stays in its place."""
    values = np.random.default_rng(0).normal(size=80).cumsum()
    panel = make_panel(np.repeat([0, 1], 40), np.arange(80) // 4)
    elsewhere = np.roll(values.reshape(2, 40), 20, axis=1).ravel() + 0.7
    found, low, high = moved(values, values + 0.7, panel)
    same, lower, higher = moved(values, elsewhere, panel)
    np.testing.assert_allclose(found, 0.7)
    np.testing.assert_allclose(same, 0.7)
    assert (high - low < (higher - lower) / 2).all()
    assert (low <= 0.7).all()
    assert (high >= 0.7).all()
