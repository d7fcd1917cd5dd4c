"""Without a reference group the table of changes holds every group against the others."""

import numpy as np

from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.records.stage import Stage
from pluralign.report.excerpt import Excerpt, excerpts
from pluralign.report.listing import changes_table
from pluralign.report.sections import measure_section
from pluralign.report.verdicts import summarise
from pluralign.stats.audit import compare
from pluralign.stats.table import Table, TableBuilder

RANDOM = np.random.default_rng(0)
WAYS = (("base", "dpo"),)
COLUMN = "Gain less that of the other groups, on average (points)"


def table(groups: dict[str, int]) -> Table:
    """Right and wrong answers, as many items as said for each group."""
    builder = TableBuilder()
    for place, (group, items) in enumerate(groups.items()):
        for item in range(items):
            for stage, share in (("base", 0.4), ("dpo", 0.4 + 0.1 * place)):
                builder.append(
                    audit="reading", measure="score", stage=stage, item=f"{group}{item}", slice="language",
                    group=group, cluster=f"{group}{item}", value=float(RANDOM.random() < share),
                )  # fmt: skip
    return builder.build()


def found(groups: dict[str, int], **fields: object) -> tuple[Findings, Excerpt]:
    audit = Audit(name="reading", uses="belebele", description="", measures={"score": Measure("share")}, **fields)  # pyright: ignore[reportArgumentType]
    readings = table(groups)
    changes = compare(readings, audit, WAYS)
    findings = Findings(
        title="",
        stages=(Stage(name="base", kind="base"), Stage(name="dpo", kind="policy", parents=("base",))),
        audits=(audit,),
        transitions=WAYS,
        estimates=(),
        changes=tuple(changes),
        summaries=tuple(summarise(readings, audit, changes, ())),
    )
    return findings, excerpts(findings, audit, "score")[0]


def test_the_others_stand_in_for_a_reference_group() -> None:
    _, excerpt = found({"de": 80, "fi": 80, "sw": 80})
    shown = changes_table(excerpt)
    assert COLUMN in shown
    assert "p (Holm)" in shown
    assert "ot known" not in shown
    _, referred = found({"de": 80, "fi": 80}, reference={"language": "fi"})
    assert COLUMN not in changes_table(referred)


def test_a_group_that_cannot_speak_says_why() -> None:
    _, excerpt = found({"de": 80, "fi": 80, "sw": 3})
    assert "only 3 independent clusters" in changes_table(excerpt)
    _, beside_one = found({"de": 80, "sw": 3})
    assert COLUMN in changes_table(beside_one)
    assert "only 3 independent clusters" in changes_table(beside_one)
    _, nobody = found({"de": 3, "sw": 3})
    assert COLUMN not in changes_table(nobody)


def test_the_rule_of_adjustment_is_the_head_of_its_column() -> None:
    _, excerpt = found({"de": 80, "fi": 80}, adjustment="bh")
    assert "p (Benjamini and Hochberg)" in changes_table(excerpt)
    assert "Holm" not in changes_table(excerpt)


def test_the_sentence_says_how_unlike_the_groups_are() -> None:
    findings, excerpt = found({"de": 200, "fi": 200, "sw": 200})
    shown = measure_section(findings, excerpt.audit, "score", "a")
    (summary,) = findings.summaries
    (between,) = summary.between
    assert "where equal ones would by chance lie" in shown
    assert f"(German {100 * between.worst_gain:+.1f}".replace("-", "−") in shown
