"""The report's files read back equal, hold the records' columns, and are whole or not there."""

import csv
import json
from dataclasses import asdict
from math import isnan, nan
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from pluralign.errors import InputError
from pluralign.records.estimate import Disparity, Estimate, MethodCounts, Summary
from pluralign.records.findings import Findings
from pluralign.report import tables
from pluralign.stats.table import TableBuilder

NAMES = ["readings.parquet", "estimates.csv", "changes.csv", "correlations.csv", "seeds.csv", "verdicts.json"]
COLUMNS_OF = {
    "readings": "audit measure stage seed step item slice group cluster value",
    "estimates": "audit measure stage seed step slice group code value low high n clusters missing unit relative_to "
    "gap gap_low gap_high gap_p shrunk shrunk_low shrunk_high shrunk_to suppressed",
    "changes": "audit measure from_stage to_stage seed slice group code gain low high p p_adjusted relative_to "
    "relative_gain relative_low relative_high relative_p relative_p_adjusted verdict minimum_detectable "
    "n clusters unit others_gain others_low others_high others_p others_p_adjusted p_max_t adjustment improved "
    "worsened exact_p effect above_chance",
    "correlations": "audit left left_measure right right_measure spearman kendall low high p n",
    "seeds": "audit measure from_stage to_stage slice group code seeds gain item_error models_low models_high seed_sd "
    "method_low method_high method_p method_p_adjusted unit method_verdict relative_to relative_gain relative_low "
    "relative_high relative_p relative_p_adjusted",
    "verdicts": "audit measure from_stage to_stage gain loss equivalent inconclusive worst_group omnibus_p sentence "
    "adjustment between seeds method",
    "between": "slice seed groups equal_p spread spread_low spread_high worst_group worst_gain worst_low worst_high "
    "best_group losing losing_low losing_high gap gap_if_equal gap_p pairs_p",
}
"""Written out, because renaming one breaks other people's programs."""

FIELDS = {"audit": "reading", "measure": "f1", "slice": "language", "group": "sw", "code": "sw", "unit": "share"}


def an_estimate(**other: object) -> Estimate:
    numbers = dict.fromkeys(("value", "low", "high", "gap", "gap_low", "gap_high", "gap_p"), 0.1)
    whole = {"seed": 0, "step": None, "n": 9, "clusters": 5, "missing": 0, "stage": "base", "relative_to": "en"}
    return Estimate(**(FIELDS | numbers | whole | other))  # pyright: ignore[reportArgumentType]


def a_summary(**other: object) -> Summary:
    counts = dict.fromkeys(("gain", "loss", "equivalent", "inconclusive"), 1)
    words = {"from_stage": "base", "to_stage": "dpo", "worst_group": "sw", "sentence": "Swahili “lost”, 3\nlines."}
    rest = {"audit": "reading", "measure": "f1", "omnibus_p": 0.5, "adjustment": "holm", "between": ()}
    rest |= {"seeds": 1, "method": None}
    return Summary(**(rest | counts | words | other))  # pyright: ignore[reportArgumentType]


def a_disparity() -> Disparity:
    numbers = dict.fromkeys(COLUMNS_OF["between"].split(), 0.1) | {"gap_p": nan}
    whole = {"slice": "language", "seed": 0, "groups": 6, "worst_group": "sw", "best_group": "de"}
    return Disparity(**(numbers | whole))  # pyright: ignore[reportArgumentType]


def findings(estimates: tuple[Estimate, ...] = (), summaries: tuple[Summary, ...] = ()) -> Findings:
    return Findings(
        title="", stages=(), audits=(), transitions=(), estimates=estimates, changes=(), summaries=summaries
    )


def a_table(*rows: dict[str, object]) -> TableBuilder:
    builder = TableBuilder()
    for row in rows:
        plain = {"audit": "a", "measure": "m", "stage": "s", "item": "i", "slice": "l", "group": "g", "cluster": "c"}
        builder.append(**(plain | {"value": 0.5} | row))  # pyright: ignore[reportArgumentType]
    return builder


@given(st.floats(allow_nan=False), st.floats(0, 1))
@settings(deadline=None)
def test_numbers_read_back_equal(value: float, p: float) -> None:
    text = tables.rows_csv(Estimate, [an_estimate(value=value, gap_p=p)])
    (row,) = csv.DictReader(text.splitlines())
    assert float(row["value"]) == value
    assert float(row["gap_p"]) == p


