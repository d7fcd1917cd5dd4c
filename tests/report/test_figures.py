"""Figures: what is drawn where, what is said in words, and that no name and no missing number breaks them."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from math import inf, isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.records.estimate import ALL
from pluralign.records.findings import Audit, Findings
from pluralign.records.stage import Stage
from pluralign.report.drawing import POINTS, SMALL, WIDTH, Scale, letters, lines, shortened, ticks
from pluralign.report.excerpt import Excerpt, excerpts
from pluralign.report.figures import gains, gap_changes
from pluralign.report.forest import Axis, Bar, forest, reach
from pluralign.report.ladders import Ladder, kept, ladders, whole_ways
from pluralign.report.levels import levels
from pluralign.report.slope import Levels, Line, slope, span, spread
from pluralign.report.wording import Unit, p_value

SHARE = Unit("share")
NAMES = st.text(max_size=60)
VALUES = st.floats(-1, 1)


def bar(label: str = "German", value: float = 0.1, half: float = 0.02, kind: str = "gain", apart: bool = False) -> Bar:
    return Bar(label=label, value=value, low=value - half, high=value + half, kind=kind, apart=apart)


def axis(limit: float = 0.2, margin: float | None = 0.02) -> Axis:
    return Axis(limit=limit, margin=margin, unit=SHARE, ends=("worse", "better"))


def parsed(drawn: str) -> ET.Element:
    return ET.fromstring(drawn)


def one(findings: Findings, audit: str, measure: str = "accuracy") -> Excerpt:
    found: Audit = next(each for each in findings.audits if each.name == audit)
    return excerpts(findings, found, measure)[0]


def printable(text: str) -> bool:
    return all(letter >= " " and not "\ud800" <= letter <= "\udfff" and letter not in "\ufffe\uffff" for letter in text)


@given(low=st.floats(-1e6, 1e6), wide=st.floats(1e-3, 1e6), wanted=st.integers(3, 8))
def test_ticks_are_round_few_and_inside(low: float, wide: float, wanted: int) -> None:
    found = ticks(low, low + wide, wanted)
    room = 1e-6 * (abs(low) + wide)
    assert 1 <= len(found) <= wanted + 1
    assert all(low - room <= tick <= low + wide + room for tick in found)
    steps = {f"{(right - left):.3g}" for left, right in pairwise(found)}
    assert all(float(step) == pytest.approx(float(f"{float(step):.0e}"), rel=1e-2) for step in steps)


@given(st.floats(1e-6, 1e6))
def test_a_symmetric_axis_has_ticks_at_zero_and_on_either_side(limit: float) -> None:
    found = ticks(-limit, limit, 5)
    assert 0.0 in found
    assert found[0] < 0 < found[-1] == -found[0]


@given(NAMES, st.floats(10, 200))
def test_a_shortened_text_fits_and_is_a_beginning(text: str, room: float) -> None:
    shown = shortened(text, room)
    assert letters(shown) * SMALL <= room + 1e-9
    assert shown == text or text.startswith(shown.removesuffix("…"))


def test_a_text_is_never_cut_between_a_letter_and_its_joining_mark() -> None:
    marked = "e\u0301" * 40
    assert all(shortened(marked, float(room)).removesuffix("…")[-1:] in ("", "\u0301") for room in range(20, 150))


@given(NAMES.filter(lambda text: bool(text.strip())), st.integers(1, 4))
def test_a_name_over_several_lines_keeps_within_them(name: str, most: int) -> None:
    rows = lines(name, 60.0, most)
    assert 1 <= len(rows) <= most
    assert all(letters(row) * SMALL <= 60 + 1e-9 for row in rows)


@given(st.lists(st.floats(0, 200), max_size=12))
def test_spread_names_keep_order_distance_and_bounds(wanted: list[float]) -> None:
    placed = spread(wanted, 13.0, 0.0, 200.0)
    pairs = sorted(zip(wanted, placed, strict=True))
    assert [place for _, place in pairs] == sorted(place for _, place in pairs) or len(set(wanted)) < len(wanted)
    gaps = sorted(placed)
    assert all(right - left >= 13 - 1e-9 for left, right in pairwise(gaps))
    assert all(-1e-9 <= place <= 200 + 1e-9 for place in placed)


@given(
    st.lists(st.builds(bar, label=NAMES.filter(printable), value=VALUES, half=st.floats(0, 1)), min_size=1, max_size=9)
)
@settings(max_examples=60)
def test_a_forest_plot_holds_every_name_whole_or_as_its_tool_tip(bars: list[Bar]) -> None:
    drawn = parsed(forest(bars, axis(reach(bars, 0.02)), "message"))
    texts = ["".join(text.itertext()) for text in drawn.iter("text")]
    assert all(any(text.startswith(each.label) for text in texts) for each in bars)


@given(st.lists(st.tuples(VALUES, st.floats(0, 1)), min_size=1, max_size=12))
def test_nothing_of_a_forest_plot_leaves_the_figure(values: list[tuple[float, float]]) -> None:
    bars = [bar(value=value, half=half) for value, half in values]
    drawn = parsed(forest(bars, axis(reach(bars, 0.02)), "message"))
    places = [float(line.attrib[end]) for line in drawn.iter("line") for end in ("x1", "x2")]
    marks = [float(x) for x in re.findall(r"translate\(([-\d.]+) ", ET.tostring(drawn, encoding="unicode"))]
    assert all(0 <= place <= WIDTH for place in places + marks)


def test_a_gain_lies_right_of_zero_and_a_loss_left_with_other_shapes_and_words() -> None:
    drawn = forest([bar(value=0.1), bar(value=-0.1, kind="loss")], axis(), "message")
    marks = re.findall(r'<path d="([^"]+)" transform="translate\(([\d.]+) [\d.]+\)" class="point (\w+)"', drawn)
    zero = re.search(r'x1="([\d.]+)"[^>]*class="zero"', drawn)
    assert zero is not None
    (gain, right, first), (loss, left, second) = marks
    assert (first, second) == ("gain", "loss")
    assert float(left) < float(zero[1]) < float(right)
    assert gain != loss
    assert ">gained<" in drawn
    assert ">lost<" in drawn


def test_every_verdict_has_a_shape_of_its_own() -> None:
    shapes = [POINTS[kind] for kind in ("gain", "loss", "equivalent", "inconclusive", "described")]
    assert len(set(shapes)) == len(shapes)


def test_an_unknown_change_is_written_out_and_not_drawn() -> None:
    unknown = Bar(label="Swahili", value=nan, low=nan, high=nan, kind="inconclusive")
    drawn = forest([unknown], axis(), "message")
    assert ">not known<" in drawn
    assert 'class="point' not in drawn
    assert "nan" not in drawn.lower()


def test_a_change_without_interval_is_drawn_without_a_line() -> None:
    drawn = forest([Bar(label="Swahili", value=0.1, low=nan, high=nan, kind="inconclusive")], axis(), "message")
    place = re.search(r'<line x1="([\d.]+)"[^>]*x2="([\d.]+)"[^>]*class="interval', drawn)
    assert place is not None
    assert place[1] == place[2]
    assert "nan" not in drawn.lower()


def test_one_wild_interval_does_not_press_the_others_flat_and_is_marked() -> None:
    bars = [bar(value=0.01 * place, half=0.02) for place in range(10)] + [bar(value=0.0, half=5.0)]
    limit = reach(bars, 0.02)
    assert 0.11 <= limit <= 0.3
    assert forest(bars, axis(limit), "message").count('class="beyond') == 2


@pytest.mark.parametrize("value", [0.0, nan])
def test_an_axis_without_anything_to_show_still_has_a_length(value: float) -> None:
    assert reach([Bar(label="a", value=value, low=nan, high=nan, kind="inconclusive")], None) > 0


def test_the_band_is_as_wide_as_the_margin() -> None:
    drawn = parsed(forest([bar()], axis(limit=0.2, margin=0.05), "message"))
    band = next(each for each in drawn.iter("rect") if each.attrib["class"] == "band")
    grid = {float(each.attrib["x1"]) for each in drawn.iter("line") if each.attrib["class"] in ("grid", "zero")}
    marks = ticks(-0.2, 0.2, 5)
    per_unit = (max(grid) - min(grid)) / (marks[-1] - marks[0])
    assert float(band.attrib["width"]) == pytest.approx(0.1 * per_unit, abs=0.2)
    assert not list(parsed(forest([bar()], axis(margin=None), "message")).iter("rect"))


def line(label: str, values: tuple[float, ...], part: str = "group", faint: bool = False) -> Line:
    low, high = tuple(value - 0.01 for value in values), tuple(value + 0.01 for value in values)
    return Line(label=label, values=values, lows=low, highs=high, colour=0, part=part, faint=faint)


def drawn_slope(several: list[Line], rungs: tuple[str, ...] = ("base", "sft", "dpo")) -> str:
    low, high = span(several, (0.0, 1.0), None)
    return slope(rungs, several, Levels(low=low, high=high, unit=SHARE, chance=None), "message")


def test_a_line_breaks_where_a_value_is_not_known() -> None:
    whole, torn = drawn_slope([line("a", (0.1, 0.2, 0.3))]), drawn_slope([line("a", (0.1, nan, 0.3))])
    assert whole.count('class="path') == 2
    assert torn.count('class="path') == 0
    assert torn.count('class="spot') == 3
    assert "nan" not in torn.lower()


def test_a_line_of_nothing_known_says_so() -> None:
    assert ">not known: a<" in drawn_slope([line("a", (nan, nan, nan))])


def test_a_higher_value_is_drawn_higher() -> None:
    drawn = drawn_slope([line("a", (0.1, 0.2, 0.9))])
    heights = [float(y) for y in re.findall(r'translate\([\d.]+ ([\d.]+)\)" class="spot', drawn)][:3]
    assert heights[0] > heights[1] > heights[2]


def test_a_long_ladder_numbers_its_rungs() -> None:
    rungs = tuple(f"checkpoint-{place}" for place in range(9))
    drawn = drawn_slope([line("a", tuple(0.1 * place for place in range(9)))], rungs)
    assert "checkpoint" not in drawn
    assert ">9<" in drawn


@given(low=st.floats(-10, 10), high=st.floats(-10, 10), value=st.floats(-10, 10))
def test_a_held_pixel_stays_between_the_ends(low: float, high: float, value: float) -> None:
    if high - low < 1e-3:
        return
    assert -1e-6 <= Scale(low, high, 0.0, 100.0).inside(value) <= 100 + 1e-6


STAGES = (
    Stage(name="base", kind="base"),
    Stage(name="sft", kind="sft", parents=("base",)),
    Stage(name="reward", kind="reward", parents=("sft",)),
    Stage(name="dpo", kind="policy", parents=("sft",)),
    Stage(name="other", kind="model"),
)


def test_ladders_run_from_every_bottom_to_every_top() -> None:
    found = ladders(STAGES)
    assert [ladder.rungs for ladder in found] == [("base", "sft", "dpo"), ("base", "sft", "reward"), ("other",)]
    assert [ladder.joined for ladder in found] == [True, True, False]


def test_whole_ways_are_those_that_are_compared() -> None:
    steps = (("base", "sft"), ("sft", "dpo"))
    assert whole_ways(STAGES, (*steps, ("base", "reward"), ("base", "dpo"))) == (("base", "dpo"), ("base", "reward"))
    assert whole_ways(STAGES, (*steps, ("base", "dpo"))) == (("base", "dpo"),)
    assert whole_ways(STAGES[:3], steps) == (("base", "sft"),)


def test_an_ensemble_stands_on_all_its_parents() -> None:
    stages = (*STAGES, Stage(name="both", kind="policy", parents=("dpo", "reward")))
    assert [ladder.rungs[-2:] for ladder in ladders(stages) if ladder.joined] == [("dpo", "both"), ("reward", "both")]


def test_a_ladder_cut_to_the_beginning_of_another_is_not_shown_twice() -> None:
    assert kept(ladders(STAGES), frozenset({"base", "sft", "dpo"})) == (Ladder(("base", "sft", "dpo")),)


def test_a_stage_above_itself_is_refused() -> None:
    stages = (Stage(name="a", kind="sft", parents=("b",)), Stage(name="b", kind="sft", parents=("a",)))
    top = Stage(name="top", kind="sft", parents=("a",))
    with pytest.raises(ValueError, match="above itself"):
        ladders((*stages, top))


def test_gains_hold_one_figure_per_transition_and_lead_with_whole_ladders(recorded_findings: Findings) -> None:
    excerpt = one(recorded_findings, "tydiqa", "f1")
    drawn = gains(excerpt)
    assert drawn.count('role="img"') == len(recorded_findings.transitions)
    leading = drawn.split("<details>")[0]
    assert leading.count('role="img"') == 4
    assert leading.count("whole ladder") == 4


def test_everyone_stands_apart_at_the_end(sandbox_findings: Findings) -> None:
    excerpt = one(sandbox_findings, "reading")
    assert excerpt.groups[-1] == ALL
    rows = re.findall(r'class="label( strong)?">([^<]+)<', gains(excerpt))
    assert {name for strong, name in rows if strong} == {"Everyone"}


def test_groups_stand_in_the_order_of_their_gain(sandbox_findings: Findings) -> None:
    excerpt = one(sandbox_findings, "reading")
    whole = excerpt.wholes[0]
    means = {
        group: sum(
            row.gain
            for row in excerpt.changes
            if row.group == group and (row.from_stage, row.to_stage) in excerpt.wholes
        )
        for group in excerpt.groups
    }
    shown = [means[row.group] for row in excerpt.between(whole) if row.group != ALL]
    known = [mean for mean in shown if not isnan(mean)]
    assert known == sorted(known, reverse=True)
    assert [isnan(mean) for mean in shown] == sorted(isnan(mean) for mean in shown)


def test_gap_figures_leave_everyone_out_and_mark_the_reference(sandbox_findings: Findings) -> None:
    drawn = gap_changes(one(sandbox_findings, "dialects"))
    assert "Everyone" not in drawn
    assert drawn.count(">reference<") == 3


def test_a_figure_says_why_something_is_not_known(sandbox_findings: Findings) -> None:
    drawn = gains(one(sandbox_findings, "reading"))
    assert "Arabic: no item was answered at both stages" in drawn
    assert "Swahili: no interval: only 3 independent clusters" in drawn


def test_a_describing_measure_is_not_judged(recorded_findings: Findings) -> None:
    drawn = gains(one(recorded_findings, "dialects", "answered"))
    assert "change, not judged" in drawn
    assert not re.search(r">(gained|lost|unclear)<", drawn)
    assert "← lower" in drawn


def test_messages_name_the_extremes(sandbox_findings: Findings) -> None:
    excerpt = one(sandbox_findings, "reading")
    message = re.search(r'aria-label="([^"]+)"', gains(excerpt))
    assert message is not None
    rows = [row for row in excerpt.between(excerpt.wholes[0]) if row.group != ALL and not isnan(row.gain)]
    best = max(rows, key=lambda row: row.gain)
    assert f"most: {excerpt.label(best.group)} {SHARE.change(best.gain)} points" in message[1]
    assert "Arabic: not known" in message[1]


def test_levels_name_the_stages_without_a_value(sandbox_findings: Findings) -> None:
    assert "No value here: reward." in levels(one(sandbox_findings, "dialects"))


def test_seeds_are_told_apart(sandbox_findings: Findings) -> None:
    twice = [
        *sandbox_findings.estimates,
        *(replace(row, seed=1) for row in sandbox_findings.estimates if row.stage != "base"),
    ]
    excerpt = one(replace(sandbox_findings, estimates=tuple(twice)), "reading")
    drawn = levels(excerpt)
    assert "German · seed 0" in drawn
    assert "German · seed 1" in drawn
    assert drawn.count('class="path everyone"') == 8


def test_steps_of_a_stage_are_rungs(sandbox_findings: Findings) -> None:
    early = [replace(row, step=step) for row in sandbox_findings.estimates if row.stage == "sft" for step in (100, 200)]
    others = [row for row in sandbox_findings.estimates if row.stage != "sft"]
    drawn = levels(one(replace(sandbox_findings, estimates=(*others, *early)), "reading"))
    assert "sft · step 100 → sft · step 200" in drawn


def test_a_figure_of_several_seeds_counts_each(sandbox_findings: Findings) -> None:
    """A group that is unclear with two seeds is no two groups."""
    again = tuple(replace(row, seed=1) for row in sandbox_findings.changes)
    several = replace(sandbox_findings, changes=(*sandbox_findings.changes, *again))
    assert "In points: seed by seed, " in gains(one(several, "reading"))
    assert "seed by seed" not in gains(one(sandbox_findings, "reading"))


def test_many_lines_are_faint_but_the_extremes_everyone_and_the_reference(sandbox_findings: Findings) -> None:
    rows = [row for row in sandbox_findings.estimates if row.audit == "reading" and row.group == "de"]
    crowd = [replace(row, group=f"group {place:02}", code="") for row in rows for place in range(30)]
    drawn = levels(one(replace(sandbox_findings, estimates=(*sandbox_findings.estimates, *crowd)), "reading"))
    assert drawn.count('class="path faint"') > 40
    assert drawn.count('class="path everyone"') == 4
    assert drawn.count('class="path reference"') == 4
    assert "the table has all" in drawn


def test_without_any_gain_the_named_lines_are_those_with_the_extreme_values(sandbox_findings: Findings) -> None:
    pattern = next(row for row in sandbox_findings.estimates if row.audit == "reading" and row.group == "de")
    places = [(17 * place) % 40 for place in range(40)]
    crowd = [replace(pattern, group=f"group {place:02}", code="", value=places[place] / 40) for place in range(40)]
    alone = replace(sandbox_findings, estimates=tuple(crowd), changes=())
    shown = set(re.findall(r'class="name [^>]*>([^<]*)<', levels(one(alone, "reading"))))
    assert shown == {f"group {place:02}" for place in range(40) if places[place] < 4 or places[place] >= 36}
    assert "the groups with the highest and the lowest values" in levels(one(alone, "reading"))


def test_the_reference_group_alone_makes_no_order_by_gain(sandbox_findings: Findings) -> None:
    """Where gaps lead, its own change of a gap is none, whatever is known of the others."""
    (audit,) = (each for each in sandbox_findings.audits if each.name == "reading")
    measures = {name: replace(measure, comparable=False) for name, measure in audit.measures.items()}
    changes = [
        replace(row, relative_gain=nan) if row.from_stage == "base" and row.to_stage != "sft" else row
        for row in sandbox_findings.changes
    ]
    apart = replace(sandbox_findings, audits=(replace(audit, measures=measures),), changes=tuple(changes))
    excerpt = one(apart, "reading")
    assert excerpt.leads_with_gap
    assert set(excerpt.wholes) == {("base", "dpo"), ("base", "reward")}
    assert not excerpt.ordered_by_gain
    assert one(sandbox_findings, "reading").ordered_by_gain


def test_the_best_values_stand_first_where_lower_is_better(sandbox_findings: Findings) -> None:
    alone = replace(sandbox_findings, changes=())
    excerpt = one(alone, "reading")
    values = {row.group: row.value for row in excerpt.estimates if row.stage == "dpo" and not isnan(row.value)}
    best_first = sorted(values.keys() - {ALL}, key=lambda group: -values[group])
    assert list(excerpt.groups) == [*best_first, "ar", ALL]
    turned = replace(excerpt, measure=replace(excerpt.measure, better="lower"))
    assert list(turned.groups) == [*reversed(best_first), "ar", ALL]


def test_groups_of_which_the_same_is_not_known_share_a_line(sandbox_findings: Findings) -> None:
    row = next(row for row in sandbox_findings.estimates if row.audit == "reading" and row.group == "ar")
    crowd = tuple(replace(row, group=f"group {place:02}", code="") for place in range(40))
    told = levels(one(replace(sandbox_findings, estimates=crowd, changes=()), "reading"))
    assert f"Not known. 40 groups at {row.stage}: no usable answer." in told


def test_two_groups_of_one_name_keep_their_ids(sandbox_findings: Findings) -> None:
    again = [replace(row, group="deu_Latn") for row in sandbox_findings.estimates if row.group == "de"]
    excerpt = one(replace(sandbox_findings, estimates=(*sandbox_findings.estimates, *again)), "reading")
    assert excerpt.label("de") == "German (de)"
    assert excerpt.label("deu_Latn") == "German (deu_Latn)"


@pytest.mark.parametrize(
    ("value", "level", "change"),
    [
        (0.0621, "6.2%", "+6.2"),
        (-0.0004, "0.0%", "0.0"),
        (-0.5, "−50.0%", "−50.0"),
        (nan, "not known", "not known"),
    ],
)
def test_shares_are_written_in_per_cent_and_points(value: float, level: str, change: str) -> None:
    assert (SHARE.level(value), SHARE.change(value)) == (level, change)


@pytest.mark.parametrize(
    ("value", "change"),
    [(1234.5, "+1,234"), (999.7, "+1,000"), (-0.01234, "−0.0123"), (0.0, "0"), (inf, "∞"), (-inf, "−∞")],
)
def test_other_units_are_written_as_they_are(value: float, change: str) -> None:
    assert Unit("nats").change(value) == change


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< 0.001"), (0.0312, "0.031"), (1.0, "1.000"), (nan, "not known")])
def test_p_values(p: float, text: str) -> None:
    assert p_value(p) == text
