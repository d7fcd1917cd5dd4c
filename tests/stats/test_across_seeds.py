"""Training seeds as a level of their own: formulas by hand, what is not said, and which rows there are."""

from math import isnan, sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pluralign.records.measure import Measure
from pluralign.stats.audit import compare
from pluralign.stats.seeds import across_seeds
from pluralign.stats.table import Table, TableBuilder

UNBOUNDED = Measure("score", unit="nats")


def a_table(later: dict[int, np.ndarray], earlier: dict[int, np.ndarray]) -> Table:
    """Values `[group, item]` by seed of the stages "base" and "dpo", every item a cluster that groups share."""
    builder = TableBuilder()
    for stage, seeds in (("base", earlier), ("dpo", later)):
        for seed, values in seeds.items():
            for (group, item), value in np.ndenumerate(values):
                builder.append(
                    audit="reading",
                    measure="score",
                    stage=stage,
                    seed=seed,
                    item=f"{item}",
                    slice="language",
                    group=f"g{group}",
                    cluster=f"{item}",
                    value=float(value),
                )
    return builder.build()


@pytest.fixture
def gains() -> np.ndarray:
    """Gains `[seed, group, item]` of four seeds, two groups, 40 items, which seeds share in part."""
    random = np.random.default_rng(0)
    return random.normal(size=(2, 40)) + random.normal(size=(4, 2, 40)) + random.normal(size=(4, 1, 1)) + 0.5


def test_equals_the_two_levels_by_hand(make_audit: Any, gains: np.ndarray) -> None:
    table = a_table(dict(enumerate(gains)), {0: np.zeros((2, 40))})
    first, second, everyone = across_seeds(table, make_audit(UNBOUNDED), [("base", "dpo")])
    own = gains[:, 0]
    mean = own.mean(axis=0)
    item_variance = mean.var(ddof=1) / 40
    apart = own - mean
    residual = (apart - apart.mean(axis=1, keepdims=True)) ** 2
    noise = residual.sum() / (4 - 1) / (40 * 39)
    seed_variance = max(own.mean(axis=1).var(ddof=1) - noise, 0.0)
    assert first.gain == pytest.approx(own.mean())
    assert first.item_error == pytest.approx(sqrt(item_variance))
    assert first.seed_sd == pytest.approx(sqrt(seed_variance))
    assert first.models_high == pytest.approx(mean.mean() + stats.t(39).ppf(0.975) * sqrt(item_variance))
    error = sqrt(item_variance + seed_variance / 4)
    assert first.method_low == pytest.approx(mean.mean() - stats.t(3).ppf(0.975) * error)
    assert first.method_p == pytest.approx(2 * stats.t(3).sf(abs(own.mean()) / error))
    assert (first.group, second.group, everyone.group, everyone.seeds) == ("g0", "g1", "all", 4)
    ordered = sorted((first, second), key=lambda row: row.method_p)
    assert ordered[0].method_p_adjusted == pytest.approx(min(1, 2 * ordered[0].method_p)), "Holm"


def test_the_mean_is_that_of_the_changes(make_audit: Any, gains: np.ndarray) -> None:
    """Seeds that differ at both stages are paired with their equals."""
    base = np.random.default_rng(1).normal(size=gains.shape)
    apart = a_table(dict(enumerate(gains + base)), dict(enumerate(base)))
    together = a_table(dict(enumerate(gains)), {0: np.zeros((2, 40))})
    ways = [("base", "dpo")]
    for one, other in zip(
        across_seeds(apart, make_audit(UNBOUNDED), ways),
        across_seeds(together, make_audit(UNBOUNDED), ways),
        strict=True,
    ):
        assert one.gain == pytest.approx(other.gain)
        assert one.method_low == pytest.approx(other.method_low)


def test_two_seeds_say_nothing_of_the_method(make_audit: Any, gains: np.ndarray) -> None:
    table = a_table(dict(enumerate(gains[:2])), {0: np.zeros((2, 40))})
    for row in across_seeds(table, make_audit(UNBOUNDED), [("base", "dpo")]):
        assert row.models_low < row.gain < row.models_high
        assert all(map(isnan, (row.seed_sd, row.method_low, row.method_high, row.method_p, row.method_p_adjusted)))
        assert row.method_verdict is None


def test_one_seed_gives_no_row(make_audit: Any, gains: np.ndarray) -> None:
    table = a_table({0: gains[0]}, {0: np.zeros((2, 40))})
    assert across_seeds(table, make_audit(UNBOUNDED), [("base", "dpo")]) == []


def test_too_few_clusters_give_no_bounds(make_audit: Any, gains: np.ndarray) -> None:
    table = a_table(dict(enumerate(gains[:, :, :4])), {0: np.zeros((2, 4))})
    for row in across_seeds(table, make_audit(UNBOUNDED), [("base", "dpo")]):
        assert not isnan(row.gain)
        assert all(map(isnan, (row.item_error, row.models_low, row.seed_sd, row.method_low, row.method_p_adjusted)))


