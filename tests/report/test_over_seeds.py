"""What the page says of several training seeds."""

from dataclasses import replace
from math import nan

from pluralign.records.across_seeds import AcrossSeeds
from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.report.seeds import over_seeds, seeds_sentence
from pluralign.report.wording import Unit

ROW = AcrossSeeds(
    audit="reading",
    measure="accuracy",
    from_stage="base",
    to_stage="dpo",
    slice="language",
    group="sw",
    code="sw",
    seeds=3,
    gain=0.04,
    item_error=0.01,
    models_low=0.02,
    models_high=0.06,
    seed_sd=0.005,
    method_low=0.01,
    method_high=0.07,
    method_p=0.01,
    method_p_adjusted=0.02,
    unit="share",
)
ROWS = [ROW, replace(ROW, group="de", gain=-0.04, method_p_adjusted=0.04), replace(ROW, group="all", gain=0.031)]


def test_both_levels_are_told_apart() -> None:
    said = seeds_sentence(ROWS, Unit("share"), judged=True)
    assert said.startswith("From base to dpo, over 3 training seeds: everyone by language +3.1 points")
    assert "these models +2.0 to +6.0" in said
    assert "the method +1.0 to +7.0 (from seed to seed ±0.5)" in said
    assert "1 of 2 groups gained and 1 lost for sure" in said
    assert "rose" in seeds_sentence(ROWS, Unit("share"), judged=False)


def test_two_seeds_claim_nothing_of_the_method() -> None:
    unknown = {"seed_sd": nan, "method_low": nan, "method_high": nan, "method_p": nan, "method_p_adjusted": nan}
    said = seeds_sentence([replace(row, seeds=2, **unknown) for row in ROWS], Unit("share"), judged=True)
    assert "these models" in said
    assert said.endswith("nothing is said of the method, which takes at least 3 seeds.")
    assert "for sure" not in said


def test_the_page_has_a_line_for_every_transition() -> None:
    audit = Audit(
        name="reading", uses="belebele", description="", measures={"accuracy": Measure(""), "f1": Measure("")}
    )
    rows = (*ROWS, *(replace(row, to_stage="sft") for row in ROWS))
    findings = Findings(
        title="", stages=(), audits=(audit,), transitions=(), estimates=(), changes=(), summaries=(), seeds=rows
    )
    assert over_seeds(findings, audit, "accuracy").count("<li>") == 2
    assert over_seeds(findings, audit, "f1") == ""
