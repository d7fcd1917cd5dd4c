"""Why something is not known: the reason that stands in the table is the one that holds."""

import numpy as np
import pytest

from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.records.stage import Stage
from pluralign.report.excerpt import Excerpt, excerpts
from pluralign.report.figures import gains, gap_changes
from pluralign.report.levels import levels
from pluralign.report.listing import changes_table, estimates_table
from pluralign.stats.audit import compare, estimate
from pluralign.stats.table import TableBuilder

SHARE = Measure("share of right answers", comparable=False)
NATS = Measure("log-probability", unit="nats", margin=None, bounds=None, comparable=False)
RANDOM = np.random.default_rng(5)
BASE, DPO = RANDOM.random((2, 40))
OTHER = RANDOM.random(40)

Answers = dict[str, dict[str, np.ndarray]]


def excerpt(answers: Answers, measure: Measure = SHARE) -> Excerpt:
    """What the statistics make of the same questions, asked of every group; the reference group is `en`."""
    builder = TableBuilder()
    for stage, groups in answers.items():
        for group, values in groups.items():
            for item, value in enumerate(values):
                builder.append(
                    audit="reading", measure="score", stage=stage, item=f"{item}", slice="language", group=group,
                    cluster=f"{item}", value=float(value),
                )  # fmt: skip
    table = builder.build()
    audit = Audit(
        name="reading", uses="belebele", description="", measures={"score": measure}, reference={"language": "en"}
    )
    findings = Findings(
        title="",
        stages=(Stage(name="base", kind="base"), Stage(name="dpo", kind="policy", parents=("base",))),
        audits=(audit,),
        transitions=(("base", "dpo"),),
        estimates=tuple(estimate(table, audit)),
        changes=tuple(compare(table, audit, [("base", "dpo")])),
        summaries=(),
    )
    return excerpts(findings, audit, "score")[0]


ALIKE = "no interval: the two groups answered alike in every cluster"
REFERENCE = "no interval: that of the reference group is not known"


def test_two_groups_that_answer_alike() -> None:
    found = excerpt({"base": {"de": BASE, "en": BASE}, "dpo": {"de": DPO, "en": DPO}})
    for shown in (changes_table(found), estimates_table(found), gap_changes(found)):
        assert ALIKE in shown
        assert "reference group is not known" not in shown


def test_a_reference_group_that_is_not_known() -> None:
    few = {"base": {"de": BASE, "en": BASE[:3]}, "dpo": {"de": DPO, "en": DPO[:3]}}
    for shown in (changes_table(excerpt(few)), estimates_table(excerpt(few)), gap_changes(excerpt(few))):
        assert REFERENCE in shown
        assert ALIKE not in shown


def test_what_is_known_has_no_reason() -> None:
    found = excerpt({"base": {"de": OTHER, "en": BASE}, "dpo": {"de": BASE, "en": DPO}})
    for shown in (changes_table(found), estimates_table(found), gap_changes(found), gains(found), levels(found)):
        assert "ot known" not in shown


@pytest.mark.parametrize(("changed", "sure"), [(0, True), (2, False)])
def test_a_measure_without_bounds_of_which_nothing_changed(changed: int, sure: bool) -> None:
    after = BASE.copy()
    after[:changed] += 1.0
    found = excerpt({"base": {"de": BASE, "en": OTHER}, "dpo": {"de": after, "en": BASE}}, NATS)
    assert "(almost) no answer changed" in changes_table(found)
    assert "(almost) no answer changed" in gains(found)
    assert ("answers are missing" not in gains(found)) == sure
    bounded = excerpt({"base": {"de": BASE, "en": OTHER}, "dpo": {"de": BASE, "en": BASE}})
    assert "no answer changed" not in changes_table(bounded)


def test_a_measure_without_bounds_of_which_all_answers_are_one() -> None:
    same = np.ones(40)
    found = excerpt({"base": {"de": same, "en": OTHER}, "dpo": {"de": BASE, "en": BASE}}, NATS)
    assert "(almost) all answers have one value, and the measure has no bounds" in estimates_table(found)
    assert "(almost) all answers have one value, and the measure has no bounds" in levels(found)
