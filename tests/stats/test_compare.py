"""Paired gains: signs, pairing, families, seeds, and verdicts that claim no more than the numbers."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from math import isnan, nan
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from pluralign.records.estimate import ALL, Change
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.stats.audit import compare, disparities, omnibus
from pluralign.stats.many import holm
from pluralign.stats.table import Table, TableBuilder, Words

MakeTable = Callable[..., Table]
MakeAudit = Callable[..., Audit]
WAY = [("base", "dpo")]
RANDOM = np.random.default_rng(0)
BEFORE = RANDOM.random((4, 60))
AFTER = np.clip(BEFORE + RANDOM.normal([[0.2], [0.0], [-0.15], [0.05]], 0.2, (4, 60)), 0, 1)
GROUPS = ("de", "en", "fi", "sw")


def ladder(rows: slice = slice(None)) -> dict[str, dict[str, np.ndarray]]:
    return {
        stage: {group: values[index][rows] for index, group in enumerate(GROUPS)}
        for stage, values in (("base", BEFORE), ("dpo", AFTER))
    }


def by_group(rows: Sequence[Change]) -> dict[str, Change]:
    return {row.group: row for row in rows}


def test_a_gain_is_the_paired_t_test(make_table: MakeTable, make_audit: MakeAudit) -> None:
    found = by_group(compare(make_table(ladder()), make_audit(), WAY))
    for index, group in enumerate(GROUPS):
        test = stats.ttest_rel(AFTER[index], BEFORE[index])
        row = found[group]
        np.testing.assert_allclose(
            [row.gain, row.low, row.high, row.p],
            [(AFTER[index] - BEFORE[index]).mean(), *test.confidence_interval(), test.pvalue],
            atol=1e-10,
        )
    assert (found["de"].verdict, found["fi"].verdict) == ("gain", "loss")


def test_a_relative_gain_is_the_difference_of_differences(make_table: MakeTable, make_audit: MakeAudit) -> None:
    found = by_group(compare(make_table(ladder()), make_audit(reference={"language": "en"}), WAY))
    for index, group in enumerate(GROUPS):
        row = found[group]
        if group == "en":
            assert isnan(row.relative_gain)
            assert isnan(row.relative_p_adjusted)
        else:
            test = stats.ttest_ind(AFTER[index] - BEFORE[index], AFTER[1] - BEFORE[1], equal_var=False)
            assert row.relative_gain == pytest.approx(row.gain - found["en"].gain)
            np.testing.assert_allclose(
                [row.relative_low, row.relative_high, row.relative_p],
                [*test.confidence_interval(), test.pvalue],
                atol=1e-10,
            )
    assert found[ALL].relative_to == ""


def test_holm_runs_over_the_groups_and_leaves_everyone_out(make_table: MakeTable, make_audit: MakeAudit) -> None:
    found = by_group(compare(make_table(ladder()), make_audit(reference={"language": "en"}), WAY))
    own = [found[group] for group in GROUPS]
    np.testing.assert_allclose([row.p_adjusted for row in own], holm(np.array([row.p for row in own])))
    assert found[ALL].p_adjusted == found[ALL].p
    others = [row for row in own if row.group != "en"]
    np.testing.assert_allclose(
        [row.relative_p_adjusted for row in others], holm(np.array([row.relative_p for row in others]))
    )


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_going_back_negates_every_gain(make_table: MakeTable, make_audit: MakeAudit, seed: int) -> None:
    values = np.random.default_rng(seed).random((2, 2, 12)).round(1)
    stages = {name: {"de": values[i][0], "en": values[i][1]} for i, name in enumerate(("base", "dpo"))}
    audit = make_audit(reference={"language": "en"})
    there, back = (compare(make_table(stages), audit, [way]) for way in (("base", "dpo"), ("dpo", "base")))
    opposite = {"gain": "loss", "loss": "gain"}
    for one, other in zip(there, back, strict=True):
        np.testing.assert_allclose(
            [one.gain, one.low, one.high, one.p, one.relative_gain, one.relative_low],
            [-other.gain, -other.high, -other.low, other.p, -other.relative_gain, -other.relative_high],
            atol=1e-12,
        )
        assert one.verdict == opposite.get(other.verdict, other.verdict)


def test_lower_is_better_turns_gains_round(make_table: MakeTable, make_audit: MakeAudit) -> None:
    table = make_table(ladder())
    higher, lower = (
        by_group(compare(table, make_audit(Measure("errors", better=better)), WAY)) for better in ("higher", "lower")
    )
    for group in GROUPS:
        assert lower[group].gain == pytest.approx(-higher[group].gain)
        assert lower[group].p == pytest.approx(higher[group].p)
    assert (lower["de"].verdict, lower["fi"].verdict) == ("loss", "gain")


def test_a_measure_that_describes_has_neither_gain_nor_loss(make_table: MakeTable, make_audit: MakeAudit) -> None:
    found = compare(make_table(ladder()), make_audit(Measure("length", better="neither")), WAY)
    assert {row.verdict for row in found} <= {"equivalent", "inconclusive"}
    assert by_group(found)["de"].gain > 0
    assert by_group(found)["de"].p_adjusted < 0.05


def test_only_items_that_both_stages_answered_count(make_table: MakeTable, make_audit: MakeAudit) -> None:
    before, after = BEFORE[0].copy(), AFTER[0].copy()
    before[:10], after[5:20] = nan, nan
    row = by_group(compare(make_table({"base": {"de": before}, "dpo": {"de": after}}), make_audit(), WAY))["de"]
    assert row.n == 40
    assert row.gain == pytest.approx((AFTER[0] - BEFORE[0])[20:].mean())


def test_most_items_unpaired_is_inconclusive(make_table: MakeTable, make_audit: MakeAudit) -> None:
    before, after = BEFORE[0].copy(), AFTER[0].copy()
    before[:20], after[20:31] = nan, nan
    row = by_group(compare(make_table({"base": {"de": before}, "dpo": {"de": after}}), make_audit(), WAY))["de"]
    assert row.n == 29
    assert not isnan(row.gain)
    assert all(isnan(x) for x in (row.low, row.high, row.p, row.p_adjusted, row.minimum_detectable))
    assert row.verdict == "inconclusive"


@pytest.mark.parametrize("clusters", [1, 2, 4])
def test_too_few_clusters_are_inconclusive(make_table: MakeTable, make_audit: MakeAudit, clusters: int) -> None:
    before, after = np.zeros(20), np.ones(20)
    table = make_table({"base": {"de": before}, "dpo": {"de": after}}, per_cluster=20 // clusters)
    row = by_group(compare(table, make_audit(), WAY))["de"]
    assert row.clusters == clusters
    assert row.gain == 1.0
    assert all(isnan(x) for x in (row.low, row.high, row.p, row.minimum_detectable))
    assert row.verdict == "inconclusive"


def test_no_change_at_all_is_equivalent_only_with_enough_items(make_table: MakeTable, make_audit: MakeAudit) -> None:
    """With K items unchanged the 90% bound is 1 - .05^(1/K): below .02 from K = 149 on."""
    for count, verdict in ((148, "inconclusive"), (149, "equivalent")):
        same = np.arange(count) % 2
        row = by_group(compare(make_table({"base": {"de": same}, "dpo": {"de": same}}), make_audit(), WAY))["de"]
        assert row.verdict == verdict
        assert row.low < 0 < row.high
        assert row.minimum_detectable > 0


def test_equivalence_needs_a_margin(make_table: MakeTable, make_audit: MakeAudit) -> None:
    same = np.arange(2000) % 2
    table = make_table({"base": {"de": same}, "dpo": {"de": same}})
    row = by_group(compare(table, make_audit(Measure("f1", margin=None)), WAY))["de"]
    assert row.verdict == "inconclusive"


def test_a_sure_change_within_the_margin_is_equivalent(make_table: MakeTable, make_audit: MakeAudit) -> None:
    before = np.full(400, 0.5)
    after = before + np.random.default_rng(1).normal(0.01, 0.02, 400)
    row = by_group(compare(make_table({"base": {"de": before}, "dpo": {"de": after}}), make_audit(), WAY))["de"]
    assert row.p < 0.001
    assert row.verdict == "equivalent"


def test_the_minimum_detectable_gain_has_eighty_per_cent_power(make_table: MakeTable, make_audit: MakeAudit) -> None:
    """Power of a t-test by the noncentral t distribution, at the reported gain."""
    for row in compare(make_table(ladder()), make_audit(), WAY):
        freedom = row.clusters - 1
        critical = stats.t.ppf(0.975, freedom)
        shift = row.minimum_detectable / ((row.high - row.low) / 2 / critical)
        power = stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift)
        assert power == pytest.approx(0.8, abs=0.01)


def with_seeds(table: Table, seeds: dict[str, list[int]]) -> Table:
    """Each stage's readings once for every seed."""
    parts = []
    for stage, each in seeds.items():
        rows = np.flatnonzero(table.stage.equals(stage))
        parts += [(rows, np.full(len(rows), seed, np.int64)) for seed in each]
    taken = table.take(np.concatenate([rows for rows, _ in parts]))
    return Table(**(vars(taken) | {"seed": np.concatenate([seed for _, seed in parts])}))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [([0], [0, 1, 2], [0, 1, 2]), ([5], [0, 1], [0, 1]), ([0, 1], [1, 2], [1]), ([0, 1], [5], [])],
)
def test_seeds_meet_their_equals_or_the_only_one(
    make_table: MakeTable, make_audit: MakeAudit, before: list[int], after: list[int], expected: list[int]
) -> None:
    table = with_seeds(make_table(ladder()), {"base": before, "dpo": after})
    rows = compare(table, make_audit(), WAY)
    assert [row.seed for row in rows if row.group == "de"] == expected


