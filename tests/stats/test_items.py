"""Items improved and worsened, and effects without a unit, are what scipy and statsmodels make of the same answers."""

from collections.abc import Callable, Sequence
from math import asin, isnan, nan, sqrt

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_effectsize

from pluralign.records.estimate import ALL, Change
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.stats.audit import compare
from pluralign.stats.table import Table

MakeTable = Callable[..., Table]
MakeAudit = Callable[..., Audit]
RANDOM = np.random.default_rng(0)
BEFORE = (RANDOM.random((2, 120)) < [[0.3], [0.5]]).astype(float)
AFTER = np.where(RANDOM.random((2, 120)) < 0.3, RANDOM.random((2, 120)) < 0.8, BEFORE).astype(float)


def rows(table: Table, audit: Audit) -> dict[str, Change]:
    return {row.group: row for row in compare(table, audit, [("base", "dpo")])}


def two(before: Sequence[np.ndarray] | np.ndarray, after: Sequence[np.ndarray] | np.ndarray) -> dict[str, object]:
    return {"base": {"de": before[0], "fi": before[1]}, "dpo": {"de": after[0], "fi": after[1]}}


def test_right_and_wrong_answers_are_mcnemars(make_table: MakeTable, make_audit: MakeAudit) -> None:
    found = rows(make_table(two(BEFORE, AFTER)), make_audit())
    for group, before, after in (
        ("de", BEFORE[0], AFTER[0]),
        ("fi", BEFORE[1], AFTER[1]),
        (ALL, BEFORE.ravel(), AFTER.ravel()),
    ):
        up, down = int((after > before).sum()), int((after < before).sum())
        row = found[group]
        assert (row.improved, row.worsened) == (up, down)
        assert row.exact_p == pytest.approx(stats.binomtest(up, up + down).pvalue)
        assert row.exact_p == pytest.approx(mcnemar([[0, up], [down, 0]], exact=True).pvalue)
        assert row.effect == pytest.approx(proportion_effectsize(after.mean(), before.mean()))


def test_nothing_changed_is_as_likely_as_can_be(make_table: MakeTable, make_audit: MakeAudit) -> None:
    row = rows(make_table(two(BEFORE, BEFORE)), make_audit())["de"]
    assert (row.improved, row.worsened, row.exact_p, row.effect) == (0, 0, 1.0, 0.0)


def test_where_lower_is_better_fewer_are_improvements(make_table: MakeTable, make_audit: MakeAudit) -> None:
    table = make_table(two(BEFORE, AFTER))
    up, down = (rows(table, make_audit(Measure("x", better=better)))["de"] for better in ("higher", "lower"))
    assert (up.improved, up.worsened, up.effect) == (down.worsened, down.improved, pytest.approx(-down.effect))
    assert up.exact_p == down.exact_p


@pytest.mark.parametrize("per_cluster", [2, 40])
def test_items_that_share_clusters_have_no_exact_p(
    make_table: MakeTable, make_audit: MakeAudit, per_cluster: int
) -> None:
    row = rows(make_table(two(BEFORE, AFTER), per_cluster=per_cluster), make_audit())["de"]
    assert isnan(row.exact_p)
    assert (row.improved or 0) > (row.worsened or 0)
    assert row.effect == pytest.approx(2 * asin(sqrt(AFTER[0].mean())) - 2 * asin(sqrt(BEFORE[0].mean())))


def test_other_readings_have_glass_delta(make_table: MakeTable, make_audit: MakeAudit) -> None:
    before = RANDOM.normal(2, 3, (2, 50))
    after = before + RANDOM.normal(1, 1, (2, 50))
    row = rows(make_table(two(before, after)), make_audit(Measure("reward", unit="nats")))["fi"]
    assert row.effect == pytest.approx((after[1] - before[1]).mean() / before[1].std(ddof=1))
    assert isnan(row.exact_p)
    assert isnan(row.above_chance)


def test_a_reading_without_its_pair_counts_nowhere(make_table: MakeTable, make_audit: MakeAudit) -> None:
    before, after = BEFORE.copy(), AFTER.copy()
    before[0, :20], after[0, 20:30] = nan, nan
    row = rows(make_table(two(before, after)), make_audit())["de"]
    change = AFTER[0, 30:] - BEFORE[0, 30:]
    assert (row.improved, row.worsened) == ((change > 0).sum(), (change < 0).sum())
    assert row.effect == pytest.approx(proportion_effectsize(AFTER[0, 30:].mean(), BEFORE[0, 30:].mean()))


def test_stages_that_share_no_reading_have_nothing_to_count(make_table: MakeTable, make_audit: MakeAudit) -> None:
    unanswered = np.full((2, 120), nan)
    for row in rows(make_table(two(BEFORE, unanswered)), make_audit(Measure("share", chance=0.25))).values():
        assert (row.improved, row.worsened, row.n) == (0, 0, 0)
        assert all(isnan(value) for value in (row.gain, row.exact_p, row.effect, row.above_chance))


def test_ratios_are_taken_above_chance_only(make_table: MakeTable, make_audit: MakeAudit) -> None:
    """Where guessing gives .25, going from .30 to .35 doubles what was learnt; it is no growth by a sixth."""
    sure, unsure = np.repeat([1.0, 0.0], [600, 1400]), np.repeat([1.0, 0.0], [6, 14])
    after = np.repeat([1.0, 0.0], [700, 1300])
    measure = Measure("share", chance=0.25)
    found = rows(
        make_table({"base": {"de": sure, "fi": unsure}, "dpo": {"de": after, "fi": unsure}}), make_audit(measure)
    )
    assert found["de"].above_chance == pytest.approx(2.0)
    assert isnan(found["fi"].above_chance)
    plain = rows(make_table({"base": {"de": sure}, "dpo": {"de": after}}), make_audit())
    assert isnan(plain["de"].above_chance)


def test_too_few_items_have_counts_and_no_p(make_table: MakeTable, make_audit: MakeAudit) -> None:
    four = {"base": {"de": np.zeros(4)}, "dpo": {"de": np.ones(4)}}
    row = rows(make_table(four), make_audit())["de"]
    assert (row.improved, row.worsened) == (4, 0)
    assert isnan(row.exact_p)
    assert isnan(row.p_max_t)
