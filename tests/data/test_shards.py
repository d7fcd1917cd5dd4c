"""However a table is cut, its shards hold every row once, in order and with its place."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import datasets
import huggingface_hub
import pyarrow
import pyarrow.parquet
import pytest

from pluralign.data import rows, shards
from pluralign.data.shards import Groups, Lines, Sharded, Streamed, Whole
from pluralign.errors import InputError, RunError

ROWS = [{"id": number, "text": "ä" * (number % 7)} for number in range(60)]


def divide(path: Path | str, **named: object) -> Sharded:
    return shards.divide(str(path), beside=Path(), place="here", **named)


def held(table: Sharded) -> list[dict[str, object]]:
    return [dict(row) for shard in table.shards for _, row in shard.rows()]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.mark.parametrize("size", [1, 30, 200, 10_000])
@pytest.mark.parametrize("ending", ["", "\n\n"])
def test_lines_are_cut_between_rows(lines: Path, monkeypatch: pytest.MonkeyPatch, size: int, ending: str) -> None:
    monkeypatch.setattr(shards, "BYTES", size)
    text = lines.read_text(encoding="utf-8").rstrip("\n") + ending
    lines.write_bytes(b"\xef\xbb\xbf" + text.replace('{"id": 30', '\n{"id": 30').encode())
    table = divide(lines)
    assert held(table) == ROWS
    assert len(table.shards) > 30 if size < 50 else len(table.shards) >= 1
    numbers = [number for shard in table.shards for number, _ in shard.rows()]
    assert numbers == [*range(1, 31), *range(32, 62)], "line 31 is empty"
    assert table.shards[-1].where(61) == f"{lines}, line 61"
    assert table.fingerprint == rows.read(str(lines), sandbox="", beside=Path(), place="here").fingerprint


def test_a_torn_line_is_named_from_any_shard(lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "BYTES", 64)
    lines.write_bytes(lines.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"rows\.jsonl, line 60: not JSON .* is it torn\?"):
        held(divide(lines))


def test_parquet_is_cut_between_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=7)
    assert len(divide(path).shards) == 1
    monkeypatch.setattr(shards, "BYTES", 1)
    table = divide(path)
    assert [shard.groups for shard in table.shards if isinstance(shard, Groups)] == [(group,) for group in range(9)]
    assert held(table) == ROWS
    assert [number for shard in table.shards for number, _ in shard.rows()] == list(range(1, 61))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"rows\.parquet: not a whole Parquet file"):
        divide(path)


def test_a_folder_is_its_files_and_a_split_some_of_them(lines: Path) -> None:
    folder = lines.parent
    (folder / "test-00000-of-00001.jsonl.gz").write_bytes(gzip.compress(b'{"id": -1, "text": ""}\n'))
    assert held(divide(folder)) == [*ROWS, {"id": -1, "text": ""}]
    assert held(divide(folder, split="test")) == [{"id": -1, "text": ""}]
    assert divide(folder).fingerprint == rows.read(str(folder), sandbox="", beside=Path(), place="here").fingerprint
    together = divide(folder, together=True)
    assert [type(shard) for shard in together.shards] == [Whole]
    assert held(together) == held(divide(folder))
    with pytest.raises(InputError, match='unknown split "tset"; did you mean "test"'):
        divide(folder, split="tset")


def test_what_is_no_data_is_named(tmp_path: Path, lines: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r'here: there is no file "absent\.jsonl"'):
        divide("absent.jsonl")
    with pytest.raises(InputError, match=r'no file "row\.jsonl"; did you mean "rows\.jsonl"'):
        shards.divide("row.jsonl", beside=lines.parent, place="here")
    with pytest.raises(InputError, match=r"here: the folder .* holds no file with rows"):
        divide(tmp_path / "empty")
    with pytest.raises(InputError, match=r'here: --split "test": a single file has no splits'):
        divide(lines, split="test")
    (tmp_path / "rows.xlsx").touch()
    with pytest.raises(InputError, match=r'ends in ".xlsx"; known: .csv'):
        divide(tmp_path / "rows.xlsx")


def test_equal_shards_are_equal_keys(lines: Path) -> None:
    assert divide(lines) == divide(lines)
    assert len(set(divide(lines).shards)) == 1
    assert isinstance(divide(lines).shards[0], Lines)


def test_the_hub_is_streamed_shard_by_shard_at_one_commit(lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    others = lines.with_name("others.jsonl")
    others.write_text('{"id": -1, "text": ""}\n')
    real = datasets.load_dataset

    def load(name: str, configuration: object, **named: object) -> object:
        asked.append({"name": name, "configuration": configuration} | named)
        return real("json", data_files={"train": [str(lines), str(others)], "test": str(others)}, streaming=True)

    def info(self: object, name: str, revision: str | None) -> object:
        return SimpleNamespace(sha=f"commit of {name} at {revision}")

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    table = divide("lab/data:easy@v1")
    assert [shard.where(1) for shard in table.shards] == [
        'lab/data:easy@v1, split "train", shard 1 of 2, row 1',
        'lab/data:easy@v1, split "train", shard 2 of 2, row 1',
        'lab/data:easy@v1, split "test", shard 1 of 1, row 1',
    ]
    assert held(table) == [*ROWS, {"id": -1, "text": ""}, {"id": -1, "text": ""}]
    options = {"revision": "commit of lab/data at v1", "data_dir": None, "streaming": True}
    assert asked == [{"name": "lab/data", "configuration": "easy"} | options], "listed once"
    assert len(divide("lab/data:easy@v1", split="test").shards) == 1
    with pytest.raises(InputError, match='here: lab/data:easy@v1: unknown split "tset"; did you mean "test"'):
        divide("lab/data:easy@v1", split="tset")


def test_a_network_that_fails_on_the_way_is_one_line_with_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def stream(**_: int) -> Iterator[dict[str, str]]:
        yield {"text": "a"}
        raise ValueError("connection lost\nand more")

    monkeypatch.setattr(shards, "_streams", lambda *_: {"train": SimpleNamespace(shard=stream)})
    shard = Streamed(source="lab/data", commit="c", split="train", index=0, number=2)
    with pytest.raises(RunError) as refusal:
        list(shard.rows())
    place = 'lab/data, split "train", shard 1 of 2, row 2'
    assert (
        str(refusal.value)
        == f"{place}: cannot be read (connection lost); run the same command again to go on from here"
    )
