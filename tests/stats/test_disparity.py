"""How unlike groups are, record by record: slices, seeds, directions, and what cannot be known."""

from collections.abc import Callable
from dataclasses import replace
from math import isnan
from time import process_time

import numpy as np
import pytest

from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.stats.audit import compare, disparities, omnibus
from pluralign.stats.table import Table, TableBuilder, Words

MakeTable = Callable[..., Table]
MakeAudit = Callable[..., Audit]
WAY = [("base", "dpo")]
KEY = ("score", "base", "dpo")
RANDOM = np.random.default_rng(0)
GROUPS = ("de", "en", "fi", "sw")
BEFORE = RANDOM.random((4, 60))
AFTER = np.clip(BEFORE + RANDOM.normal([[0.2], [0.0], [-0.15], [0.05]], 0.2, (4, 60)), 0, 1)
LADDER = {stage: dict(zip(GROUPS, values, strict=True)) for stage, values in (("base", BEFORE), ("dpo", AFTER))}


def test_the_record_agrees_with_the_changes(make_table: MakeTable, make_audit: MakeAudit) -> None:
    table = make_table(LADDER)
    (found,) = disparities(table, make_audit(), WAY)[KEY]
    changes = {row.group: row for row in compare(table, make_audit(), WAY)}
    assert (found.slice, found.groups, found.worst_group, found.best_group) == ("language", 4, "fi", "de")
    assert found.worst_gain == pytest.approx(changes["fi"].gain)
    assert found.gap == pytest.approx(changes["de"].gain - changes["fi"].gain)
    assert found.worst_low == pytest.approx(changes["fi"].low)
    assert found.worst_high > changes["fi"].high
    assert max(found.gap_p, found.pairs_p, found.equal_p) < 0.01
    assert (found.losing_low, found.losing_high) == (0.25, 0.5), "fi surely loses, de and sw surely do not"
    assert found.gap_if_equal < found.gap


def test_where_lower_is_better_the_best_is_the_worst(make_table: MakeTable, make_audit: MakeAudit) -> None:
    higher, lower = (
        disparities(make_table(LADDER), make_audit(Measure("x", better=better)), WAY)[KEY][0]
        for better in ("higher", "lower")
    )
    assert (higher.worst_group, higher.best_group) == (lower.best_group, lower.worst_group)
    assert lower.worst_gain == pytest.approx(-(higher.worst_gain + higher.gap))
    assert (lower.spread, lower.gap_p) == pytest.approx((higher.spread, higher.gap_p))
    assert (lower.losing_low, lower.losing_high) == pytest.approx((1 - higher.losing_high, 1 - higher.losing_low))


def test_a_measure_that_describes_has_neither_worst_nor_losers(make_table: MakeTable, make_audit: MakeAudit) -> None:
    (found,) = disparities(make_table(LADDER), make_audit(Measure("length", better="neither")), WAY)[KEY]
    assert (found.worst_group, found.best_group) == ("", "")
    assert isnan(found.worst_gain)
    assert isnan(found.losing_high)
    assert found.gap_p < 0.01
    assert found.spread > 0


def test_too_few_clusters_are_not_known(make_table: MakeTable, make_audit: MakeAudit) -> None:
    short = {stage: {group: values[:4] for group, values in groups.items()} for stage, groups in LADDER.items()}
    (found,) = disparities(make_table(short), make_audit(), WAY)[KEY]
    assert found.groups == 0
    assert found.worst_group == ""
    numbers = (found.spread, found.spread_low, found.worst_low, found.losing, found.losing_high, found.gap)
    assert all(isnan(number) for number in (*numbers, found.gap_p, found.pairs_p, found.equal_p))
    assert isnan(omnibus([found]))


def test_the_omnibus_is_the_largest_of_seeds_and_the_smallest_of_slices(
    make_table: MakeTable, make_audit: MakeAudit
) -> None:
    (found,) = disparities(make_table(LADDER), make_audit(), WAY)[KEY]
    seeds = [replace(found, seed=seed, equal_p=p) for seed, p in ((0, 0.01), (1, 0.2))]
    assert omnibus(seeds) == 0.2
    assert omnibus([*seeds, replace(found, slice="rater", equal_p=0.03)]) == pytest.approx(0.06)
    assert omnibus([*seeds, replace(found, slice="rater", equal_p=float("nan"))]) == 0.2


