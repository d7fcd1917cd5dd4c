"""A table in stretches that are read one by one, by any process: none of it has to fit in memory.

JSON Lines are cut between lines and Parquet between row groups; of other formats, compressed ones among them, a file is
one stretch, and so is a shard of a data set that is streamed from the hub. Where they are cut follows from the data.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pluralign.data import files, rows
from pluralign.data.opening import kind
from pluralign.errors import InputError, RunError, unknown
from pluralign.plugins import find
from pluralign.records.row import Row
from pluralign.store import content_key, file_key

BYTES = 4 << 20
"""The least that is worth a stretch of its own."""
MOST = 2000
"""The most stretches that one file is cut into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Bytes `start` to `stop` of a file of JSON Lines; `first` is the number of the line that they begin with."""

    file: Path
    first: int
    start: int
    stop: int

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows with the numbers of their lines. Raises: InputError for a line that is no JSON object."""
        with self.file.open("rb") as file:
            file.seek(self.start)
            held = io.BytesIO(file.read(self.stop - self.start))
        text = io.TextIOWrapper(held, encoding="utf-8-sig" if self.start == 0 else "utf-8", newline="\n")
        return files.read_lines(text, self.file, first=self.first)

    def where(self, number: int) -> str:
        """The place of the row that came with `number`."""
        return f"{self.file}, line {number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Some row groups of a Parquet file; `first` is the number of the first row in them."""

    file: Path
    first: int
    groups: tuple[int, ...]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows with their numbers. Raises: InputError for a damaged file."""
        return enumerate(files.read_groups(self.file, self.groups), start=self.first)

    def where(self, number: int) -> str:
        """The place of the row that came with `number`."""
        return f"{self.file}, row {number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Some files, one after the other."""

    files: tuple[Path, ...]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows, counted from 1 through all files. Raises: InputError for a damaged file."""
        return enumerate((row for file in self.files for row in files.read_file(file, str(file))), start=1)

    def where(self, number: int) -> str:
        """The place of the row that came with `number`."""
        if len(self.files) == 1:
            return f"{self.files[0]}, row {number}"
        return f"{self.files[0]} and {len(self.files) - 1} more files, row {number} of all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """Shard `index` of the `number` that a split on the hub has, at one commit."""

    source: str
    commit: str
    split: str
    index: int
    number: int

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows, counted from 1, as they come over the network.

        Raises: InputError where the data set cannot be had, RunError where the network fails on the way.
        """
        table = _streams(self.source, self.commit)[self.split]
        number = 0
        try:
            for number, row in enumerate(table.shard(num_shards=self.number, index=self.index), start=1):
                yield number, row
        except Exception as error:  # of any of the libraries that stand between here and the hub
            told = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise RunError(
                f"{self.where(number + 1)}: cannot be read ({told}); run the same command again to go on from here"
            ) from error

    def where(self, number: int) -> str:
        """The place of the row that came with `number`."""
        return f'{self.source}, split "{self.split}", shard {self.index + 1} of {self.number}, row {number}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A table of the sandbox."""

    table: str

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows, counted from 1."""
        from pluralign.sandbox.rows import rows as embedded

        return enumerate(embedded(self.table), start=1)

    def where(self, number: int) -> str:
        """The place of the row that came with `number`."""
        return f"sandbox, row {number}"


Shard = Lines | Groups | Whole | Streamed | Embedded


@dataclass(frozen=True, slots=True)
class Sharded:
    """Where a table comes from, what stands for its content in a key, and its stretches in order."""

    source: str
    fingerprint: str
    shards: tuple[Shard, ...]


def divide(source: str, *, beside: Path, place: str, split: str | None = None, together: bool = False) -> Sharded:
    """The stretches of a file, a folder, a data set on the hub (`data/rows.py` says how it is written), or the sandbox.

    `split`: only the files of a folder, or the part of a data set, of that name. `together`: rows belong together
    across files, so that all are one stretch.
    Raises: InputError that begins with `place` where there is nothing of the kind.
    """
    if source == "sandbox":
        return Sharded(
            "sandbox",
            rows.read(source, sandbox="preferences", beside=beside, place=place).fingerprint,
            (Embedded(table="preferences"),),
        )
    path = find(source, beside)
    if path.is_dir():
        return _folder(path, split, place, together)
    if path.is_file():
        if split is not None:
            raise InputError(f'{place}: --split "{split}": a single file has no splits')
        shards, key = _cut(path, place)
        return Sharded(str(path), key[:16], (Whole(files=(path,)),) if together else shards)
    if rows.is_path(source):
        raise rows.absent(source, beside, place)
    return _hub(source, split, place, together)


def _folder(folder: Path, split: str | None, place: str, together: bool) -> Sharded:
    paths = list(files.shards(folder))
    if not paths:
        raise InputError(f'{place}: the folder "{folder}" holds no file with rows')
    if split is not None:
        known = {rows.split_of(path) for path in paths}
        if split not in known:
            raise InputError(f"{place}: {folder}: {unknown('split', split, known)}")
        paths = [path for path in paths if rows.split_of(path) == split]
    cut = [_cut(path, place) for path in paths]
    key = content_key({str(path.relative_to(folder)): key for path, (_, key) in zip(paths, cut, strict=True)})
    shards = (Whole(files=tuple(paths)),) if together else tuple(shard for shards, _ in cut for shard in shards)
    return Sharded(str(folder), key, shards)


def _cut(path: Path, place: str) -> tuple[tuple[Shard, ...], str]:
    """The stretches of a file and the hash of its bytes."""
    if path.suffix == ".jsonl":
        return _cut_lines(path)
    if path.suffix == ".parquet":
        return tuple(_cut_groups(path)), file_key(path)
    if kind(path) not in files.SUFFIXES:
        files.read_file(path, place)
    return (Whole(files=(path,)),), file_key(path)


def _cut_lines(path: Path) -> tuple[tuple[Shard, ...], str]:
    size = max(BYTES, -(-os.path.getsize(path) // MOST))
    digest = hashlib.sha256()
    found: list[Shard] = []
    start, first, read, line = 0, 1, 0, 1
    with path.open("rb") as file:
        while block := file.read(size):
            digest.update(block)
            line += block.count(b"\n")
            stop = read + block.rfind(b"\n") + 1
            read += len(block)
            if stop > start and b"\n" in block:
                found.append(Lines(file=path, first=first, start=start, stop=stop))
                start, first = stop, line
    if read > start:
        found.append(Lines(file=path, first=first, start=start, stop=read))
    return tuple(found), digest.hexdigest()


def _cut_groups(path: Path) -> Iterator[Shard]:
    sizes = files.group_sizes(path)
    least = max(BYTES, -(-sum(size for _, size in sizes) // MOST))
    first, number, bytes_, held = 1, 0, 0, list[int]()
    for group, (count, size) in enumerate(sizes):
        held.append(group)
        number, bytes_ = number + count, bytes_ + size
        if bytes_ >= least or group == len(sizes) - 1:
            yield Groups(file=path, first=first, groups=tuple(held))
            first, number, bytes_, held = first + number, 0, 0, list[int]()


def _hub(source: str, split: str | None, place: str, together: bool) -> Sharded:
    commit = rows.hub_commit(source, place)
    streams = _streams(source, commit)
    if split is not None and split not in streams:
        raise InputError(f"{place}: {source}: {unknown('split', split, streams)}")
    named = [split] if split is not None else list(streams)
    if together and len(named) > 1:
        raise InputError(f"{place}: {source}: its rows belong together within a split; name one: --split {named[0]}")
    numbers = {name: 1 if together else int(streams[name].num_shards) for name in named}
    shards = tuple(
        Streamed(source=source, commit=commit, split=name, index=index, number=number)
        for name, number in numbers.items()
        for index in range(number)
    )
    return Sharded(source, content_key({"commit": commit, "splits": named}), shards)


@lru_cache(maxsize=4)
def _streams(source: str, commit: str) -> dict[str, Any]:
    """The splits of a data set on the hub, not yet read."""
    return dict(rows.from_hub(source, source, revision=commit, streaming=True))
