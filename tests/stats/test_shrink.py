"""Shrinkage of an intersection's cells: limits, what it is drawn to, and coverage in simulation."""

from itertools import product
from math import isnan

import numpy as np
import pytest

from pluralign.stats.shrink import paule_mandel, shrink

GRID = list(product("abcd", "xyz"))


def test_cells_that_are_known_exactly_stay() -> None:
    value = np.random.default_rng(0).normal(size=12)
    found = shrink(value, np.full(12, 1e-6), GRID)
    assert found.towards == "additive"
    np.testing.assert_allclose(found.value, value, atol=1e-6)


def test_cells_without_interaction_are_drawn_to_the_additive_prediction() -> None:
    """An additive table stays. Noise too small for any interaction keeps 2 / 6, with six cells beyond parameters."""
    truth = np.array([ord(one) - ord("a") + 3.0 * (ord(other) - ord("x")) for one, other in GRID])
    error = np.full(12, 0.5)
    np.testing.assert_allclose(shrink(truth, error, GRID).value, truth, atol=1e-9)
    twist = 0.1 * np.outer([1, -1, 1, -1], [1, -1, 0]).ravel()
    found = shrink(truth + twist, error, GRID)
    np.testing.assert_allclose(found.value, truth + twist / 3, atol=1e-9)
    assert (found.high - found.low < 2 * 1.96 * 0.5).all()


def test_a_noisier_cell_is_drawn_further() -> None:
    value = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 3.0, 3.0])
    error = np.array([0.5] * 7 + [1.5])
    found = shrink(value, error, [(name, name) for name in "abcdefgh"])
    assert found.towards == "mean", "every group stands in one cell, so that no additive prediction is left"
    assert abs(found.value[7] - 3) > abs(found.value[6] - 3) > 0


@pytest.mark.parametrize(("cells", "towards"), [(list(product("ab", "xy")), "mean"), (list(product("a", "xyz")), "")])
def test_few_cells_are_drawn_to_their_mean_or_left(cells: list[tuple[str, str]], towards: str) -> None:
    found = shrink(np.linspace(0, 1, len(cells)), np.full(len(cells), 0.2), cells)
    assert found.towards == towards
    assert np.isnan(found.value).all() == (towards == "")


def test_a_cell_of_unknown_uncertainty_is_left_out() -> None:
    error = np.full(12, 0.2)
    error[3] = np.nan
    found = shrink(np.random.default_rng(2).normal(size=12), error, GRID)
    assert isnan(found.value[3])
    assert not np.isnan(np.delete(found.value, 3)).any()


def test_paule_and_mandels_variance_solves_its_equation() -> None:
    """Eleven Hubble-like values around one mean: the weighted squares are as many as values less one."""
    random = np.random.default_rng(3)
    variance = random.uniform(0.1, 1, 11)
    value = random.normal(size=11) * np.sqrt(variance + 2)
    found = paule_mandel(value, variance, np.ones((11, 1)))
    weight = 1 / (variance + found)
    mean = (weight * value).sum() / weight.sum()
    assert (weight * (value - mean) ** 2).sum() == pytest.approx(10)
    assert paule_mandel(np.zeros(11), variance, np.ones((11, 1))) == 0


@pytest.mark.parametrize("interaction", [0.0, 0.5, 1.0, 3.0])
def test_intervals_cover_and_shrunk_values_err_less(interaction: float) -> None:
    """Cells of unlike noise around an additive truth with so much interaction: 95% are covered over the table."""
    random = np.random.default_rng(4)
    error = np.tile([0.5, 1.0, 1.5], 4)
    covered, raw, drawn = 0.0, 0.0, 0.0
    for _ in range(200):
        mains = random.normal(size=4)[:, None] + random.normal(size=3)
        truth = mains.ravel() + interaction * random.normal(size=12)
        value = truth + error * random.normal(size=12)
        found = shrink(value, error, GRID)
        covered += ((found.low <= truth) & (truth <= found.high)).mean() / 200
        raw += ((value - truth) ** 2).sum()
        drawn += ((found.value - truth) ** 2).sum()
    assert covered > 0.93
    assert drawn < raw