def test_a_stage_stands_for_its_last_step(make_table: MakeTable, make_audit: MakeAudit) -> None:
    table = make_table(ladder() | {"early": {"de": BEFORE[3]}})
    early = table.stage.equals("early")
    stage = Words(
        np.where(early, table.stage.codes[table.stage.equals("dpo")][0], table.stage.codes), table.stage.words
    )
    steps = np.where(early, 10, table.step).astype(np.int32)
    stepped = Table(**(vars(table) | {"stage": stage, "step": steps}))
    assert [astuple(row)[:9] for row in compare(stepped, make_audit(), WAY)] == [
        astuple(row)[:9] for row in compare(make_table(ladder()), make_audit(), WAY)
    ]


def test_a_stage_that_did_not_answer_has_no_change(make_table: MakeTable, make_audit: MakeAudit) -> None:
    table = make_table(ladder())
    assert compare(table, make_audit(), [("base", "reward"), ("reward", "dpo")]) == []
    assert disparities(table, make_audit(), [("base", "reward")]) == {}


def test_the_omnibus_sees_unequal_gains_and_only_those(make_table: MakeTable, make_audit: MakeAudit) -> None:
    unequal = omnibus(disparities(make_table(ladder()), make_audit(), WAY)["score", "base", "dpo"])
    assert unequal < 1e-6
    equal = {"base": dict.fromkeys(GROUPS, BEFORE[1]), "dpo": dict.fromkeys(GROUPS, AFTER[1])}
    found = disparities(make_table(equal), make_audit(), WAY)["score", "base", "dpo"]
    assert omnibus(found) == pytest.approx(1.0)


