"""Rank correlations between stages: scipy's numbers, exact p-values, the same questions at both stages."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pluralign.records.estimate import Correlation
from pluralign.stats import correlation
from pluralign.stats.correlation import correlate, interval, permutation_p
from pluralign.stats.table import Table, TableBuilder


def table(stages: dict[str, np.ndarray], measures: dict[str, str] | None = None, step: int | None = None) -> Table:
    """Readings `[question, group]` of every stage, by its measure ("rank" unless `measures` says otherwise)."""
    builder = TableBuilder()
    for stage, values in stages.items():
        for question, row in enumerate(values):
            for group, value in enumerate(row):
                builder.append(
                    audit="countries", measure=(measures or {}).get(stage, "rank"), stage=stage, step=step,
                    item=f"q{question}", slice="country", group=f"g{group:03}", cluster=f"q{question}",
                    value=float(value),
                )  # fmt: skip
    return builder.build()


def only(found: list[Correlation]) -> Correlation:
    (one,) = found
    return one


@pytest.fixture
def values() -> np.ndarray:
    """Three stages, 40 questions, 9 groups; rounded, so that some means are tied."""
    random = np.random.default_rng(3)
    truth = random.normal(size=(3, 1, 9))
    truth[1] = truth[0] + 0.5 * truth[1]
    return np.round(2 * (truth + random.normal(size=(3, 40, 9)))) / 2


def test_numbers_are_scipys(values: np.ndarray) -> None:
    values = np.round(values[:, :4])  # few questions, so that there are ties
    first, second = values[0].mean(axis=0), values[1].mean(axis=0)
    assert len(set(first)) < len(first)
    found = only(correlate(table({"base": values[0], "dpo": values[1]}), "countries", ("rank",)))
    assert found.spearman == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert found.kendall == pytest.approx(stats.kendalltau(first, second, variant="b").statistic, abs=1e-12)
    assert found.n == 9


def test_every_pair_comes_once_and_the_survey_last(values: np.ndarray) -> None:
    stages = {"sft": values[0], "reward": values[1], "dpo": values[2]}
    made = table(stages, {"reward": "reward_rank"})
    survey = "favour", {f"g{group:03}": float(group) for group in range(5)} | {"elsewhere": 1.0}
    found = correlate(made, "countries", ("rank", "reward_rank"), survey)
    assert [(row.left, row.right) for row in found] == [
        ("sft", "reward"), ("sft", "dpo"), ("sft", "favour"), ("reward", "dpo"), ("reward", "favour"),
        ("dpo", "favour"),
    ]  # fmt: skip
    assert {row.left: row.left_measure for row in found} == {"sft": "rank", "reward": "reward_rank", "dpo": "rank"}
    against = [row for row in found if row.right == "favour"]
    assert {row.right_measure for row in against} == {"survey"}
    assert {row.n for row in against} == {5}
    expected = stats.spearmanr(values[2].mean(axis=0)[:5], range(5)).statistic
    assert against[-1].spearman == pytest.approx(expected, abs=1e-12)


def test_a_stage_stands_by_the_first_measure_that_it_has(values: np.ndarray) -> None:
    both = {"base": values[0], "dpo": values[1]}
    builder = TableBuilder()
    for measure in ("other", "rank"):
        for stage, rows in both.items():
            for (question, group), value in np.ndenumerate(rows):
                builder.append(
                    audit="countries", measure=measure, stage=stage, item=str(question), slice="country",
                    group=str(group), cluster=str(question), value=float(-value if measure == "other" else value),
                )  # fmt: skip
    found = only(correlate(builder.build(), "countries", ("rank", "other")))
    assert (found.left_measure, found.right_measure) == ("rank", "rank")


@given(scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_units_do_not_matter_and_a_turned_order_turns_the_sign(scale: float, shift: float) -> None:
    random = np.random.default_rng(5)
    left, right = random.normal(size=(2, 12, 6)) + random.normal(size=6)
    plain = only(correlate(table({"a": left, "b": right}), "countries", ("rank",)))
    moved = only(correlate(table({"a": left, "b": scale * right + shift}), "countries", ("rank",)))
    turned = only(correlate(table({"a": left, "b": -right}), "countries", ("rank",)))
    assert moved == plain
    assert (turned.spearman, turned.kendall) == pytest.approx((-plain.spearman, -plain.kendall))
    assert (turned.low, turned.high) == pytest.approx((-plain.high, -plain.low))
    assert turned.p == plain.p


def test_the_same_questions_are_drawn_at_both_stages(values: np.ndarray) -> None:
    """Two stages that answer alike are alike however the questions fall; with other questions they would not be."""
    noisy = np.random.default_rng(1).normal(size=(10, 9))
    found = only(correlate(table({"a": noisy, "b": noisy}), "countries", ("rank",)))
    assert found.spearman == pytest.approx(1)
    assert found.low > 0.99


def test_a_question_is_resampled_whole(values: np.ndarray) -> None:
    """Items of one question say no more than the question: copies of every item leave the interval as it is."""
    copied = TableBuilder()
    for stage, rows in (("a", values[0]), ("b", values[1])):
        for copy in range(3):
            for (question, group), value in np.ndenumerate(rows):
                copied.append(
                    audit="countries", measure="rank", stage=stage, item=f"{question} {copy}", slice="country",
                    group=f"g{group:03}", cluster=f"q{question}", value=float(value),
                )  # fmt: skip
    plain = only(correlate(table({"a": values[0], "b": values[1]}), "countries", ("rank",)))
    found = only(correlate(copied.build(), "countries", ("rank",)))
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_p_is_exact_up_to_chance() -> None:
    """Against all 5040 orders of seven groups."""
    left, right = np.arange(7.0), np.array([1.0, 0, 3, 2, 6, 4, 5])
    scores = [(side - side.mean()) / np.linalg.norm(side - side.mean()) for side in (left, right)]
    every = np.array(list(permutations(range(7))))
    exact = (np.abs(scores[0][every] @ scores[1]) >= scores[0] @ scores[1] - 1e-9).mean()
    drawn = np.random.default_rng(0).permuted(np.tile(np.arange(7), (20_000, 1)), axis=1)
    assert permutation_p(*scores, drawn) == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000))


def test_p_never_claims_more_than_its_orders_can_tell(values: np.ndarray) -> None:
    same = table({"a": values[0], "b": 2 * values[0]})
    assert only(correlate(same, "countries", ("rank",))).p == 1 / (correlation.PERMUTATIONS + 1)


def test_runs_agree_to_the_last_digit(values: np.ndarray) -> None:
    made = table({"a": values[0], "b": values[1], "c": values[2]})
    assert correlate(made, "countries", ("rank",)) == correlate(made, "countries", ("rank",))


def test_a_group_counts_where_both_know_it(values: np.ndarray) -> None:
    holed = values[1].copy()
    holed[:, 4] = np.nan  # never answered
    holed[0, 5] = np.nan  # once not answered
    found = only(correlate(table({"a": values[0], "b": holed}), "countries", ("rank",)))
    kept = [group for group in range(9) if group != 4]
    expected = stats.spearmanr(values[0].mean(axis=0)[kept], np.nanmean(holed[:, kept], axis=0)).statistic
    assert found.n == 8
    assert found.spearman == pytest.approx(expected, abs=1e-12)
    assert -1 <= found.low <= found.spearman <= found.high <= 1


def test_a_stage_is_taken_at_its_end(values: np.ndarray) -> None:
    builder = TableBuilder()
    for stage, step, rows in (("a", None, values[0]), ("b", 5, -values[0]), ("b", 10, values[0])):
        for (question, group), value in np.ndenumerate(rows):
            builder.append(
                audit="countries", measure="rank", stage=stage, step=step, item=str(question), slice="country",
                group=str(group), cluster=str(question), value=float(value),
            )  # fmt: skip
    assert only(correlate(builder.build(), "countries", ("rank",))).spearman == pytest.approx(1)


def test_what_cannot_be_known_is_not_said(values: np.ndarray) -> None:
    flat = only(correlate(table({"a": values[0], "b": np.ones((40, 9))}), "countries", ("rank",)))
    assert np.isnan([flat.spearman, flat.kendall, flat.low, flat.high, flat.p]).all()
    few = only(correlate(table({"a": values[0][:4], "b": values[1][:4]}), "countries", ("rank",)))
    assert not np.isnan(few.spearman)
    assert np.isnan([few.low, few.high]).all()
    two = only(correlate(table({"a": values[0][:, :2], "b": values[1][:, :2]}), "countries", ("rank",)))
    assert abs(two.spearman) == pytest.approx(1)
    assert np.isnan([two.low, two.high, two.p]).all()
    alone = only(correlate(table({"a": values[0][:, :1], "b": values[1][:, :1]}), "countries", ("rank",)))
    assert np.isnan(alone.spearman)
    assert correlate(table({"a": values[0]}), "countries", ("rank",)) == []
    assert correlate(TableBuilder().build(), "countries", ("rank",), ("survey", {"g0": 1.0})) == []


def test_the_interval_holds_the_estimate() -> None:
    """Even where the means of the draws are so noisy that hardly any order is plausible."""
    random = np.random.default_rng(0)
    value = np.array([np.arange(9.0), np.arange(9.0)])
    low, high = interval(1.0, value, value + random.normal(0, 50, (200, 2, 9)))
    assert low < 0 < high == 1.0
