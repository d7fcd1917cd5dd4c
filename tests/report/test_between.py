"""How unlike groups are, in words: nothing that is not known, and names that readers know."""

from dataclasses import replace
from math import nan

from pluralign.records.estimate import Disparity, Summary
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.report.between import between_groups

FOUND = Disparity(
    slice="language", seed=0, groups=6, equal_p=0.01, spread=0.031, spread_low=0.012, spread_high=0.06,
    worst_group="sw", worst_gain=-0.031, worst_low=-0.06, worst_high=0.01, best_group="de",
    losing=0.17, losing_low=0.0, losing_high=0.5, gap=0.093, gap_if_equal=0.04, gap_p=0.0125, pairs_p=0.02,
)  # fmt: skip
AUDIT = Audit(
    name="reading",
    uses="belebele",
    description="",
    measures={
        "accuracy": Measure("share"),
        "rank": Measure("mean rank", unit="ranks"),
        "length": Measure("words", "words", "neither"),
    },
)


def said(*between: Disparity, measure: str = "accuracy") -> str:
    summary = Summary(
        audit="reading", measure=measure, from_stage="base", to_stage="dpo", gain=1, loss=0, equivalent=0,
        inconclusive=5, worst_group="sw", omnibus_p=0.01, sentence="", adjustment="holm", between=between,
        seeds=1, method=None,
    )  # fmt: skip
    return between_groups(summary, AUDIT)


def test_the_gap_stands_beside_what_chance_makes_of_it() -> None:
    assert said(FOUND) == (
        "By language: the 6 groups’ changes lie up to 9.3 points apart (Swahili −3.1, German +6.2), where equal ones "
        "would by chance lie 4.0 apart (p 0.013); standard deviation of the true changes 3.1 points (1.2 to 6.0); "
        "share of groups that lose 17.0% (0.0 to 50.0)."
    )


def test_a_measure_that_describes_names_nobody() -> None:
    described = replace(FOUND, worst_group="", best_group="", worst_gain=nan, losing=nan, losing_low=nan)
    sentence = said(described, measure="length")
    assert "lose" not in sentence
    assert "apart, where" in sentence


def test_where_all_changed_by_the_same_nobody_is_least_or_most() -> None:
    alike = replace(FOUND, gap=0.0, worst_group="de", best_group="de", worst_gain=0.01)
    assert "changes lie up to 0.0 points apart, where equal ones" in said(alike)


def test_what_is_not_known_is_not_said() -> None:
    unknown = replace(FOUND, gap=nan, spread=nan, losing=nan)
    assert said(unknown) == ""
    assert said() == ""
    assert said(unknown, replace(FOUND, slice="age_group")).startswith("By age group: ")


def test_seeds_are_told_apart() -> None:
    sentence = said(FOUND, replace(FOUND, seed=1))
    assert "By language, seed 0: " in sentence
    assert "By language, seed 1: " in sentence


def test_other_units_keep_their_numbers() -> None:
    assert "lie up to 0.093 ranks apart" in said(FOUND, measure="rank")