def test_parallel_items_share_their_noise(make_table: MakeTable, make_audit: MakeAudit) -> None:
    """The same items in all languages: what an item does to all of them cancels from the relative gain."""
    random = np.random.default_rng(2)
    shared, own = random.normal(0, 0.2, 80), random.normal(0, 0.02, (2, 80))
    stages = {
        "base": {"de": np.full(80, 0.5), "en": np.full(80, 0.5)},
        "dpo": {"de": np.clip(0.5 + shared + own[0], 0, 1), "en": np.clip(0.5 + shared + own[1], 0, 1)},
    }
    audit = make_audit(reference={"language": "en"})
    together, apart = (by_group(compare(make_table(stages, parallel=p), audit, WAY))["de"] for p in (True, False))
    assert together.relative_gain == pytest.approx(apart.relative_gain)
    assert together.relative_high - together.relative_low < (apart.relative_high - apart.relative_low) / 3
    assert together.high - together.low == pytest.approx(apart.high - apart.low)


def test_nine_stages_and_fourteen_transitions_take_under_three_seconds() -> None:
    random = np.random.default_rng(3)
    shape = (4, 9, 5000)
    measure, stage, item = (index.ravel().astype(np.int32) for index in np.indices(shape))
    zeros = np.zeros(len(item), np.int32)
    table = Table(
        audit=Words(zeros, ("reading",)),
        measure=Words(measure, ("a", "b", "c", "d")),
        stage=Words(stage, tuple(f"s{index}" for index in range(9))),
        seed=zeros.astype(np.int64),
        step=zeros - 1,
        item=Words(item, tuple(f"i{index}" for index in range(5000))),
        slice=Words(zeros, ("language",)),
        group=Words(item % 9, tuple(f"g{index}" for index in range(9))),
        cluster=Words(item // 2, tuple(f"c{index}" for index in range(2500))),
        value=(random.random(len(item)) < 0.5).astype(float),
    )
    audit = Audit(
        name="reading",
        uses="",
        description="",
        measures={name: Measure("share") for name in "abcd"},
        reference={"language": "g0"},
    )
    ways = [(f"s{index}", f"s{index + 1}") for index in range(8)] + [("s0", f"s{index}") for index in range(2, 8)]
    start = process_time()
    changes = compare(table, audit, ways)
    assert process_time() - start < 3
    assert len(changes) == 4 * 14 * 10


def two_slices() -> Table:
    """Every item counts for a language and for a rater; everything is read at both stages."""
    builder = TableBuilder()
    for stage, values in (("base", BEFORE), ("dpo", AFTER)):
        for index, language in enumerate(GROUPS):
            for item, value in enumerate(values[index]):
                for slice_name, group in (("rater", f"r{item % 3}"), ("language", language)):
                    builder.append(
                        audit="reading", measure="score", stage=stage, item=f"{language}{item}", slice=slice_name,
                        group=group, cluster=f"{language}{item}", value=value,
                    )  # fmt: skip
    return builder.build()


def test_holm_is_one_family_over_all_slices(make_audit: MakeAudit) -> None:
    audit = make_audit(reference={"language": "en", "rater": "r0"})
    found = [row for row in compare(two_slices(), audit, WAY) if row.group != ALL]
    assert len(found) == 7
    np.testing.assert_allclose([row.p_adjusted for row in found], holm(np.array([row.p for row in found])))
    others = [row for row in found if row.group != row.relative_to]
    np.testing.assert_allclose(
        [row.relative_p_adjusted for row in others], holm(np.array([row.relative_p for row in others]))
    )
    alone = compare(two_slices(), replace(audit, reference={}), WAY)
    assert all(row.p_adjusted == row.p for row in alone if row.group == ALL)


def test_families_of_several_seeds_stay_apart(make_audit: MakeAudit) -> None:
    once = {row.group: row.p_adjusted for row in compare(two_slices(), make_audit(), WAY)}
    table = with_seeds(two_slices(), {"base": [0], "dpo": [0, 1]})
    for row in compare(table, make_audit(), WAY):
        assert row.p_adjusted == pytest.approx(once[row.group])


def test_slices_stand_in_the_order_of_the_readings(make_audit: MakeAudit) -> None:
    slices = dict.fromkeys(row.slice for row in compare(two_slices(), make_audit(), WAY))
    assert list(slices) == ["rater", "language"]


def test_a_code_belongs_to_a_group_of_its_slice(make_audit: MakeAudit) -> None:
    audit = make_audit(codes={("language", "sw"): "swh", ("rater", "sw"): "Swiss", ("rater", "r0"): "R"})
    codes = {(row.slice, row.group): row.code for row in compare(two_slices(), audit, WAY)}
    assert (codes["language", "sw"], codes["rater", "r0"], codes["rater", "r1"]) == ("swh", "R", "r1")


def test_a_clustered_gain_has_the_standard_error_of_statsmodels(make_table: MakeTable, make_audit: MakeAudit) -> None:
    table = make_table(ladder(), per_cluster=3)
    for row, index in ((by_group(compare(table, make_audit(), WAY))[group], i) for i, group in enumerate(GROUPS)):
        fit = OLS(AFTER[index] - BEFORE[index], np.ones(60)).fit(
            cov_type="cluster", cov_kwds={"groups": np.arange(60) // 3}
        )
        half = stats.t.ppf(0.975, 19) * fit.bse[0]
        np.testing.assert_allclose([row.low, row.high], [fit.params[0] - half, fit.params[0] + half], atol=1e-10)
