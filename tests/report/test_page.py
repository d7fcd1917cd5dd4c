"""The page: one file that asks for nothing; every row stands in it, all text is text, and the verdict comes first."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from itertools import pairwise
from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest

from pluralign.records.estimate import ALL
from pluralign.records.findings import Findings
from pluralign.records.measure import Measure
from pluralign.report.page import POLICY, document, write
from pluralign.report.wording import unit_of

HEADLINE = "From base to dpo, 3 of 9 groups gained, Hindi lost 9 points."
LOADING = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}
VOID = {"meta", "link", "br", "img", "hr", "input"}
HOSTILE = {
    "de": "<script>alert(1)</script>",
    "es": "\" onload='alert(2)' x=\"&amp;]]><!--",
    "hi": "हिन्दी बोलने वाले लोग और उनके पड़ोसी " * 3,
    "ar": "العربية الفصحى (مصر)",
    "sw": "",
    "en_in": "x" * 500,
    "base": "</style></title><img src=x onerror=alert(3)>",
    "sft": "one\u202etwo\ud800\x00three",
    "accuracy": "<b>accuracy</b>",
    "Quickstart": "</title><script>alert(4)</script>",
}


class Page(HTMLParser):
    """Elements in order with their attributes, the text of each, and the tags that were closed in the wrong order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.misplaced: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.misplaced.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def unclosed(self) -> list[str]:
        return self._open

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    def text(self) -> str:
        return " ".join(data for tag, data in self.texts if tag != "style")


