"""What the page says of several training seeds."""

from dataclasses import replace
from math import nan

from pluralign.records.across_seeds import AcrossSeeds
from pluralign.records.estimate import MethodCounts, Summary
from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.records.stage import Stage
from pluralign.report.seeds import method_tally, over_seeds, seeds_sentence, too_few
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
    method_verdict="gain",
    unit="share",
    relative_to="",
    relative_gain=nan,
    relative_low=nan,
    relative_high=nan,
    relative_p=nan,
    relative_p_adjusted=nan,
)
ROWS = [ROW, replace(ROW, group="de", gain=-0.04, method_p_adjusted=0.04), replace(ROW, group="all", gain=0.031)]


def test_both_levels_are_told_apart() -> None:
    said = seeds_sentence(ROWS, Unit("share"), judged=True)
    assert said.startswith("From base to dpo, over 3 training seeds: everyone by language +3.1 points")
    assert "these models +2.0 to +6.0" in said
    assert "the method +1.0 to +7.0 (from seed to seed an estimated ±0.5)" in said
    assert "for sure" not in said, "verdicts are told beside it"
    described = seeds_sentence(ROWS, Unit("share"), judged=False)
    assert described.endswith("; whatever the seed, 1 of 2 groups rose and 1 fell for sure.")


def test_two_seeds_claim_nothing_of_the_method() -> None:
    unknown = {
        "seed_sd": nan,
        "method_low": nan,
        "method_high": nan,
        "method_p": nan,
        "method_p_adjusted": nan,
        "method_verdict": None,
    }
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


def test_stages_with_too_few_seeds_are_named() -> None:
    def trained(name: str, seeds: int) -> list[Stage]:
        return [Stage(name=name, kind="policy", method="dpo", seed=seed) for seed in range(seeds)]

    base = Stage(name="base", kind="base")
    assert too_few([base, *trained("dpo", 3)]) == ""
    assert too_few([base]) == ""
    assert too_few([base, *trained("sft", 1), *trained("rloo", 4), *trained("dpo", 2)]) == (
        "What is said of sft and dpo holds for these models, not for the method that makes them: that takes at least "
        "3 training seeds."
    )
    assert "of 5 stages holds" in too_few([stage for name in "abcde" for stage in trained(name, 1)])


def test_a_tally_of_the_method() -> None:
    summary = Summary(
        audit="reading", measure="f1", from_stage="base", to_stage="dpo", gain=2, loss=0, equivalent=1, inconclusive=0,
        worst_group="", omnibus_p=nan, sentence="", adjustment="holm", between=(), seeds=3,
        method=MethodCounts(gain=1, loss=0, equivalent=0, inconclusive=2),
    )  # fmt: skip
    assert method_tally(summary) == "1 gained and 2 not known yet"
    assert method_tally(replace(summary, seeds=2, method=None)) == "not known from 2 seeds"
    assert method_tally(replace(summary, seeds=1, method=None)) == ""
