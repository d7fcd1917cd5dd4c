"""Numbers that are no mean of readings: equal to their formulas, compared like means."""

from collections.abc import Callable
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import t as student

from pluralign.records.estimate import ALL, Estimate
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure, Statistic
from pluralign.stats.audit import compare, disparities, estimate
from pluralign.stats.calibration import ece, noise_floor, scaled_by_other_half
from pluralign.stats.table import Table, TableBuilder

MakeTable = Callable[..., Table]
BINS = 10


def measure(kind: str, *, scaled: bool = False, **fields: object) -> Measure:
    statistic = Statistic(kind=kind, of="score", bins=BINS, scaled=scaled)  # pyright: ignore[reportArgumentType]
    return Measure(kind, "x", margin=None, statistic=statistic, **({"bounds": None} | fields))  # pyright: ignore[reportArgumentType]


AUDIT = Audit(
    name="reading",
    uses="preferences",
    description="",
    measures={
        "score": Measure("margin", "nats", bounds=None),
        "ece": measure("ece", better="lower", bounds=(0.0, 1.0)),
        "floor": measure("ece_floor", better="neither", changes=False),
        "scaled": measure("ece", scaled=True, better="lower", bounds=(0.0, 1.0)),
        "nll": measure("nll", scaled=True, better="lower"),
        "sd": measure("sd"),
        "outlying": measure("outlying", bounds=(0.0, 1.0)),
        "drift": measure("drift", changes=False),
    },
)


def margins(seed: int, count: int = 300, sharpness: float = 1.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    odds = draw.normal(0, 1.5, count)
    return sharpness * np.where(draw.random(count) < expit(odds), odds, -odds)


def only(name: str) -> Audit:
    """The audit with one statistic, and the readings that it is made of."""
    return replace(AUDIT, measures={one: AUDIT.measures[one] for one in dict.fromkeys(("score", name))})


def found(table: Table, name: str) -> dict[str, Estimate]:
    return {row.group: row for row in estimate(table, only(name)) if row.measure == name}


STAGES = {"base": {"de": margins(0), "en": np.append(margins(1, 200, 3.0), [40.0, -60.0])}}
TOGETHER = np.concatenate(list(STAGES["base"].values()))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("ece", lambda values: ece(values, BINS)),
        ("floor", lambda values: noise_floor(values, BINS)[0]),
        ("sd", np.std),
        ("outlying", lambda values: (np.abs(values - values.mean()) > 3 * values.std()).mean()),
    ],
)
def test_a_group_and_everyone_have_the_number_of_the_formula(make_table: MakeTable, name: str, formula) -> None:
    rows = found(make_table(STAGES), name)
    for group, values in (*STAGES["base"].items(), (ALL, TOGETHER)):
        assert rows[group].value == pytest.approx(formula(values), abs=1e-12), group
        assert (rows[group].n, rows[group].missing) == (len(values), 0)
        assert rows[group].low <= rows[group].value <= rows[group].high


def test_one_temperature_serves_all_groups(make_table: MakeTable) -> None:
    rows = found(make_table(STAGES), "nll")
    losses = np.logaddexp(0, -scaled_by_other_half(TOGETHER, np.arange(len(TOGETHER))))
    assert rows["de"].value == pytest.approx(losses[:300].mean())
    assert rows[ALL].value == pytest.approx(losses.mean())


def test_the_noise_floor_is_no_change_between_stages(make_table: MakeTable) -> None:
    table = make_table({"base": {"de": margins(0)}, "dpo": {"de": margins(1)}})
    changed = {row.measure for row in compare(table, AUDIT, [("base", "dpo")])}
    assert changed == set(AUDIT.measures) - {"floor", "drift"}
    assert {key[0] for key in disparities(table, AUDIT, [("base", "dpo")])} == changed


