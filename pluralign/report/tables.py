"""The report's files for other programs: readings, estimates, changes, correlations and verdicts.

Columns are the records' fields, in order. Numbers read back equal; NaN is an empty field in CSV, null in JSON.
"""

import csv
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from math import isnan
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as arrow
from pyarrow import parquet

from pluralign.errors import InputError
from pluralign.records.across_seeds import AcrossSeeds
from pluralign.records.estimate import Change, Correlation, Estimate, Summary
from pluralign.records.findings import Findings
from pluralign.stats.table import COLUMNS, NO_STEP, TEXTS, Table, Words
from pluralign.store import sync_folder, write_json, write_text

NAMES = ("readings.parquet", "estimates.csv", "changes.csv", "correlations.csv", "seeds.csv", "verdicts.json")
Row = TypeVar("Row", Estimate, Change, Correlation, AcrossSeeds, Summary)


def write(findings: Findings, table: Table, folder: Path) -> tuple[Path, ...]:
    """Write the six files into `folder`, each whole or not at all; gives their paths."""
    readings, estimates, changes, correlations, seeds, verdicts = (folder / name for name in NAMES)
    write_readings(table, readings)
    write_text(estimates, rows_csv(Estimate, findings.estimates))
    write_text(changes, rows_csv(Change, findings.changes))
    write_text(correlations, rows_csv(Correlation, findings.correlations))
    write_text(seeds, rows_csv(AcrossSeeds, findings.seeds))
    write_json(verdicts, [_known(asdict(summary)) for summary in findings.summaries])
    return readings, estimates, changes, correlations, seeds, verdicts


def rows_csv(kind: type[Row], rows: Iterable[Row]) -> str:
    """Rows of one kind as CSV, with a head; NaN and None are empty fields."""
    names = [field.name for field in fields(kind)]
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


class _Lines(list[str]):
    """Takes a CSV writer's lines one by one. Their "\\r\\n" makes the writer quote either character in a field."""

    def write(self, line: str) -> None:
        self.append(line)


def write_readings(table: Table, path: Path) -> None:
    """Every reading as Parquet, text columns dictionary-encoded; `step` is null where a stage has none."""
    beside = path.with_name(f".{path.name}.writing")
    try:
        with beside.open("wb") as file:
            parquet.write_table(_arrow_table(table), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_readings(path: Path) -> Table:
    """The readings that `write_readings` has written.

    Raises: InputError where the file is not Parquet, or lacks a column.
    """
    try:
        read = parquet.read_table(path, columns=list(COLUMNS)).combine_chunks()
        columns = {name: read.column(name).combine_chunks() for name in COLUMNS}
    except (arrow.ArrowInvalid, KeyError) as error:
        raise InputError(f"{path}: not the readings of a run ({error})") from error
    words = {name: _words(columns[name]) for name in TEXTS}
    step = columns["step"].fill_null(NO_STEP).to_numpy().astype(np.int32)
    seed, value = columns["seed"].to_numpy().astype(np.int64), columns["value"].to_numpy().astype(np.float64)
    return Table(**words, seed=seed, step=step, value=value)


def _words(column: arrow.Array) -> Words:
    encoded = column if isinstance(column, arrow.DictionaryArray) else column.dictionary_encode()
    codes = encoded.indices.to_numpy().astype(np.int32)
    return Words(codes, tuple(encoded.dictionary.to_pylist()))


def _arrow_table(table: Table) -> arrow.Table:
    return arrow.table({name: _column(name, getattr(table, name)) for name in COLUMNS})


def _column(name: str, column: "Words | np.ndarray") -> arrow.Array:
    if isinstance(column, Words):
        return arrow.DictionaryArray.from_arrays(column.codes, arrow.array(column.words, arrow.string()))
    return arrow.array(column, mask=column == NO_STEP) if name == "step" else arrow.array(column)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _known(value: Any) -> Any:
    """A row, and the rows in it, with null for NaN."""
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(inner) for inner in value]
    return None if isinstance(value, float) and isnan(value) else value
