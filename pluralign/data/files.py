"""Rows of one file: CSV, TSV, JSON, JSON Lines or Parquet, text compressed by gzip or not."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pluralign.data.delimited import read_delimited
from pluralign.data.opening import DAMAGED, GZIP, kind, open_text
from pluralign.errors import InputError

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")


def is_table(path: Path) -> bool:
    """Whether a file's name says that it holds rows."""
    return kind(path) in SUFFIXES


def read_file(path: Path, place: str) -> Iterator[dict[str, Any]]:
    """The rows of a file.

    Raises: InputError, with the file and the line, where it is damaged, and that begins with `place` where its name
    does not say what it holds.
    """
    match kind(path):
        case ".csv":
            return read_delimited(path, ",")
        case ".tsv":
            return read_delimited(path, "\t")
        case ".json":
            return _read_json(path)
        case ".jsonl":
            return _read_jsonl(path)
        case ".parquet" if path.suffix != GZIP:
            return _read_parquet(path)
        case _:
            known = f"{', '.join(SUFFIXES)}, and {GZIP} after those of texts"
            raise InputError(f'{place}: "{path}" ends in "{path.suffix}"; known: {known}')


def _read_json(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a file that is one list of objects, or an object on each line."""
    with open_text(path) as file:
        try:
            beginning = next((line.lstrip() for line in file if line.strip()), "")
            rest = file.read() if beginning.startswith("[") else None
        except (UnicodeDecodeError, *DAMAGED) as error:
            raise InputError(f"{path}: {error}; is the file torn?") from error
    if rest is None:
        yield from _read_jsonl(path)
        return
    try:
        rows = json.loads(beginning + rest)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error.msg} after character {error.pos}); is it torn?") from error
    yield from (_object(row, f"{path}, row {number}") for number, row in enumerate(rows, start=1))


def _read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with open_text(path) as file:
        yield from (row for _, row in read_lines(file, path))


def read_lines(lines: Iterable[str], path: Path, *, first: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of JSON Lines with their numbers, the first line being number `first` of the file at `path`.

    Raises: InputError, with the file and the line, where they are damaged.
    """
    number, line = first - 1, ""
    try:
        for number, line in enumerate(lines, start=first):
            if line.strip():
                yield number, _object(json.loads(line), f"{path}, line {number}")
    except json.JSONDecodeError as error:
        torn = "" if line.endswith("\n") else "; the file ends in the middle of a line: is it torn?"
        raise InputError(f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}){torn}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, after line {number}: not UTF-8 ({error.reason})") from error
    except DAMAGED as error:
        raise InputError(f"{path}, after line {number}: {error}; is the file torn?") from error


def _object(row: object, place: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise InputError(f"{place}: not a JSON object but {type(row).__name__}")
    return row


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    yield from read_groups(path, tuple(range(len(group_sizes(path)))))


def group_sizes(path: Path) -> list[tuple[int, int]]:
    """The rows and the bytes of every row group of a Parquet file. Raises: InputError for a damaged file."""
    with _parquet(path) as file:
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        return [(group.num_rows, group.total_byte_size) for group in groups]


def read_groups(path: Path, groups: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows of some row groups of a Parquet file, which are not in memory all at once.

    Raises: InputError for a damaged file.
    """
    with _parquet(path) as file:
        for batch in file.iter_batches(batch_size=10_000, row_groups=list(groups)):
            yield from batch.to_pylist()


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from error


def shards(folder: Path) -> Iterable[Path]:
    """The files with rows in a folder and those below it, by name; hidden ones are passed over."""
    found = (path for path in folder.rglob("*") if path.is_file() and is_table(path))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
