"""Count a data set stretch by stretch: what one process does with one of them, and the first look before the work."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType

from pluralign import plugins
from pluralign.census.count import Unit, count
from pluralign.census.counts import Counts
from pluralign.census.gauge import Gauge, instruments
from pluralign.census.texts import Columns, columns_read, preference_texts, row_texts
from pluralign.data.shards import Shard
from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Preference
from pluralign.records.row import Row

_ROW = re.compile(r"row (\d+)\b:?\s*")
_GENERIC = ("pairs", "demonstrations", "prompts")
LOOK = 20
"""Rows at the beginning of every file of which one at least must be readable, or the work is not begun."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What the first rows of the files say: columns that are there and not read; None where a source knows them."""

    not_read: tuple[str, ...] | None


def source_module(name: str, beside: Path) -> ModuleType:
    """The plug-in of `sources/` of that name. Raises: InputError for one that is unknown, or that needs no naming."""
    if name in _GENERIC:
        raise InputError(f'--source "{name}": rows in TRL\'s formats are read without it; see --columns')
    return plugins.load("sources", name, beside=beside, place="--source")


def count_shard(shard: Shard, gauge: Gauge) -> Counts:
    """The counts of one stretch.

    Raises: InputError where it is damaged, or does not fit the source; RunError where a user's function fails.
    """
    return count(units(shard, gauge), instruments(gauge))


def units(shard: Shard, gauge: Gauge) -> Iterator[Unit]:
    """What the rows of a stretch are to a census. Raises: InputError, with file and row, where they cannot be read."""
    if gauge.source is None:
        for number, row in shard.rows():
            yield _unit(row, gauge.columns, shard.where(number))
        return
    numbers: list[int] = []

    def rows() -> Iterator[Row]:
        for number, row in shard.rows():
            numbers.append(number)
            yield row

    module = source_module(gauge.source, gauge.beside)
    columns = f"{gauge.source}'s"
    ahead = bool(getattr(module, "TOGETHER", False))
    try:
        for found in module.load(rows(), plugins.options_of(module)(), gauge.source):
            yield _made(found, columns, "" if ahead else shard.where(numbers[-1]))
    except InputError as error:
        raise _placed(error, shard, numbers) from error


def _unit(row: Row, columns: Columns, where: str) -> Unit:
    try:
        texts = row_texts(row, columns)
    except InputError as error:
        return Unit(left_out=_reason(row, columns, str(error)), where=f"{where}: {error}")
    if not texts:
        return Unit(left_out="no text", where=where)
    return Unit(texts=texts, columns=", ".join(columns_read(row, columns)))


def _reason(row: Row, columns: Columns, complaint: str) -> str:
    """Why a row is left out, in words that are the same for all of its kind."""
    try:
        columns_read(row, columns)
    except InputError:
        return "none of the columns that are read"
    column = re.match(r'column "([^"]+)"', complaint)
    return f'column "{column[1]}" is neither text nor messages' if column else "cannot be read"


def _made(found: Preference | LeftOut, columns: str, where: str) -> Unit:
    if isinstance(found, LeftOut):
        return Unit(left_out=found.why, where=where)
    texts = preference_texts(found)
    return Unit(texts=texts, columns=columns) if texts else Unit(left_out="no text", where=where)


def _placed(error: InputError, shard: Shard, numbers: Sequence[int]) -> InputError:
    """A source's complaint about row n of what it was given, with that row's place in the data."""
    match = _ROW.match(str(error))
    if match is None or int(match[1]) > len(numbers):
        return error
    return InputError(f"{shard.where(numbers[int(match[1]) - 1])}: {str(error)[match.end() :]}")


def look_first(shards: Sequence[Shard], gauge: Gauge) -> FirstLook:
    """Read the beginning of every file.

    Raises: InputError that names the first row of a file of which none of the first rows can be read.
    """
    not_read: dict[str, None] = {}
    for shard in _beginnings(shards):
        seen = list(islice(units(shard, gauge), LOOK))
        readable = [unit for unit in seen if not unit.left_out]
        if seen and not readable and gauge.source is None:
            raise InputError(seen[0].where)
        if gauge.source is None:
            for _, row in islice(shard.rows(), LOOK):
                not_read |= dict.fromkeys(column for column in row if column not in _read(row, gauge.columns))
    return FirstLook(tuple(sorted(not_read)) if gauge.source is None else None)


def _read(row: Row, columns: Columns) -> tuple[str, ...]:
    try:
        return columns_read(row, columns)
    except InputError:
        return ()


def _beginnings(shards: Sequence[Shard]) -> Iterator[Shard]:
    """The first stretch of every file, split or table."""
    seen: set[object] = set()
    for shard in shards:
        whole = getattr(shard, "file", None) or getattr(shard, "split", None) or shard
        if whole not in seen:
            seen.add(whole)
            yield shard
