"""Power, smallest effects and items needed: statsmodels' numbers, their inverses, and what clusters cost."""

from collections.abc import Callable
from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.power import TTestIndPower, TTestPower

from pluralign.stats.pilot import pilots
from pluralign.stats.power import (
    Design,
    Sample,
    Test,
    items_for,
    items_for_equivalence,
    power_of,
    power_of_equivalence,
    smallest_effect,
    smallest_margin,
)
from pluralign.stats.table import Table

ONE = Sample(deviation=1.0)
ALONE, APART = Design(group=ONE), Design(group=ONE, reference=ONE)
TEST = Test()


@pytest.mark.parametrize("items", [5, 30, 400])
@pytest.mark.parametrize("effect", [0.05, 0.3])
def test_equals_statsmodels(items: int, effect: float) -> None:
    assert power_of(ALONE, effect, items, TEST) == pytest.approx(TTestPower().power(effect, items, 0.05))
    assert power_of(APART, effect, items, TEST) == pytest.approx(TTestIndPower().power(effect, items, 0.05))


def test_items_are_those_of_statsmodels_rounded_up() -> None:
    assert items_for(ALONE, 0.06, TEST) == np.ceil(TTestPower().solve_power(0.06, None, 0.05, 0.8))
    assert items_for(APART, 0.06, TEST) == np.ceil(TTestIndPower().solve_power(0.06, None, 0.05, 0.8))


def test_unequal_groups_are_welchs() -> None:
    """With one variance and unlike sizes the error is the pooled one, the degrees of freedom never more."""
    error, freedom = Design(group=ONE, reference=ONE, reference_items=50).error(400)
    assert error == pytest.approx(sqrt(1 / 400 + 1 / 50))
    assert freedom == pytest.approx((1 / 400 + 1 / 50) ** 2 / (1 / 400**2 / 399 + 1 / 50**2 / 49))


@pytest.mark.parametrize("alpha", [1e-15, 1e-17, 1e-30])
def test_levels_beyond_floats_nearest_one_are_still_reached(alpha: float) -> None:
    test = Test(alpha=alpha)
    z = -norm.ppf(alpha / 2) + norm.ppf(0.8)
    assert smallest_effect(ALONE, 100_000, test) == pytest.approx(z / sqrt(100_000), rel=1e-2)
    assert 0 < smallest_margin(ALONE, 100_000, test) < 1


designs = st.builds(
    Design,
    group=st.builds(
        Sample,
        deviation=st.floats(0.1, 5),
        size=st.floats(1, 20),
        variation=st.floats(0, 2),
        icc=st.floats(0, 1),
    ),
    reference=st.one_of(st.none(), st.just(Sample(deviation=2.0, size=3.0, icc=0.2))),
    shared=st.one_of(st.none(), st.floats(-0.5, 0.9)),
)


