"""Where nobody gained, one test in twenty says otherwise and no more."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pluralign.records.measure import Measure
from pluralign.stats.many import benjamini_hochberg, holm
from pluralign.stats.panel import Panel
from pluralign.stats.spread import p_values, take_spread
from pluralign.stats.verdict import judge

REPLICATES = 4000


def error(replicates: int) -> float:
    """Four standard errors of a simulated rate of 5%."""
    return 4 * np.sqrt(0.95 * 0.05 / replicates)


Replicated = Callable[[Any, int], Panel]


@pytest.mark.parametrize(
    ("sizes", "together"), [((1,) * 6, 0.0), ((1,) * 100, 0.0), ((5,) * 8, 0.3), ((2,) * 100, 0.6), ((1, 2) * 30, 0.5)]
)
def test_gains_that_are_none(design: Any, replicated: Replicated, sizes: tuple[int, ...], together: float) -> None:
    plan = design(sizes, together)
    values = plan.noise(np.random.default_rng(1), REPLICATES)
    p = p_values(take_spread(values.ravel(), replicated(plan, REPLICATES), None))[:-1]
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=error(REPLICATES))


def test_the_same_check_fails_without_clusters(design: Any, replicated: Replicated) -> None:
    plan = design((2,) * 100, 0.6)
    values = plan.noise(np.random.default_rng(2), REPLICATES)
    p = p_values(take_spread(values.ravel(), replicated(np.arange(200), REPLICATES), None))[:-1]
    assert (p < 0.05).mean() > 0.05 + 2 * error(REPLICATES)


@pytest.mark.parametrize(("items", "changing"), [(20, 0.1), (20, 0.3), (100, 0.05), (200, 0.03), (200, 0.2)])
def test_answers_that_change_to_and_fro(design: Any, replicated: Replicated, items: int, changing: float) -> None:
    """Right to wrong as often as back: rare changes make the test cautious, never rash."""
    plan = design((1,) * items)
    place = np.random.default_rng(3).random((REPLICATES, items))
    values = (place < changing / 2).astype(float) - (place > 1 - changing / 2)
    p = p_values(take_spread(values.ravel(), replicated(plan, REPLICATES), (-1.0, 1.0)))[:-1]
    assert (p < 0.05).mean() <= 0.05 + error(REPLICATES)


@pytest.mark.parametrize(("items", "changing"), [(150, 0.02), (200, 0.02), (400, 0.02), (400, 0.04)])
def test_a_gain_at_the_margin_is_rarely_called_equivalent(
    design: Any, replicated: Replicated, items: int, changing: float
) -> None:
    """The true gain is the margin, so that "equivalent" is wrong. Rare changes are where a plain t-test is rash."""
    plan = design((1,) * items)
    place = np.random.default_rng(4).random((REPLICATES, items))
    values = (place < (changing + 0.02) / 2).astype(float) - (place > 1 - (changing - 0.02) / 2)
    spread = take_spread(values.ravel(), replicated(plan, REPLICATES), (-1.0, 1.0))
    verdicts = judge(spread, np.ones(REPLICATES + 1), Measure("share", margin=0.02))[:-1]
    assert verdicts.count("equivalent") / REPLICATES <= 0.075


def test_benjamini_and_hochberg_keep_false_calls_at_five_in_a_hundred(design: Any, replicated: Replicated) -> None:
    """Of twenty groups six gained; among those called a gain one in twenty at most did not, though families err."""
    plan = design((3,) * 20, 0.4)
    values = plan.noise(np.random.default_rng(8), REPLICATES)
    gained = np.arange(REPLICATES) % 20 < 6
    values[gained] += 0.5
    p = p_values(take_spread(values.ravel(), replicated(plan, REPLICATES), None))[:-1].reshape(-1, 20)
    called = np.array([benjamini_hochberg(row) < 0.05 for row in p])
    wrong = called[:, 6:].sum(axis=1)
    families = len(p)
    assert (wrong / np.maximum(called.sum(axis=1), 1)).mean() <= 0.05 + error(families)
    assert (wrong > 0).mean() > 0.05 + error(families), "it is no familywise rate"
    assert called[:, :6].mean() > np.array([holm(row) < 0.05 for row in p])[:, :6].mean() + 0.1


def test_holm_keeps_the_whole_family_at_five_per_cent(design: Any, replicated: Replicated) -> None:
    plan = design((3,) * 20, 0.4)
    values = plan.noise(np.random.default_rng(7), REPLICATES)
    p = p_values(take_spread(values.ravel(), replicated(plan, REPLICATES), None))[:-1].reshape(-1, 8)
    families = len(p)
    assert np.mean([(holm(row) < 0.05).any() for row in p]) <= 0.05 + error(families)
    assert (p < 0.05).any(axis=1).mean() > 0.2