@given(st.text(st.characters(codec="utf-8"), max_size=20))
@settings(max_examples=40, deadline=None)
def test_any_group_name_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, group: str) -> None:
    folder = tmp_path_factory.mktemp("report")
    tables.write(findings((an_estimate(group=group),)), TableBuilder().build(), folder)
    with (folder / "estimates.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["group"] == group


def test_columns_that_others_rely_on_stand_in_order(tmp_path: Path) -> None:
    counts = MethodCounts(gain=1, loss=0, equivalent=0, inconclusive=2)
    summary = a_summary(between=(a_disparity(),), seeds=3, method=counts)
    tables.write(findings((an_estimate(),), (summary,)), a_table({}).build(), tmp_path)
    for name in ("estimates", "changes", "correlations", "seeds"):
        head = (tmp_path / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0]
        assert head.split(",") == COLUMNS_OF[name].split()
    assert parquet.read_table(tmp_path / "readings.parquet").column_names == COLUMNS_OF["readings"].split()
    (row,) = json.loads((tmp_path / "verdicts.json").read_text(encoding="utf-8"))
    assert list(row) == COLUMNS_OF["verdicts"].split()
    assert row | {"between": []} == asdict(summary) | {"between": []}
    (between,) = row["between"]
    assert list(between) == COLUMNS_OF["between"].split()
    assert between == asdict(a_disparity()) | {"gap_p": None}


def test_what_is_not_known_is_an_empty_field_and_null(tmp_path: Path) -> None:
    unknown = an_estimate(value=nan, gap=nan)
    tables.write(findings((unknown,), (a_summary(omnibus_p=nan),)), TableBuilder().build(), tmp_path)
    with (tmp_path / "estimates.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["value"], row["gap"], row["step"], row["low"]) == ("", "", "", "0.1")
    text = (tmp_path / "verdicts.json").read_text(encoding="utf-8")
    assert json.loads(text)[0]["omnibus_p"] is None
    assert "NaN" not in text
    assert "“lost”" in text


def test_readings_are_all_there(tmp_path: Path) -> None:
    builder = a_table({"group": "sw"}, {"group": "de", "step": 40, "seed": 2}, {"group": "sw", "value": nan})
    tables.write_readings(builder.build(), tmp_path / "readings.parquet")
    found = parquet.read_table(tmp_path / "readings.parquet")
    assert found["group"].to_pylist() == ["sw", "de", "sw"]
    assert found["step"].to_pylist() == [None, 40, None]
    assert found["seed"].to_pylist() == [0, 2, 0]
    assert found["value"].to_pylist()[:2] == [0.5, 0.5]
    assert isnan(found["value"].to_pylist()[2])


def test_text_columns_are_dictionary_encoded(tmp_path: Path) -> None:
    tables.write_readings(a_table({}, {}).build(), tmp_path / "readings.parquet")
    found = parquet.read_table(tmp_path / "readings.parquet")
    for name in ("audit", "measure", "stage", "item", "slice", "group", "cluster"):
        assert pyarrow.types.is_dictionary(found.schema.field(name).type)


def test_no_readings_are_a_file_too(tmp_path: Path) -> None:
    tables.write_readings(TableBuilder().build(), tmp_path / "readings.parquet")
    assert parquet.read_table(tmp_path / "readings.parquet").num_rows == 0


def test_nothing_but_the_files_is_left(tmp_path: Path) -> None:
    for _ in range(2):
        paths = tables.write(findings((an_estimate(),)), a_table({}).build(), tmp_path)
    assert [path.name for path in paths] == NAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "readings.parquet"
    tables.write_readings(a_table({}).build(), path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(tables.parquet, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        tables.write_readings(a_table({}, {}).build(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_million_readings_are_written_in_seconds(tmp_path: Path) -> None:
    builder = a_table({})
    table = builder.build()
    many = table.take(np.zeros(1_000_000, np.int64))
    tables.write_readings(many, tmp_path / "readings.parquet")
    assert parquet.read_metadata(tmp_path / "readings.parquet").num_rows == 1_000_000
    assert (tmp_path / "readings.parquet").stat().st_size < 1_000_000


def test_readings_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    builder = TableBuilder()
    for number in range(5):
        builder.append(
            audit="reading",
            measure="f1",
            stage="base" if number < 3 else "dpo",
            seed=number % 2,
            step=None if number else 400,
            item=f"{number}",
            slice="language",
            group="sw",
            cluster="a, b",
            value=nan if number == 2 else number / 3,
        )
    table = builder.build()
    tables.write_readings(table, tmp_path / "readings.parquet")
    read = tables.read_readings(tmp_path / "readings.parquet")
    for name in ("audit", "measure", "stage", "item", "slice", "group", "cluster"):
        assert getattr(read, name).texts() == getattr(table, name).texts()
    for name in ("seed", "step", "value"):
        np.testing.assert_array_equal(getattr(read, name), getattr(table, name))


def test_a_file_that_holds_no_readings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "readings.parquet"
    path.write_text("no parquet")
    with pytest.raises(InputError, match=r"readings\.parquet: not the readings of a run"):
        tables.read_readings(path)
    parquet.write_table(pyarrow.table({"audit": ["reading"]}), path)
    with pytest.raises(InputError, match=r"readings\.parquet: not the readings of a run"):
        tables.read_readings(path)