@given(design=designs, items=st.integers(200, 5000), groups=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_the_smallest_effect_has_the_power_and_needs_the_items(design: Design, items: int, groups: int) -> None:
    test = Test(groups=groups)
    effect = smallest_effect(design, items, test)
    assert power_of(design, effect, items, test) == pytest.approx(0.8, abs=1e-6)
    needed = items_for(design, effect, test)
    assert needed is not None
    assert items - 2 * design.group.size <= needed <= items + design.group.size + 1
    margin = smallest_margin(design, items, test)
    assert power_of_equivalence(design, margin, items, test) == pytest.approx(0.8, abs=1e-6)
    enough = items_for_equivalence(design, margin, test)
    assert enough is not None
    assert items - 2 * design.group.size <= enough <= items + design.group.size + 1


def test_nothing_can_be_seen_in_one_cluster() -> None:
    design = Design(group=Sample(deviation=1.0, size=20.0, icc=0.5))
    assert isnan(smallest_effect(design, 20, Test()))
    assert power_of(design, 1e9, 20, Test()) == 0


def test_clusters_cost_their_design_effect() -> None:
    clustered = Sample(deviation=1.0, size=5.0, icc=0.25)
    assert clustered.variance(100) == pytest.approx((1 + 4 * 0.25) / 100)
    assert clustered.freedom(100) == 19
    uneven = Sample(deviation=1.0, size=5.0, variation=1.0, icc=0.25)
    assert uneven.variance(100) == pytest.approx((1 + 9 * 0.25) / 100)
    assert uneven.freedom(100) == 9


def test_holms_worst_case_is_a_smaller_alpha() -> None:
    assert power_of(ALONE, 0.2, 200, Test(groups=10)) == pytest.approx(power_of(ALONE, 0.2, 200, Test(alpha=0.005)))


def test_shared_items_cancel() -> None:
    assert Design(group=ONE, reference=ONE, shared=0.75).error(100)[0] == pytest.approx(sqrt(2 * 0.25 / 100))
    assert Design(group=ONE, reference=ONE, shared=0.0).error(100)[0] == pytest.approx(APART.error(100)[0])


def test_too_few_clusters_see_nothing() -> None:
    assert power_of(ALONE, 1e6, 4, TEST) == 0
    assert isnan(smallest_effect(ALONE, 4, TEST))
    assert power_of_equivalence(ALONE, 1e6, 4, TEST) == 0


def test_a_small_reference_group_sets_a_limit() -> None:
    small = Design(group=ONE, reference=ONE, reference_items=50)
    assert items_for(small, 0.1, TEST) is None
    assert items_for(small, 2.0, TEST) is not None


def correlated(random: np.random.Generator, size: int, clusters: int, icc: float) -> np.ndarray:
    shared = np.repeat(random.normal(size=clusters), size)
    return sqrt(icc) * shared + sqrt(1 - icc) * random.normal(size=size * clusters)


def test_a_pilot_finds_what_was_planted(make_table: Callable[..., Table]) -> None:
    """Two stages whose gains have deviation 2 and correlation .4 in clusters of four; answers correlate at 1/√5."""
    random = np.random.default_rng(3)
    first = 2 * correlated(random, 4, 3000, 0.4) / 2
    gain = 2 * correlated(random, 4, 3000, 0.4)
    table = make_table({"base": {"us": first}, "tuned": {"us": first + gain}}, per_cluster=4)
    (pilot,) = pilots(table, "reading", "score", {}, ("base", "tuned"))
    assert (pilot.items, pilot.clusters, pilot.gain.size, pilot.gain.variation) == (12000, 3000, 4.0, 0.0)
    assert pilot.gain.deviation == pytest.approx(2, rel=0.03)
    assert pilot.gain.icc == pytest.approx(0.4, abs=0.03)
    assert pilot.pairing == pytest.approx(1 / sqrt(5), abs=0.03)
    assert pilot.shared_gain is None


def test_a_pilot_knows_what_groups_share(make_table: Callable[..., Table]) -> None:
    random = np.random.default_rng(4)
    common, own = random.normal(size=4000), random.normal(size=(2, 4000))
    stages = {
        "base": {"us": np.zeros(4000), "in": np.zeros(4000)},
        "tuned": {"us": common + own[0], "in": common + own[1]},
    }
    reference, way = {"language": "us"}, ("base", "tuned")
    shared = {
        pilot.group: pilot for pilot in pilots(make_table(stages, parallel=True), "reading", "score", reference, way)
    }
    assert shared["in"].shared_gain == pytest.approx(0.5, abs=0.04)
    assert shared["us"].shared_gain is None
    assert all(pilot.shared_gain is None for pilot in pilots(make_table(stages), "reading", "score", reference, way))


@pytest.mark.parametrize("items", [6, 25, 400, 10**6])
def test_power_grows_with_the_effect_to_one(items: int) -> None:
    powers = [power_of(ALONE, effect / sqrt(items), items, TEST) for effect in np.geomspace(0.01, 1e4, 200)]
    assert powers == sorted(powers)
    assert powers[0] == pytest.approx(0.05, abs=1e-3)
    assert powers[-1] == pytest.approx(1)


def test_a_pilot_pairs_the_stages_that_it_is_told(make_table: Callable[..., Table]) -> None:
    """Whatever else was read, and in whatever order."""
    random = np.random.default_rng(5)
    first, gain = random.normal(size=4000), 3 * random.normal(size=4000)
    stages = {
        "base": {"us": first},
        "other": {"us": random.normal(size=4000)},
        "tuned": {"us": first + gain},
        "last": {"us": random.normal(size=4000)},
    }
    (pilot,) = pilots(make_table(stages), "reading", "score", {}, ("base", "tuned"))
    assert pilot.gain.deviation == pytest.approx(gain.std(ddof=1))
    assert list(pilots(make_table(stages), "reading", "score", {}, ("base", "absent"))) == []
