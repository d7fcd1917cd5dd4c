"""A run whose audit names an intersection: its cells in the report's files, and on the page."""

import csv
import json
from pathlib import Path

import pytest
from pyarrow import parquet

from pluralign.errors import InputError
from pluralign.run.execute import execute
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

RUN = """
base = "{base}"
[data.voices]
rows = "voices.jsonl"
held_out = 0.9
[[audit]]
uses = "preferences"
data = "voices"
intersections = [["group", "{other}"]]
"""


def write(folder: Path, base: Path, other: str) -> Path:
    rows = [
        {
            "prompt": f"tell {n} ",
            "chosen": "the",
            "rejected": "in",
            "group": "ab"[n % 2],
            "language": "de" if n % 5 < 2 or n < 20 else "sw",
            "prompt_id": str(n),
        }
        for n in range(180)
    ]
    rows.append(rows[0] | {"prompt": "tell all ", "prompt_id": "all", "language": "fr"})
    (folder / "voices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "run.toml").write_text(RUN.format(base=base, other=other), encoding="utf-8")
    return folder / "run.toml"


def test_cells_are_estimated_and_small_ones_told_of(tmp_path: Path, tiny) -> None:
    base = tiny.save_model(tmp_path / "base", "llama", bos=True)
    prepared = prepare(read(write(tmp_path, base, "language")), tmp_path / "runs")
    (crossed,) = prepared.exams[0].intersections
    assert set(crossed.cells) | set(crossed.suppressed) >= {"a*de", "a*sw", "b*sw", "b*de"}
    execute(prepared, command="test")
    report = prepared.folder / "report"
    with (report / "estimates.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["group"]: row for row in csv.DictReader(file) if row["slice"] == "group*language"}
    assert rows["a*sw"]["value"]
    assert all((rows[cell]["value"], rows[cell]["n"]) == ("", "") for cell in crossed.suppressed)
    assert all(rows[cell]["suppressed"] == "<30" for cell in crossed.suppressed)
    cells = set(parquet.read_table(report / "readings.parquet")["group"].to_pylist())
    assert cells.isdisjoint(crossed.suppressed)
    assert set(crossed.cells) <= cells
    assert "cells have fewer than 30 clusters" in (report / "index.html").read_text(encoding="utf-8")


def test_a_slice_that_items_lack_is_refused(tmp_path: Path, tiny) -> None:
    base = tiny.save_model(tmp_path / "base", "llama", bos=True)
    with pytest.raises(InputError, match='intersections: unknown slice "langage"; did you mean "language"'):
        prepare(read(write(tmp_path, base, "langage")), tmp_path / "runs")