def test_no_bounds_are_drawn_for_changes(make_table: MakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes have bounds of their own; those of levels take a thousand draws at each stage."""
    monkeypatch.setattr("pluralign.stats.statistics.bootstrap", None)
    table = make_table({"base": {"de": margins(0)}, "dpo": {"de": margins(1)}})
    found = compare(table, AUDIT, [("base", "dpo")])
    assert "ece" in {row.measure for row in found if not isnan(row.low)}
    assert ("ece", "base", "dpo") in disparities(table, AUDIT, [("base", "dpo")])


def test_a_model_that_learns_not_to_overstate_gains(make_table: MakeTable) -> None:
    blunt = {group: values / 4 for group, values in {"de": margins(0, 800, 4.0), "en": margins(1, 800, 4.0)}.items()}
    sharp = {group: 4 * values for group, values in blunt.items()}
    for stages, verdict in (({"a": sharp, "b": blunt}, "gain"), ({"a": blunt, "b": sharp}, "loss")):
        rows = [row for row in compare(make_table(stages), only("ece"), [("a", "b")]) if row.measure == "ece"]
        assert {row.verdict for row in rows} == {verdict}
    scaled = [row for row in compare(make_table(stages), only("scaled"), [("a", "b")]) if row.measure == "scaled"]
    assert all(abs(row.gain) < 1e-9 for row in scaled), "a temperature undoes what only shrinks or stretches"


def test_a_gain_is_the_difference_of_the_pairs_that_both_stages_answered(make_table: MakeTable) -> None:
    before, after = margins(0), margins(0) * 2
    after[:50] = np.nan
    row, _ = (
        row
        for row in compare(make_table({"a": {"de": before}, "b": {"de": after}}), AUDIT, [("a", "b")])
        if row.measure == "ece"
    )
    assert row.gain == pytest.approx(ece(before[50:], BINS) - ece(after[50:], BINS), abs=1e-12)
    assert row.n == 250


def test_two_calibrated_models_are_rarely_told_apart(make_table: MakeTable) -> None:
    draw = np.random.default_rng(0)
    told = 0
    for _ in range(60):
        odds = draw.normal(0, 1.5, 300)
        sign = np.where(draw.random(300) < expit(odds), 1, -1)
        stages = {"a": {"de": odds * sign}, "b": {"de": odds * sign * draw.uniform(0.9, 1.1, 300)}}
        (row, _) = (row for row in compare(make_table(stages), only("ece"), [("a", "b")]) if row.measure == "ece")
        told += row.verdict in ("gain", "loss")
    assert told <= 8, "5% of 60 is 3"


def test_the_error_of_a_standard_deviation_is_that_of_simulation(make_table: MakeTable) -> None:
    draw = np.random.default_rng(0)
    rows = [found(make_table({"a": {"de": draw.standard_t(8, 200)}}), "sd")["de"] for _ in range(120)]
    half = np.mean([(row.high - row.low) / 2 for row in rows]) / 1.972
    assert half == pytest.approx(np.std([row.value for row in rows]), rel=0.2)


def test_what_nobody_answered_stays_unknown(make_table: MakeTable) -> None:
    table = make_table({"a": {"de": margins(0), "en": np.full(30, np.nan)}})
    for name in AUDIT.measures:
        row = found(table, name)["en"]
        assert isnan(row.value)
        assert isnan(row.low)
        assert (row.n, row.missing) == (0, 30)


def test_a_stage_is_held_against_the_one_that_is_named(make_table: MakeTable) -> None:
    draw = np.random.default_rng(0)
    values = {group: draw.normal(size=40) for group in ("de", "en")}
    further = {"de": values["de"] + 2, "en": values["en"] - 0.5}
    table = make_table({"base": values, "hybrid": further, "more": {"de": values["de"], "en": further["en"]}})
    measures = {"score": AUDIT.measures["score"], "moved": measure("moved", changes=False)}
    audit = replace(AUDIT, measures=measures, against={"more": "hybrid", "hybrid": "base", "top": "base"})
    rows = {(row.stage, row.group): row for row in estimate(table, audit) if row.measure == "moved"}
    assert {stage for stage, _ in rows} == {"hybrid", "more"}, "nobody is named for the base"
    expected = {("hybrid", "de"): 2, ("hybrid", "en"): 0.5, ("more", "de"): 2, ("more", "en"): 0, ("more", ALL): 1}
    for place, distance in expected.items():
        assert rows[place].value == pytest.approx(distance)
        assert rows[place].low <= rows[place].value <= rows[place].high


COUNT = 40
UNSEEN = 1 - 0.025 ** (1 / COUNT)
"""The largest share of clusters that may differ where none of `COUNT` does (stats/rare.py)."""


def gap_of(margin: float) -> float:
    """What every pair adds to the calibration error where all have one margin and are right."""
    return 1 - float(expit(margin))


def test_where_no_pair_differs_a_calibration_error_may_still_hold_gaps_of_either_sign(make_table: MakeTable) -> None:
    table = make_table({"a": {"de": np.full(COUNT, 1.5)}, "b": {"de": np.full(COUNT, 4.0)}})
    row = next(row for row in compare(table, only("ece"), [("a", "b")]) if (row.measure, row.group) == ("ece", "de"))
    gain = gap_of(1.5) - gap_of(4.0)
    assert row.gain == pytest.approx(gain)
    assert row.low == pytest.approx(gain - (gain + 2) * UNSEEN), "a gap of 1 may become one of -1"
    assert row.high == pytest.approx(gain + (2 - gain) * UNSEEN)


def test_groups_whose_pairs_do_not_differ_are_held_apart_by_gaps_of_either_sign(make_table: MakeTable) -> None:
    table = make_table({"a": {"de": np.full(COUNT, 1.5), "en": np.full(COUNT, 4.0)}})
    audit = replace(only("ece"), reference={"language": "en"})
    row = next(row for row in estimate(table, audit) if (row.measure, row.group) == ("ece", "de"))
    errors = [(gap_of(margin) + 1) * UNSEEN / student.ppf(0.975, COUNT - 1) for margin in (1.5, 4.0)]
    variances = np.square(errors)
    freedom = variances.sum() ** 2 / (variances**2 / (COUNT - 1)).sum()
    assert row.gap == pytest.approx(gap_of(1.5) - gap_of(4.0))
    assert (row.gap_high - row.gap_low) / 2 == pytest.approx(student.ppf(0.975, freedom) * np.sqrt(variances.sum()))


def test_of_several_seeds_each_is_held_against_its_equal() -> None:
    builder = TableBuilder()
    for stage, seed, height in (
        ("base", 0, 0),
        ("sft", 0, 1),
        ("sft", 1, 5),
        ("dpo", 0, 3),
        ("dpo", 1, 6),
        ("dpo", 2, 9),
    ):
        for item in range(20):
            place = {"item": f"{item}", "slice": "language", "group": "de", "cluster": f"{item}"}
            value = float(height + item % 7)
            builder.append(audit="reading", measure="score", stage=stage, seed=seed, value=value, **place)
    measures = {"score": AUDIT.measures["score"], "moved": measure("moved", changes=False)}
    audit = replace(AUDIT, measures=measures, against={"sft": "base", "dpo": "sft"})
    found = {(row.stage, row.seed): row.value for row in estimate(builder.build(), audit) if row.measure == "moved"}
    expected = {("sft", 0): 1, ("sft", 1): 5, ("dpo", 0): 2, ("dpo", 1): 1}
    assert found == pytest.approx(expected), "no seed of sft is the third one's"