def exchanged(value: Any) -> Any:
    """The same findings with hostile text in the place of plain one."""
    if isinstance(value, str):
        return HOSTILE.get(value, value)
    if isinstance(value, tuple):
        return tuple(map(exchanged, value))
    if isinstance(value, dict):
        return {exchanged(key): exchanged(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        free = [field.name for field in fields(value) if field.name not in ("kind", "verdict", "better")]
        return replace(value, **{name: exchanged(getattr(value, name)) for name in free})
    return value


@pytest.fixture(scope="module")
def sandbox_page(sandbox_findings: Findings) -> Page:
    return Page(document(sandbox_findings, HEADLINE))


@pytest.fixture(scope="module")
def recorded_text(recorded_findings: Findings) -> str:
    return document(recorded_findings, HEADLINE)


@pytest.fixture(scope="module")
def recorded_page(recorded_text: str) -> Page:
    return Page(recorded_text)


@pytest.fixture(scope="module")
def hostile_text(sandbox_findings: Findings) -> str:
    odd = replace(
        exchanged(sandbox_findings),
        notices=("<script>alert(5)</script>",),
        provenance={"<i>key</i>": "<script>alert(6)</script>"},
    )
    return document(odd, "<script>alert(7)</script>")


def tables(text: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Caption and rows of every table, as plain text."""
    for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
        caption = re.search(r"<caption>(.*?)</caption>", table)
        rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1], re.DOTALL)
        cells = [
            [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows
        ]
        yield caption[1] if caption else "", cells


@pytest.mark.parametrize("page", ["sandbox_page", "recorded_page"])
def test_the_page_is_well_formed_and_its_anchors_are_unique(page: str, request: pytest.FixtureRequest) -> None:
    found: Page = request.getfixturevalue(page)
    assert not found.misplaced
    assert not found.unclosed()
    anchors = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(anchors) == len(set(anchors))


@pytest.mark.parametrize("page", ["sandbox_page", "recorded_page"])
def test_nothing_refers_to_anything_outside_the_page(page: str, request: pytest.FixtureRequest) -> None:
    found: Page = request.getfixturevalue(page)
    anchors = {attributes.get("id") for _, attributes in found.elements}
    for tag, attributes in found.elements:
        for name in LOADING & attributes.keys():
            target = attributes[name] or ""
            assert target == "data:," or target.removeprefix("#") in anchors, (tag, name, target)
    assert found.count("script") == found.count("iframe") == found.count("img") == 0
    styles = " ".join(data for tag, data in found.texts if tag == "style")
    assert "url(" not in styles
    assert "@import" not in styles


def test_the_policy_forbids_loading(sandbox_page: Page) -> None:
    policies = [
        each["content"] for tag, each in sandbox_page.elements if each.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [POLICY]
    assert "default-src 'none'" in POLICY
    assert "script-src" not in POLICY


def test_hostile_text_stays_text(hostile_text: str) -> None:
    page = Page(hostile_text)
    assert not page.misplaced
    assert not page.unclosed()
    assert page.count("script") == page.count("img") == 0
    assert next(data for tag, data in page.texts if tag == "title") == HOSTILE["Quickstart"]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    text = page.text()
    assert all(f"alert({number})" in text for number in (1, 2, 3, 4, 5, 6, 7))


def test_hostile_figures_are_well_formed(hostile_text: str) -> None:
    figures = re.findall(r'<svg class="drawing".*?</svg>', hostile_text, re.DOTALL)
    assert figures
    for figure in figures:
        ET.fromstring(figure)


def test_hostile_text_can_be_written(sandbox_findings: Findings, tmp_path: Path) -> None:
    path = write(exchanged(sandbox_findings), HEADLINE, tmp_path)
    assert "\\ud800" in path.read_text(encoding="utf-8")


def test_the_file_is_written_whole_and_alone(sandbox_findings: Findings, tmp_path: Path) -> None:
    path = write(sandbox_findings, HEADLINE, tmp_path)
    assert [path] == list(tmp_path.iterdir()) == [tmp_path / "index.html"]
    assert path.read_text(encoding="utf-8") == document(sandbox_findings, HEADLINE)


def test_a_failed_write_leaves_the_old_page(sandbox_findings: Findings, tmp_path: Path) -> None:
    path = write(sandbox_findings, HEADLINE, tmp_path)
    before = path.read_text(encoding="utf-8")
    stranger = replace(sandbox_findings.estimates[0], measure="unheard")
    with pytest.raises(ValueError, match="unheard"):
        write(replace(sandbox_findings, estimates=(stranger,)), HEADLINE, tmp_path)
    assert path.read_text(encoding="utf-8") == before
    assert list(tmp_path.iterdir()) == [path]


def test_equal_findings_make_equal_pages(sandbox_findings: Findings) -> None:
    assert document(sandbox_findings, HEADLINE) == document(sandbox_findings, HEADLINE)


def test_sections_stand_in_order(sandbox_page: Page, sandbox_findings: Findings) -> None:
    text = sandbox_page.text()
    places = [
        (text.rindex if part in ("Method, in plain words", "Provenance") else text.index)(part)
        for part in (
            sandbox_findings.title + " " + HEADLINE,
            "Before you believe it",
            "At a glance",
            sandbox_findings.audits[0].description,
            "change of the gap to American English",
            "each group's own gains and losses",
            "stage by stage",
            "the numbers",
            sandbox_findings.audits[1].description,
            "Method, in plain words",
            "Provenance",
            "pluralign run recipes/quickstart.toml",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("page", ["sandbox_page", "recorded_page"])
def test_headings_never_skip_a_level(page: str, request: pytest.FixtureRequest) -> None:
    found: Page = request.getfixturevalue(page)
    depths = [int(tag[1]) for tag, _ in found.elements if re.fullmatch(r"h[1-6]", tag)]
    assert depths[0] == 1
    assert depths.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(depths))


@pytest.mark.parametrize("page", ["sandbox_page", "recorded_page"])
def test_figures_and_tables_can_be_heard(page: str, request: pytest.FixtureRequest) -> None:
    found: Page = request.getfixturevalue(page)
    drawings = [attributes for tag, attributes in found.elements if attributes.get("class") == "drawing"]
    assert drawings
    assert all(each.get("role") == "img" and len(each.get("aria-label") or "") > 40 for each in drawings)
    assert found.count("table") == found.count("caption")
    assert all("scope" in attributes for tag, attributes in found.elements if tag == "th")
    assert ("html", {"lang": "en"}) in found.elements


def test_a_shortened_audit_is_said_at_the_top_and_at_the_audit(sandbox_page: Page) -> None:
    text = sandbox_page.text()
    said = "Shortened: reading asked only 20 items (--limit)"
    assert text.count(said) == 2
    assert text.index(said) < text.index("At a glance") < text.rindex(said)


def test_incomparable_levels_are_said_at_the_top_and_at_the_audit(sandbox_page: Page) -> None:
    text = sandbox_page.text()
    assert "dialects: levels cannot be compared between groups (accuracy)" in text
    assert "Levels cannot be compared between groups here" in text
    assert "(compare along a line, not between lines)" in text


def test_without_a_reference_group_the_page_speaks_of_no_gap(sandbox_findings: Findings) -> None:
    unknown = dict.fromkeys(("relative_gain", "relative_low", "relative_high", "relative_p"), nan)
    alone = [
        replace(row, relative_to="", **unknown) if row.audit == "dialects" else row for row in sandbox_findings.changes
    ]
    text = Page(document(replace(sandbox_findings, changes=tuple(alone)), HEADLINE)).text()
    assert "because the groups answered different questions; compare a group's own change only." in text
    assert "Compare a group's own change only." in text
    assert "only the change of a gap speaks" not in text
    assert "Read the change of the gap first" not in text


def test_at_a_glance_are_only_ways_that_were_compared(sandbox_findings: Findings) -> None:
    way = ("base", "reward")
    fewer = replace(
        sandbox_findings,
        transitions=tuple(one for one in sandbox_findings.transitions if one != way),
        changes=tuple(row for row in sandbox_findings.changes if (row.from_stage, row.to_stage) != way),
        summaries=tuple(row for row in sandbox_findings.summaries if (row.from_stage, row.to_stage) != way),
    )
    glance = document(fewer, HEADLINE).split('id="glance"')[1].split("</section>")[0]
    assert "base → dpo" in glance
    assert "base → reward" not in glance
    assert "not audited" not in glance


def test_at_a_glance_claims_no_lack_of_what_has_no_change(sandbox_findings: Findings) -> None:
    measure = Measure("share that gained over the reference", changes=False)
    audit = replace(sandbox_findings.audits[0], measures={**sandbox_findings.audits[0].measures, "implicit": measure})
    more = replace(sandbox_findings, audits=(audit, *sandbox_findings.audits[1:]))
    glance = document(more, HEADLINE).split('id="glance"')[1].split("</section>")[0]
    row = next(row for row in glance.split("<tr>") if "implicit" in row)
    assert "levels only" in row
    assert "not audited" not in row


def test_at_a_glance_tells_no_answers_from_answers_without_the_measure(sandbox_findings: Findings) -> None:
    (dialects, reading) = sandbox_findings.audits
    asked = replace(reading, measures={**reading.measures, "summed": Measure("share")})
    glance = document(replace(sandbox_findings, audits=(dialects, asked)), HEADLINE).split('id="glance"')[1]
    rows = glance.split("</section>")[0].split("<tr>")
    cells = {name: next(row for row in rows if f">{name}</bdi></a>" in row) for name in ("summed",)}
    assert cells["summed"].count("no value") == 2
    dialects_row = next(row for row in rows if "<small><bdi>dialects</bdi></small>" in row)
    assert dialects_row.count("not audited") == 1, "the reward model was not asked"


def test_what_has_no_change_has_no_margin_of_change(sandbox_findings: Findings) -> None:
    (dialects, reading) = sandbox_findings.audits
    fixed = replace(reading, measures={"accuracy": replace(reading.measures["accuracy"], changes=False)})
    sections = document(replace(sandbox_findings, audits=(dialects, fixed)), HEADLINE).split('class="audit"')
    assert "do not matter." in sections[1]
    assert "do not matter." not in sections[2].split("</section>")[0]


def test_many_measures_are_counted_in_the_notice(sandbox_findings: Findings) -> None:
    (dialects, reading) = sandbox_findings.audits
    own = dialects.measures["accuracy"]
    many = replace(dialects, measures={f"accuracy {place}": own for place in range(16)})
    bare = replace(sandbox_findings, audits=(many, reading), estimates=(), changes=(), summaries=())
    assert "dialects: levels cannot be compared between groups (all 16 measures), because" in document(bare, HEADLINE)
    mixed = replace(many, measures={**many.measures, "fair": reading.measures["accuracy"]})
    assert "(16 of 17 measures), because" in document(replace(bare, audits=(mixed, reading)), HEADLINE)


def test_at_a_glance_says_where_slices_overlap(sandbox_findings: Findings) -> None:
    said = "who answers in several slices counts in each"
    assert said not in document(sandbox_findings, HEADLINE)
    twice = (*sandbox_findings.changes, *(replace(row, slice="age") for row in sandbox_findings.changes))
    assert said in document(replace(sandbox_findings, changes=twice), HEADLINE)


def test_every_notice_and_sentence_stands(recorded_findings: Findings, recorded_page: Page) -> None:
    text = recorded_page.text()
    assert all(notice in text for notice in recorded_findings.notices)
    assert all(row.sentence in text for row in recorded_findings.summaries)


def test_every_change_and_estimate_stands_in_a_table(recorded_findings: Findings, recorded_text: str) -> None:
    found = list(tables(recorded_text))
    changes = [row for caption, rows in found if "every change" in caption for row in rows]
    estimates = [row for caption, rows in found if "every stage" in caption for row in rows]
    assert len(changes) == len(recorded_findings.changes)
    assert len(estimates) == len(recorded_findings.estimates)
    units = {(a.name, name): unit_of(measure) for a in recorded_findings.audits for name, measure in a.measures.items()}
    expected = sorted(
        (f"{row.from_stage} → {row.to_stage}", units[row.audit, row.measure].change(row.gain), f"{row.n:,}")
        for row in recorded_findings.changes
    )
    assert sorted((row[0], row[2], row[-2]) for row in changes) == expected


def test_what_is_not_known_is_written_and_explained(sandbox_findings: Findings) -> None:
    found = dict(tables(document(sandbox_findings, HEADLINE)))
    changes = [row for caption, rows in found.items() if "every change" in caption for row in rows if "Arabic" in row]
    assert len(changes) == sum(row.group == "ar" and isnan(row.gain) for row in sandbox_findings.changes) > 0
    assert all(row[2] == row[3] == "not known" and row[-1] == "no item was answered at both stages" for row in changes)
    estimates = [row for caption, rows in found.items() if "every stage" in caption for row in rows if "Arabic" in row]
    assert all(row[2] == "not known" and "no usable answer" in row[-1] for row in estimates)


def test_no_number_reads_nan(sandbox_findings: Findings) -> None:
    shown = re.sub(r"<style>.*?</style>", "", document(sandbox_findings, HEADLINE), flags=re.DOTALL)
    assert not re.search(r"\bnan\b", shown)


def test_a_page_without_anything_measured_says_so(sandbox_findings: Findings) -> None:
    bare = replace(sandbox_findings, estimates=(), changes=(), summaries=(), transitions=())
    text = Page(document(bare, "Nothing could be measured.")).text()
    assert text.count("No stage gave a value.") == 2


def test_one_stage_alone_is_shown_without_changes(sandbox_findings: Findings) -> None:
    alone = replace(
        sandbox_findings,
        stages=sandbox_findings.stages[:1],
        transitions=(),
        changes=(),
        summaries=(),
        estimates=tuple(row for row in sandbox_findings.estimates if row.stage == "base"),
    )
    page = Page(document(alone, "One stage only."))
    assert "gains and losses" not in page.text()
    assert sum(attributes.get("role") == "img" for _, attributes in page.elements) == 2


def test_a_group_without_a_known_gap_is_not_taken_for_zero(sandbox_findings: Findings) -> None:
    rows = tuple(
        replace(row, relative_gain=nan, relative_low=nan, relative_high=nan, relative_p=nan, relative_p_adjusted=nan)
        if row.group == "en_in"
        else row
        for row in sandbox_findings.changes
    )
    text = document(replace(sandbox_findings, changes=rows), HEADLINE)
    assert "Indian English: the change of the reference group is not known" in text


def test_shares_stand_for_all_groups_but_everyone(sandbox_findings: Findings) -> None:
    assert {row.group for row in sandbox_findings.changes} >= {ALL}
    for summary in sandbox_findings.summaries:
        groups = {
            row.group
            for row in sandbox_findings.changes
            if (row.audit, row.from_stage, row.to_stage) == (summary.audit, summary.from_stage, summary.to_stage)
        }
        assert summary.gain + summary.loss + summary.equivalent + summary.inconclusive == len(groups) - 1


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if found is None:
        pytest.skip("needs chromium or chrome to load the page in")
    return found


def loaded(browser: str, path: Path, profile: Path) -> tuple[str, list[str], set[str]]:
    """The page as a browser has it, the lines of its console, and what the page (not the browser) asked for."""
    log = profile.with_suffix(".json")
    quiet = ("background-networking", "component-update", "sync", "default-apps", "extensions", "gpu", "dev-shm-usage")
    command = [
        browser, "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{part}" for part in quiet),
        "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}",
        f"--log-net-log={log}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    parameters = [event.get("params", {}) for event in json.loads(log.read_text(encoding="utf-8"))["events"]]
    asked = {each["url"] for each in parameters if "url" in each and each.get("initiator") == "null"}
    return done.stdout, console, asked


def test_a_browser_shows_the_page_and_asks_for_nothing(
    browser: str, sandbox_findings: Findings, tmp_path: Path
) -> None:
    path = write(exchanged(sandbox_findings), HEADLINE, tmp_path)
    shown, console, asked = loaded(browser, path, tmp_path / "profile")
    page = Page(shown)
    assert next(data for tag, data in page.texts if tag == "title") == HOSTILE["Quickstart"]
    assert sum(attributes.get("role") == "img" for _, attributes in page.elements) > 10
    assert page.count("script") == page.count("img") == 0
    assert not console
    assert not asked


def test_the_browser_would_have_told(browser: str, tmp_path: Path) -> None:
    path = tmp_path / "loud.html"
    path.write_text('<img src="http://nowhere.invalid/x.png"><script>console.error("loud")</script>', encoding="utf-8")
    _, console, asked = loaded(browser, path, tmp_path / "profile")
    assert "loud" in console[0]
    assert asked == {"http://nowhere.invalid/x.png"}


def test_the_policy_is_kept_by_the_browser(browser: str, sandbox_findings: Findings, tmp_path: Path) -> None:
    path = tmp_path / "smuggled.html"
    page = document(sandbox_findings, HEADLINE)
    smuggled = '<img src="http://nowhere.invalid/x.png"><script>document.title = "taken"</script></body>'
    path.write_text(page.replace("</body>", smuggled), encoding="utf-8")
    shown, console, asked = loaded(browser, path, tmp_path / "profile")
    assert "<title>Quickstart</title>" in shown
    assert len(console) >= 2
    assert not asked


def test_no_term_is_explained_twice(sandbox_findings: Findings) -> None:
    terms = re.findall(r"<dt>(.*?)</dt>", document(sandbox_findings, HEADLINE))
    assert len(terms) == len(set(terms)) > 5
