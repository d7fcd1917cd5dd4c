"""Adjusting by the largest statistic: exact where all signs can be counted, and never below the unadjusted."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy import stats

from pluralign.stats.bootstrap import FLIPS
from pluralign.stats.max_t import flipped, largest_differences, max_t
from pluralign.stats.panel import Panel
from pluralign.stats.spread import take_spread

MakePanel = Callable[..., Panel]


def wide(panel_of: MakePanel, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`values` `[cluster, group]`, every group in every cluster."""
    clusters, groups = values.shape
    panel = panel_of(np.tile(np.arange(groups), clusters), np.repeat(np.arange(clusters), groups))
    return flipped(take_spread(values.ravel(), panel, None).means)


def test_one_group_is_the_sign_flip_test_of_scipy(make_panel: MakePanel) -> None:
    values = np.random.default_rng(0).normal(0.5, 1, (9, 1))
    expected = stats.permutation_test(
        (values[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue  # all 2**9 patterns of signs
    assert max_t(*wide(make_panel, values))[0] == pytest.approx(expected, abs=4 * np.sqrt(expected / FLIPS))


def test_the_largest_of_three_is_counted_over_all_signs(make_panel: MakePanel) -> None:
    """Step-down max-T by its definition, over all 2**8 patterns of signs."""
    values = np.random.default_rng(3).normal([0.5, 0.3, 0.2], 1, (8, 3))
    signs = np.array(list(product((-1, 1), repeat=8)))
    size = np.sqrt((values**2).sum(axis=0))
    observed, drawn = np.abs(values.sum(axis=0) / size), np.abs(signs @ values / size)
    expected, left, floor = np.empty(3), list(range(3)), 0.0
    while left:
        first = max(left, key=lambda group: observed[group])
        floor = max(floor, float((drawn[:, left].max(axis=1) >= observed[first] - 1e-12).mean()))
        expected[first] = floor
        left.remove(first)
    alone = (drawn >= observed - 1e-12).mean(axis=0)
    assert (expected - alone).max() > 0.1, "else this would not tell adjusted from plain"
    np.testing.assert_allclose(max_t(*wide(make_panel, values)), expected, atol=4 * np.sqrt(0.25 / FLIPS))


def test_groups_that_answer_alike_are_adjusted_for_one(make_panel: MakePanel) -> None:
    values = np.random.default_rng(2).normal(0.4, 1, (30, 1))
    alone = max_t(*wide(make_panel, values))
    np.testing.assert_allclose(max_t(*wide(make_panel, np.tile(values, (1, 12)))), alone[0])


def test_a_group_that_cannot_speak_is_left_out(make_panel: MakePanel) -> None:
    random = np.random.default_rng(3)
    group = np.repeat([0, 1, 2], [20, 4, 20])
    found = flipped(take_spread(random.normal(size=44), make_panel(group, np.arange(44)), None).means)
    adjusted = max_t(*found)
    assert np.isnan(adjusted).tolist() == [False, True, False]
    assert ((adjusted[[0, 2]] > 0) & (adjusted[[0, 2]] <= 1)).all()


def test_nothing_that_moves_has_p_one(make_panel: MakePanel) -> None:
    np.testing.assert_allclose(max_t(*wide(make_panel, np.zeros((20, 3)))), 1.0)


def test_the_largest_difference_is_that_of_all_pairs() -> None:
    random = np.random.default_rng(4)
    sums, parts = random.normal(size=(50, 6)), random.normal(size=(20, 6))
    variances = ((parts[:, :, None] - parts[:, None, :]) ** 2).sum(axis=0)
    expected = [max((row[i] - row[j]) ** 2 / variances[i, j] for i in range(6) for j in range(i)) for row in sums]
    np.testing.assert_allclose(largest_differences(sums, variances), expected)
