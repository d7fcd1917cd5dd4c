"""Rows from anywhere: the sandbox, a CSV, TSV, JSON Lines or Parquet file, or a data set on the hub."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralign.data.delimited import read_delimited
from pluralign.errors import InputError
from pluralign.plugins import find
from pluralign.store import file_key

Row = Mapping[str, Any]
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: where it comes from, what stands for its content in a key, and its rows."""

    source: str
    fingerprint: str
    rows: tuple[Row, ...]


def read(source: str, *, sandbox: str, beside: Path, place: str) -> Rows:
    """All rows of `source`: "sandbox" (its table called `sandbox`), a file, or a hub id.

    A hub id is `owner/name`, with `:config` where the data set has several, and an optional `@revision` at the end; all
    its splits are read, and named in the column `split` unless the rows have one of their own.
    Raises `InputError` that names the file and the line where a file is damaged, or what is missing.
    """
    if source == "sandbox":
        from pluralign.sandbox.rows import rows as embedded

        table = tuple(embedded(sandbox))
        text = json.dumps(table, ensure_ascii=False, sort_keys=True, default=str)
        return Rows("sandbox", hashlib.sha256(text.encode()).hexdigest()[:16], table)
    path = find(source, beside)
    if path.is_file():
        return Rows(str(path), file_key(path)[:16], tuple(_read_file(path, place)))
    if path.suffix in SUFFIXES or source.startswith((".", "/", "~")) or source.count("/") != 1:
        raise InputError(f'{place}: there is no file "{source}"')
    return _from_hub(source, place)


def _read_file(path: Path, place: str) -> Iterator[Row]:
    match path.suffix:
        case ".csv":
            return read_delimited(path, ",")
        case ".tsv":
            return read_delimited(path, "\t")
        case ".jsonl":
            return _read_jsonl(path)
        case ".parquet":
            return _read_parquet(path)
        case suffix:
            raise InputError(f'{place}: "{path}" ends in "{suffix}"; known: {", ".join(SUFFIXES)}')


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        number, line = 0, ""
        try:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"{path}, line {number}: not a JSON object but {type(row).__name__}")
                yield row
        except json.JSONDecodeError as error:
            torn = "" if line.endswith("\n") else "; the file ends in the middle of a line: is it torn?"
            raise InputError(f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}){torn}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path}, after line {number}: not UTF-8 ({error.reason})") from error


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from error
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()


def _from_hub(source: str, place: str) -> Rows:
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f'{place}: there is no file "{source}", and to load it from the hub needs: pip install "pluralign[hub]"'
        ) from error
    address, _, revision = source.partition("@")
    name, _, configuration = address.partition(":")
    try:
        loaded = datasets.load_dataset(name, configuration or None, revision=revision or None)
    except Exception as error:
        raise InputError(
            f'{place}: "{source}" is neither a file nor a data set that can be loaded: {_why(error)}'
        ) from error
    rows = tuple({"split": split} | dict(row) for split, table in loaded.items() for row in table)
    fingerprint = "-".join(table._fingerprint for table in loaded.values())
    return Rows(source, hashlib.sha256(fingerprint.encode()).hexdigest()[:16], rows)


def _why(error: Exception) -> str:
    """The first line, or all of them and how to write it where a configuration has to be picked."""
    lines = str(error).splitlines() or [type(error).__name__]
    if "available configs" in str(error):
        return " ".join(lines[:2]) + ' (write "owner/name:config")'
    return lines[0]
