"""Rows from anywhere: the sandbox, a file, a folder of shards, or a data set on the hub."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from pluralign.data.files import is_table, read_file, shards
from pluralign.errors import InputError, unknown
from pluralign.plugins import find
from pluralign.store import content_key, file_key

Row = Mapping[str, Any]
_SHARD = re.compile(r"-\d+-of-\d+$")
_NUMBER = re.compile(r"row (\d+)\b")


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: where it comes from, what stands for its content in a key, and its rows.

    `shards` names the files or splits that the rows stand in, in order, with the number of rows of each. `numbers` are
    the rows' own among all of these, from 1, where some are left out.
    """

    source: str
    fingerprint: str
    rows: tuple[Row, ...]
    shards: tuple[tuple[str, int], ...] = ()
    numbers: tuple[int, ...] | None = None

    def only(self, split: str, place: str) -> "Rows":
        """The rows of one split. Raises: InputError that begins with `place` where there is none of that name."""
        named = [str(row["split"]) if "split" in row else None for row in self.rows]
        kept = tuple(number for number, name in enumerate(named, start=1) if name == split)
        if not kept:
            known = {name for name in named if name is not None}
            if not known:
                raise InputError(f'{place}: split = "{split}", but no row of {self.source} has a column "split"')
            raise InputError(f"{place}: {self.source}: {unknown('split', split, known)}")
        rows = tuple(self.rows[number - 1] for number in kept)
        return replace(self, source=f'{self.source}, split "{split}"', rows=rows, numbers=kept)

    def locate(self, complaint: str) -> str:
        """A complaint, such as "row 7: …", with the file in front that holds the row, and its number there."""
        match = _NUMBER.match(complaint)
        if match is None:
            return f"{self.source}, {complaint}"
        number = int(match[1]) if self.numbers is None else self.numbers[int(match[1]) - 1]
        for name, count in self.shards:
            if number <= count:
                return f"{name}, row {number}{complaint[match.end() :]}"
            number -= count
        return f"{self.source}, {complaint}"


def read(source: str, *, sandbox: str, beside: Path, place: str) -> Rows:
    """All rows of `source`: "sandbox" (its table called `sandbox`), a file, a folder, a hub id.

    A folder stands for all files with rows in it. A hub id is `owner/name`, with a folder of it behind another slash,
    with `:config` where the data set has several, and an optional `@revision` at the end. Rows of a folder and of the
    hub name their split in the column `split` unless they have one of their own; of a folder's file it is the name,
    less "-00000-of-00002".
    Raises `InputError` that names the file and the line where a file is damaged, or what is missing.
    """
    if source == "sandbox":
        return _sandbox(sandbox)
    path = find(source, beside)
    if path.is_file():
        table = tuple(read_file(path, place))
        return Rows(str(path), file_key(path)[:16], table, ((str(path), len(table)),))
    if path.is_dir():
        return _folder(path, place)
    if is_path(source):
        raise absent(source, beside, place)
    return _from_hub(source, place)


def absent(source: str, beside: Path, place: str) -> InputError:
    """The complaint about a file that is not there, with the file or folder that was probably meant."""
    path = Path(source).expanduser()
    homes = [home for home in (path.parent, beside / path.parent) if home.is_dir()]
    known = {other.name for home in homes for other in home.iterdir() if other.is_dir() or is_table(other)}
    near = get_close_matches(path.name, sorted(known), n=1)
    hint = f'; did you mean "{path.with_name(near[0])}"?' if near else ""
    return InputError(f'{place}: there is no file "{source}"{hint}')


def is_path(source: str) -> bool:
    """Whether what is no file here cannot be a hub id either."""
    return is_table(Path(source)) or source.startswith((".", "/", "~")) or "/" not in source


def _sandbox(name: str) -> Rows:
    from pluralign.sandbox.rows import rows as embedded

    table = tuple(embedded(name))
    text = json.dumps(table, ensure_ascii=False, sort_keys=True, default=str)
    return Rows("sandbox", hashlib.sha256(text.encode()).hexdigest()[:16], table)


def _folder(folder: Path, place: str) -> Rows:
    paths = list(shards(folder))
    if not paths:
        raise InputError(f'{place}: the folder "{folder}" holds no file with rows')
    parts = [(str(path), split_of(path), tuple(read_file(path, place))) for path in paths]
    fingerprint = content_key({str(path.relative_to(folder)): file_key(path) for path in paths})
    return _joined(str(folder), fingerprint, parts)


def split_of(path: Path) -> str:
    """The split that a file's name says: "train" of "train-00000-of-00002.parquet" and of "train.jsonl.gz"."""
    return _SHARD.sub("", path.name.partition(".")[0])


def _joined(source: str, fingerprint: str, parts: Sequence[tuple[str, str, tuple[Row, ...]]]) -> Rows:
    """The rows of several parts (name, split, rows) as one table."""
    rows = tuple({"split": split} | dict(row) for _, split, part in parts for row in part)
    return Rows(source, fingerprint, rows, tuple((name, len(part)) for name, _, part in parts))


def _from_hub(source: str, place: str) -> Rows:
    loaded = from_hub(source, place)
    parts = [
        (f'{source}, split "{split}"', str(split), cast("tuple[Row, ...]", tuple(table)))
        for split, table in loaded.items()
    ]
    fingerprint = "-".join(table._fingerprint for table in loaded.values())
    return _joined(source, hashlib.sha256(fingerprint.encode()).hexdigest()[:16], parts)


def from_hub(source: str, place: str, **named: Any) -> Mapping[str, Any]:
    """The splits of a data set on the hub; `named` are further options of `datasets.load_dataset`.

    Raises: InputError that begins with `place` where it cannot be loaded.
    """
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f'{place}: there is no file "{source}", and to load it from the hub needs: pip install "pluralign[hub]"'
        ) from error
    owner, name, folder, configuration, revision = _address(source)
    options: dict[str, Any] = {"revision": revision, "data_dir": folder} | named
    try:
        return datasets.load_dataset(f"{owner}/{name}", configuration, **options)
    except Exception as error:
        raise InputError(
            f'{place}: "{source}" is neither a file nor a data set that can be loaded: {_why(error)}'
        ) from error


def hub_commit(source: str, place: str) -> str:
    """The commit that a hub id means at present. Raises: InputError that begins with `place` where there is none."""
    from huggingface_hub import HfApi

    owner, name, _, _, revision = _address(source)
    try:
        return str(HfApi().dataset_info(f"{owner}/{name}", revision=revision).sha)
    except Exception as error:
        raise InputError(f'{place}: "{source}" is neither a file nor a data set on the hub: {_why(error)}') from error


def _address(source: str) -> tuple[str, str, str | None, str | None, str | None]:
    """Owner, name, folder, configuration and revision in `owner/name/folder:configuration@revision`."""
    address, _, revision = source.partition("@")
    address, _, configuration = address.partition(":")
    owner, name, *folder = address.split("/")
    return owner, name, "/".join(folder) or None, configuration or None, revision or None


def _why(error: Exception) -> str:
    """The first line, and how to write it where a configuration has to be picked or the data are made by a script."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if "available configs" in str(error):
        return " ".join(lines[:2]) + ' (write "owner/name:config")'
    if "scripts are no longer supported" in str(error):
        return lines[0] + ' (write "owner/name/CONFIG@refs/convert/parquet" for the hub\'s own copy as Parquet)'
    return lines[0]
