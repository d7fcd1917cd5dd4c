"""What an audit's table of estimates says, and what it leaves open."""

from collections.abc import Callable, Sequence
from math import isnan, nan

import numpy as np
import pytest

from pluralign.records.estimate import ALL, Estimate
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.stats.audit import estimate
from pluralign.stats.table import Table

RIGHT = np.random.default_rng(0).integers(0, 2, (3, 40)).astype(float)


def by_group(rows: Sequence[Estimate], stage: str = "base") -> dict[str, Estimate]:
    return {row.group: row for row in rows if row.stage == stage}


def test_everyone_together_is_the_average_of_all_readings(
    make_table: Callable[..., Table], make_audit: Callable[..., Audit]
) -> None:
    table = make_table({"base": {"de": RIGHT[0], "en": RIGHT[1][:10]}})
    found = by_group(estimate(table, make_audit(reference={"language": "en"}, codes={("language", "de"): "de-DE"})))
    everyone = found[ALL]
    assert everyone.value == pytest.approx(np.concatenate((RIGHT[0], RIGHT[1][:10])).mean())
    assert (everyone.n, everyone.clusters, everyone.code, everyone.relative_to) == (50, 50, "", "")
    assert isnan(everyone.gap)
    assert list(found) == ["de", "en", ALL]
    assert (found["de"].code, found["en"].code) == ("de-DE", "en")


def test_a_gap_is_own_minus_reference(make_table: Callable[..., Table], make_audit: Callable[..., Audit]) -> None:
    table = make_table({"base": {"de": RIGHT[0], "en": RIGHT[1]}})
    found = by_group(estimate(table, make_audit(reference={"language": "en"})))
    assert found["de"].gap == pytest.approx(found["de"].value - found["en"].value)
    assert found["de"].gap_low < found["de"].gap < found["de"].gap_high
    assert found["de"].relative_to == found["en"].relative_to == "en"
    assert isnan(found["en"].gap)
    assert isnan(found["en"].gap_p)


@pytest.mark.parametrize("reference", [{}, {"language": "fr"}, {"topic": "en"}])
def test_without_a_reference_group_there_is_no_gap(
    make_table: Callable[..., Table], make_audit: Callable[..., Audit], reference: dict[str, str]
) -> None:
    table = make_table({"base": {"de": RIGHT[0], "en": RIGHT[1]}})
    for row in estimate(table, make_audit(reference=reference)):
        assert row.relative_to == ""
        assert isnan(row.gap)


def test_missing_readings_are_counted_and_left_out(
    make_table: Callable[..., Table], make_audit: Callable[..., Audit]
) -> None:
    gaps = RIGHT[0].copy()
    gaps[:12] = nan
    rows = estimate(make_table({"base": {"de": gaps}, "sft": {"de": RIGHT[0]}}), make_audit())
    assert by_group(rows)["de"].missing == 12
    assert by_group(rows)["de"].n == 28
    assert by_group(rows)["de"].value == pytest.approx(RIGHT[0][12:].mean())
    assert by_group(rows, "sft")["de"].missing == 0


def test_items_that_a_stage_was_never_asked_are_missing_too(
    make_table: Callable[..., Table], make_audit: Callable[..., Audit]
) -> None:
    rows = estimate(make_table({"base": {"de": RIGHT[0]}, "sft": {"de": RIGHT[0][:30]}}), make_audit())
    assert (by_group(rows, "sft")["de"].n, by_group(rows, "sft")["de"].missing) == (30, 10)


def test_where_most_is_missing_the_rest_does_not_stand_for_the_group(
    make_table: Callable[..., Table], make_audit: Callable[..., Audit]
) -> None:
    half, most = RIGHT[0].copy(), RIGHT[0].copy()
    half[:20] = nan
    most[:21] = nan
    rows = by_group(estimate(make_table({"base": {"half": half, "most": most}}), make_audit()))
    assert not isnan(rows["half"].low)
    assert isnan(rows["most"].low)
    assert rows["most"].value == pytest.approx(RIGHT[0][21:].mean())


def test_a_group_without_any_reading_is_shown_as_not_known(
    make_table: Callable[..., Table], make_audit: Callable[..., Audit]
) -> None:
    rows = estimate(make_table({"base": {"de": RIGHT[0]}, "sft": {"de": RIGHT[0], "fi": RIGHT[1]}}), make_audit())
    silent = by_group(rows)["fi"]
    assert (silent.n, silent.missing, silent.clusters) == (0, 40, 0)
    assert isnan(silent.value)
    assert isnan(silent.high)


def test_too_few_clusters_leave_value_and_gap_without_bounds(
    make_table: Callable[..., Table], make_audit: Callable[..., Audit]
) -> None:
    table = make_table({"base": {"de": RIGHT[0], "en": RIGHT[1]}}, per_cluster=10)
    row = by_group(estimate(table, make_audit(reference={"language": "en"})))["de"]
    assert row.clusters == 4
    assert not isnan(row.value + row.gap)
    assert all(isnan(bound) for bound in (row.low, row.high, row.gap_low, row.gap_high, row.gap_p))


def test_seeds_and_steps_are_kept_apart(make_table: Callable[..., Table], make_audit: Callable[..., Audit]) -> None:
    table = make_table({"a": {"de": RIGHT[0]}})
    rows = estimate(Table(**(vars(table) | {"seed": (np.arange(40) % 2)})), make_audit())
    assert [(row.seed, row.group, row.n) for row in rows] == [
        (0, "de", 20),
        (0, ALL, 20),
        (1, "de", 20),
        (1, ALL, 20),
    ]


def test_a_measure_without_readings_has_no_rows(
    make_table: Callable[..., Table], make_audit: Callable[..., Audit]
) -> None:
    audit = make_audit()
    other = Audit(name="reading", uses="", description="", measures={"rank": Measure("mean rank", bounds=None)})
    table = make_table({"base": {"de": RIGHT[0]}})
    assert estimate(table, other) == []
    assert len(estimate(table, audit)) == 2