def test_the_rule_of_adjustment_decides_the_verdict(make_table: MakeTable, make_audit: MakeAudit) -> None:
    """Six of eight groups gain a little: of all of them Benjamini and Hochberg are surer than Holm."""
    random = np.random.default_rng(1)
    before = random.random((8, 100))
    after = before + random.normal([[0.055]] * 6 + [[0.0]] * 2, 0.2, (8, 100))
    table = make_table(
        {name: {f"g{i}": row for i, row in enumerate(v)} for name, v in (("base", before), ("dpo", after))}
    )
    measure = Measure("x", bounds=None, margin=None)
    holm, bh = (
        {row.group: row for row in compare(table, make_audit(measure, adjustment=rule), WAY)} for rule in ("holm", "bh")
    )
    assert {row.adjustment for row in bh.values()} == {"bh"}
    for group, row in bh.items():
        assert row.p == holm[group].p
        assert row.p_max_t == holm[group].p_max_t
        assert row.p <= row.p_adjusted <= holm[group].p_adjusted + 1e-12
        assert (row.verdict == "gain") == (row.p_adjusted < 0.05 and row.gain > 0)
    count = [sum(row.verdict == "gain" for row in rows.values()) for rows in (holm, bh)]
    assert count[1] > count[0]


def test_max_t_runs_over_all_slices_and_leaves_everyone_out(make_audit: MakeAudit) -> None:
    builder = TableBuilder()
    for stage, values in (("base", BEFORE), ("dpo", AFTER)):
        for index, language in enumerate(GROUPS):
            for item, value in enumerate(values[index]):
                for slice_name, group in (("rater", f"r{item % 3}"), ("language", language)):
                    builder.append(
                        audit="reading", measure="score", stage=stage, item=f"{language}{item}", slice=slice_name,
                        group=group, cluster=f"{language}{item}", value=value,
                    )  # fmt: skip
    table = builder.build()
    together = {(row.slice, row.group): row for row in compare(table, make_audit(), WAY)}
    only = table.take(np.flatnonzero(table.slice.equals("language")))
    alone = {row.group: row for row in compare(only, make_audit(), WAY)}
    assert all(together["language", g].p_max_t >= alone[g].p_max_t - 0.02 for g in GROUPS)
    assert together["language", "sw"].p_max_t > alone["sw"].p_max_t
    for row in together.values():
        assert row.p_max_t >= row.p
        assert row.group != "all" or row.p_max_t == row.p
    assert len(disparities(table, make_audit(), WAY)[KEY]) == 2


def test_181_countries_and_nine_transitions_take_seconds() -> None:
    """554 questions about each country at ten stages: a million readings."""
    random = np.random.default_rng(2)
    stage, question, country = (index.ravel().astype(np.int32) for index in np.indices((10, 554, 181)))
    zeros = np.zeros(len(stage), np.int32)
    items = Words(question * 181 + country, tuple(f"{q}-{c}" for q in range(554) for c in range(181)))
    table = Table(
        audit=Words(zeros, ("reading",)),
        measure=Words(zeros, ("score",)),
        stage=Words(stage, tuple(f"s{index}" for index in range(10))),
        seed=zeros.astype(np.int64),
        step=zeros - 1,
        item=items,
        slice=Words(zeros, ("country",)),
        group=Words(country, tuple(f"c{index:03}" for index in range(181))),
        cluster=Words(question, tuple(f"q{index}" for index in range(554))),
        value=random.normal(size=len(stage)),
    )
    audit = Audit(name="reading", uses="", description="", measures={"score": Measure("rank", "rank")})
    ways = [("s0", f"s{index}") for index in range(1, 10)]
    start = process_time()
    assert len(compare(table, audit, ways)) == 9 * 182
    assert len(disparities(table, audit, ways)) == 9
    assert process_time() - start < 20


def test_max_t_is_never_surer_than_the_test_that_it_adjusts(make_table: MakeTable, make_audit: MakeAudit) -> None:
    """Four of twenty answers improved: signs alone would say .125, but so few changes prove nothing (p = 1)."""
    after = np.repeat([1.0, 0.0], [4, 16])
    (row, *_) = compare(make_table({"base": {"de": np.zeros(20)}, "dpo": {"de": after}}), make_audit(), WAY)
    assert row.p == row.p_max_t == 1.0
