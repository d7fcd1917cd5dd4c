"""The power that a plan promises is the one that the analysis has, in simulated audits of that design."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pluralign.stats.contrast import against
from pluralign.stats.panel import Panel
from pluralign.stats.power import Design, Sample, Test, power_of, power_of_equivalence, smallest_effect, smallest_margin
from pluralign.stats.spread import interval, p_values, take_spread

REPLICATES = 2000
NEAR = 0.06
"""Clusters of ten beside single items: degrees of freedom by Kish promise a little too little."""
PLANS = [((1,) * 60, 0.0), ((5,) * 12, 0.3), ((2,) * 200, 0.6), ((1,) * 50 + (10,) * 10, 0.3)]


def sample_of(sizes: tuple[int, ...], icc: float) -> Sample:
    counts = np.array(sizes)
    return Sample(deviation=1.0, size=float(counts.mean()), variation=float(counts.std() / counts.mean()), icc=icc)


@pytest.mark.parametrize(("sizes", "icc"), PLANS)
@pytest.mark.parametrize("groups", [1, 5])
def test_gains_are_seen_as_often_as_promised(
    design: Any, replicated: Callable[[Any, int], Panel], sizes: tuple[int, ...], icc: float, groups: int
) -> None:
    plan, panel, random = design(sizes, icc), replicated(design(sizes, icc), REPLICATES), np.random.default_rng(1)
    of, test = Design(group=sample_of(sizes, icc)), Test(groups=groups)
    effect = smallest_effect(of, sum(sizes), test)
    spread = take_spread((plan.noise(random, REPLICATES) + effect).ravel(), panel, None)
    assert (p_values(spread)[:-1] < 0.05 / groups).mean() == pytest.approx(0.8, abs=NEAR)
    half = power_of(of, effect / 2, sum(sizes), test)
    spread = take_spread((plan.noise(random, REPLICATES) + effect / 2).ravel(), panel, None)
    assert (p_values(spread)[:-1] < 0.05 / groups).mean() == pytest.approx(half, abs=NEAR)


@pytest.mark.parametrize(("sizes", "icc"), PLANS)
def test_equality_is_shown_as_often_as_promised(
    design: Any, replicated: Callable[[Any, int], Panel], sizes: tuple[int, ...], icc: float
) -> None:
    plan, panel, random = design(sizes, icc), replicated(design(sizes, icc), REPLICATES), np.random.default_rng(2)
    of = Design(group=sample_of(sizes, icc))
    margin = smallest_margin(of, sum(sizes), Test())
    low, high = interval(take_spread(plan.noise(random, REPLICATES).ravel(), panel, None), 0.1)
    for share in (1.0, 0.8):
        shown = ((low > -share * margin) & (high < share * margin))[:-1].mean()
        promised = power_of_equivalence(of, share * margin, sum(sizes), Test())
        assert shown == pytest.approx(promised, abs=NEAR)


@pytest.mark.parametrize("shared", [None, 0.5])
@pytest.mark.parametrize("counts", [(40, 40), (200, 40)])
def test_gaps_are_seen_as_often_as_promised(
    grouped: Callable[[np.ndarray, np.ndarray], Panel], shared: float | None, counts: tuple[int, int]
) -> None:
    """Clusters of two; the first is the reference group, beside which many replicates of the second are drawn."""
    if shared is not None:
        counts = (counts[0], counts[0])
    random, replicates = np.random.default_rng(5), 500
    one = Sample(deviation=1.0, size=2.0, icc=0.5)
    of = Design(group=one, reference=one, shared=shared, reference_items=None if shared else 2.0 * counts[0])
    effect = smallest_effect(of, 2 * counts[1], Test())
    seen = 0
    for _ in range(replicates):
        common = random.normal(size=(2, counts[0]))
        values: list[np.ndarray] = []
        clusters: list[np.ndarray] = []
        for group, number in enumerate(counts):
            alike = shared or 0.0
            middle = np.sqrt(0.5) * (np.sqrt(1 - alike) * random.normal(size=number))
            inner = np.sqrt(0.5) * np.sqrt(1 - alike) * random.normal(size=(2, number))
            if shared is not None:
                middle = middle + np.sqrt(0.5 * alike) * common[0]
                inner = inner + np.sqrt(0.5 * alike) * common[1]
            values.append((middle + inner + group * effect).ravel())
            clusters.append(np.tile(np.arange(number), 2) + (0 if shared is not None else 1000 * group))
        group = np.repeat([0, 1], [2 * counts[0], 2 * counts[1]])
        cluster = np.unique(np.concatenate(clusters), return_inverse=True)[1]
        spread = take_spread(np.concatenate(values), grouped(group, cluster), None)
        seen += against(spread, 0).p[1] < 0.05
    assert seen / replicates == pytest.approx(0.8, abs=0.06)
