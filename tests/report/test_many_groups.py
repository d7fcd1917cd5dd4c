"""Figures of an audit with more groups than fit: the extremes, the reference group, everyone, a word about the rest."""

import re
from dataclasses import replace

import pytest

from pluralign.records.findings import Findings
from pluralign.report.excerpt import Excerpt, excerpts
from pluralign.report.figures import EXTREMES, gains, gap_changes
from pluralign.report.page import document

GROUPS = 180


@pytest.fixture(scope="module")
def crowded(sandbox_findings: Findings) -> Findings:
    """Every change of Spanish once for each of many groups, further and further down; English is the reference."""

    def many(rows: tuple) -> tuple:
        others = [row for row in rows if row.audit == "reading" and row.group in ("en", "all")]
        made = [row for row in rows if row.audit == "reading" and row.group == "es"]
        return (*others, *(moved(row, place) for row in made for place in range(GROUPS)))

    def moved(row, place: int):
        if not hasattr(row, "gain"):
            return replace(row, group=f"g{place:03}", code=f"g{place:03}")
        gain = 0.3 - 0.003 * place
        own = {"gain": gain, "low": gain - 0.01, "high": gain + 0.01}
        relative = {"relative_gain": gain, "relative_low": gain - 0.01, "relative_high": gain + 0.01}
        return replace(row, group=f"g{place:03}", code=f"g{place:03}", **own, **relative)

    return replace(
        sandbox_findings,
        estimates=many(sandbox_findings.estimates),
        changes=many(sandbox_findings.changes),
        summaries=(),
    )


@pytest.fixture(scope="module")
def excerpt(crowded: Findings) -> Excerpt:
    return excerpts(crowded, next(audit for audit in crowded.audits if audit.name == "reading"), "accuracy")[0]


def names(figure: str) -> list[str]:
    return re.findall(r'class="label(?: strong)?">(?:<title>[^<]*</title>)?([^<]*)<', figure)


def test_a_figure_has_both_ends_the_reference_and_everyone(excerpt: Excerpt) -> None:
    for figure in gains(excerpt).split("<figure>")[1:]:
        shown = names(figure)
        assert shown[:EXTREMES] == [f"g{place:03}" for place in range(EXTREMES)]
        assert shown[EXTREMES] == "English"
        assert shown[EXTREMES + 1 : -1] == [f"g{place:03}" for place in range(GROUPS - EXTREMES, GROUPS)]
        assert shown[-1] == "Everyone"


def test_gaps_are_drawn_alike_without_everyone(excerpt: Excerpt) -> None:
    for figure in gap_changes(excerpt).split("<figure>")[1:]:
        assert len(names(figure)) == 2 * EXTREMES + 1
        assert "Everyone" not in names(figure)


def test_a_word_says_what_is_left_out_and_the_count_is_of_all(excerpt: Excerpt) -> None:
    drawn = gains(excerpt)
    assert f"Of {GROUPS + 1} groups" in drawn
    counted = re.findall(r"In points: ([^<]*)", drawn)
    assert {sum(map(int, re.findall(r"\d+", each))) for each in counted} == {GROUPS + 1}


def test_few_groups_are_all_drawn(sandbox_findings: Findings) -> None:
    audit = next(audit for audit in sandbox_findings.audits if audit.name == "reading")
    assert "each figure has" not in gains(excerpts(sandbox_findings, audit, "accuracy")[0])


def test_the_tables_have_all_and_the_page_stays_small(crowded: Findings) -> None:
    page = document(crowded, "")
    assert all(page.count(f">g{place:03}<") >= 5 for place in range(GROUPS))
    rows = len(crowded.estimates) + len(crowded.changes)
    assert len(page) < 150_000 + 700 * rows
