"""A gain of the reported minimum detectable size is seen by four audits in five."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pluralign.stats.contrast import against, against_others
from pluralign.stats.panel import Panel
from pluralign.stats.spread import p_values, take_spread
from pluralign.stats.verdict import minimum_detectable

REPLICATES = 4000


@pytest.mark.parametrize(
    ("sizes", "together"), [((1,) * 60, 0.0), ((1,) * 400, 0.0), ((5,) * 12, 0.3), ((2,) * 200, 0.6)]
)
def test_four_in_five_audits_see_the_minimum_detectable_gain(
    design: Any, replicated: Callable[[Any, int], Panel], sizes: tuple[int, ...], together: float
) -> None:
    plan, panel = design(sizes, together), replicated(design(sizes, together), REPLICATES)
    random = np.random.default_rng(1)
    reported = minimum_detectable(take_spread(plan.noise(random, REPLICATES).ravel(), panel, None))[:-1]
    planted = plan.noise(random, REPLICATES) + np.sqrt((reported**2).mean())
    seen = (p_values(take_spread(planted.ravel(), panel, None))[:-1] < 0.05).mean()
    assert seen == pytest.approx(0.8, abs=0.03)


def test_shares_too(design: Any, replicated: Callable[[Any, int], Panel]) -> None:
    """A fifth of 400 answers change; the minimum detectable gain is planted among them."""
    panel, random = replicated(design((1,) * 400), REPLICATES), np.random.default_rng(2)

    def gains(gain: float) -> np.ndarray:
        place = random.random((REPLICATES, 400))
        return ((place < 0.1 + gain / 2).astype(float) - (place > 0.9 + gain / 2)).ravel()

    reported = minimum_detectable(take_spread(gains(0.0), panel, (-1.0, 1.0)))[:-1].mean()
    seen = (p_values(take_spread(gains(float(reported)), panel, (-1.0, 1.0)))[:-1] < 0.05).mean()
    assert seen == pytest.approx(0.8, abs=0.03)


def test_the_others_together_are_a_quieter_comparison_than_one_of_them(
    grouped: Callable[[np.ndarray, np.ndarray], Panel],
) -> None:
    """Of six groups with the same items one gains; power of its t-tests by the noncentral t distribution."""
    random, gain, clusters = np.random.default_rng(3), 0.55, 40
    cluster, group = (index.ravel() for index in np.indices((clusters, 6)))
    panel = grouped(group, cluster)
    seen = {"others": 0, "one": 0}
    for _ in range(600):
        values = random.normal(size=(clusters, 1)) + random.normal(size=(clusters, 6))
        values[:, 0] += gain
        spread = take_spread(values.ravel(), panel, None)
        seen["others"] += against_others(spread).p[0] < 0.05
        seen["one"] += against(spread, 1).p[0] < 0.05
    for name, variance in (("others", 1 + 1 / 5), ("one", 2.0)):
        critical, shift = stats.t.ppf(0.975, clusters - 1), gain * np.sqrt(clusters / variance)
        power = stats.nct.sf(critical, clusters - 1, shift) + stats.nct.cdf(-critical, clusters - 1, shift)
        assert seen[name] / 600 == pytest.approx(power, abs=4 * np.sqrt(power * (1 - power) / 600))
