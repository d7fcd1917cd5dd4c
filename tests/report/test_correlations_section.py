"""The section of rank correlations: every pair once, in words where a number is not known."""

import re
from dataclasses import replace
from math import nan

from pluralign.records.estimate import Correlation
from pluralign.records.findings import Findings
from pluralign.report.correlations import correlations
from pluralign.report.page import document

PAIR = Correlation(
    audit="reading", left="base", left_measure="mean_rank", right="reward", right_measure="reward_mean_rank",
    spearman=0.5849, kendall=0.41, low=0.55, high=0.62, p=0.0001, n=181,
)  # fmt: skip


def triangle() -> list[Correlation]:
    """Three stages and a survey."""
    sides = [("base", "mean_rank"), ("dpo", "mean_rank"), ("reward", "reward_mean_rank"), ("favour", "survey")]
    return [
        replace(PAIR, left=left, left_measure=by, right=right, right_measure=other)
        for place, (left, by) in enumerate(sides)
        for right, other in sides[place + 1 :]
    ]


def cells(drawn: str) -> list[list[str]]:
    matrix = drawn[drawn.index('<table class="matrix">') : drawn.index("</table>")]
    return [re.findall(r"<td [^>]*>([^<]*)", line) for line in matrix.split("<tr>")[2:]]


def test_a_matrix_holds_every_pair_once() -> None:
    found = cells(correlations(triangle()))
    assert [len(row) for row in found] == [0, 1, 2, 3]
    assert {cell for row in found for cell in row} == {"0.585"}


def test_the_numbers_stand_below_with_interval_p_and_groups() -> None:
    drawn = correlations([PAIR])
    listing = drawn[drawn.index('<table class="listing">') :]
    assert re.findall(r"<td>([^<]*)</td>", listing) == ["0.585", "0.55 to 0.62", "&lt; 0.001", "0.41", "181"]


def test_what_is_not_known_is_written_out_with_its_reason() -> None:
    unknown = replace(PAIR, spearman=nan, kendall=nan, low=nan, high=nan, p=nan, n=1)
    drawn = correlations([unknown])
    assert "only 1 group on both sides" in drawn
    assert "nan" not in drawn.lower().replace("<nav", "")
    assert cells(drawn)[1] == ["–"]
    assert "all groups of one side are tied" in correlations([replace(unknown, n=9)])
    assert "too few independent clusters" in correlations([replace(PAIR, low=nan, high=nan)])


def test_opposed_orders_have_another_colour() -> None:
    assert 'class="number opposed" style="--much:58%"' in correlations([replace(PAIR, spearman=-0.5849)])


def test_a_page_shows_them_in_the_section_of_their_audit(sandbox_findings: Findings) -> None:
    page = document(replace(sandbox_findings, correlations=(PAIR,)), "")
    assert page.count("Who stands where") == 1
    assert page.index("Who stands where") > page.index(">reading<")
    assert "Who stands where" not in document(sandbox_findings, "")