def test_seeds_that_are_one_model_have_no_spread(make_audit: Any, gains: np.ndarray) -> None:
    table = a_table(dict.fromkeys(range(3), gains[0]), {0: np.zeros((2, 40))})
    for row in across_seeds(table, make_audit(UNBOUNDED), [("base", "dpo")]):
        assert row.seed_sd == pytest.approx(0, abs=1e-12)
        assert row.method_high - row.method_low > row.models_high - row.models_low, "two degrees of freedom"


def test_bounds_stay_within_what_is_possible(make_audit: Any) -> None:
    random = np.random.default_rng(5)
    later = {seed: (random.random((2, 12)) < share).astype(float) for seed, share in enumerate((0.2, 0.6, 1.0))}
    table = a_table(later, {0: np.zeros((2, 12))})
    for row in across_seeds(table, make_audit(), [("base", "dpo")]):
        assert row.method_high == 1
        assert -1 <= row.method_low < row.models_low < row.models_high <= 1


@pytest.mark.parametrize(
    ("shift", "margin", "verdict"),
    [(5.0, None, "gain"), (-5.0, None, "loss"), (0.0, None, "inconclusive"), (0.0, 40.0, "equivalent")],
)
def test_the_verdict_on_the_method(
    make_audit: Any, gains: np.ndarray, shift: float, margin: float | None, verdict: str
) -> None:
    table = a_table(dict(enumerate(gains - gains.mean() + shift)), {0: np.zeros((2, 40))})
    rows = across_seeds(table, make_audit(Measure("score", unit="nats", margin=margin)), [("base", "dpo")])
    assert {row.method_verdict for row in rows} == {verdict}
    for row in rows:
        half = (row.method_high - row.gain) * stats.t(3).ppf(0.95) / stats.t(3).ppf(0.975)
        inside = margin is not None and abs(row.gain) + half < margin
        assert inside == (verdict == "equivalent")
        assert (row.method_p_adjusted < 0.05) == (verdict in ("gain", "loss"))


def test_sure_of_every_model_is_not_sure_of_the_method(make_audit: Any) -> None:
    """Three models that each gained for sure, by amounts so unlike that a fourth may lose."""
    noise = np.random.default_rng(2).normal(size=(3, 2, 200))
    table = a_table(dict(enumerate(noise + np.array([0.5, 1.0, 4.0])[:, None, None])), {0: np.zeros((2, 200))})
    audit = make_audit(UNBOUNDED)
    assert {row.verdict for row in compare(table, audit, [("base", "dpo")])} == {"gain"}
    assert {row.method_verdict for row in across_seeds(table, audit, [("base", "dpo")])} == {"inconclusive"}


def test_the_gap_to_the_reference_group_has_its_levels_too(make_audit: Any, gains: np.ndarray) -> None:
    """What items do to both groups cancels: the levels of the differences item by item."""
    table = a_table(dict(enumerate(gains)), {0: np.zeros((2, 40))})
    audit = make_audit(UNBOUNDED, reference={"language": "g1"})
    first, second, everyone = across_seeds(table, audit, [("base", "dpo")])
    own = gains[:, 0] - gains[:, 1]
    mean, apart = own.mean(axis=0), own - own.mean(axis=0)
    noise = ((apart - apart.mean(axis=1, keepdims=True)) ** 2).sum() / (4 - 1) / (40 * 39)
    error = sqrt(mean.var(ddof=1) / 40 + max(own.mean(axis=1).var(ddof=1) - noise, 0.0) / 4)
    assert (first.relative_to, second.relative_to, everyone.relative_to) == ("g1", "g1", "")
    assert first.relative_gain == pytest.approx(own.mean())
    assert first.relative_high == pytest.approx(own.mean() + stats.t(3).ppf(0.975) * error)
    assert first.relative_p == pytest.approx(2 * stats.t(3).sf(abs(own.mean()) / error))
    assert first.relative_p_adjusted == first.relative_p, "one gap, nothing to allow for"
    for row in (second, everyone):
        assert all(map(isnan, (row.relative_gain, row.relative_low, row.relative_p, row.relative_p_adjusted)))


def test_groups_that_change_alike_have_no_gap_to_test(make_audit: Any, gains: np.ndarray) -> None:
    alike = gains[:, [0, 0]]
    table = a_table(dict(enumerate(alike)), {0: np.zeros((2, 40))})
    row, *_ = across_seeds(table, make_audit(UNBOUNDED, reference={"language": "g1"}), [("base", "dpo")])
    assert row.relative_gain == pytest.approx(0, abs=1e-12)
    assert all(map(isnan, (row.relative_low, row.relative_high, row.relative_p)))


def test_without_a_reference_group_there_is_no_gap(make_audit: Any, gains: np.ndarray) -> None:
    table = a_table(dict(enumerate(gains)), {0: np.zeros((2, 40))})
    for row in across_seeds(table, make_audit(UNBOUNDED), [("base", "dpo")]):
        assert row.relative_to == ""
        assert isnan(row.relative_gain)
