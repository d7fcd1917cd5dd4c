"""What stands on disk: folders named by their content, made beside and renamed, `DONE` written last.

A key is a hash of everything a thing is made of, so that a changed option is a new folder and never a silent skip.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pluralign.errors import InputError, RunError

Made = Mapping[str, Any]
State = Literal["done", "partial", "missing"]
STEPS = "steps"
"""In a folder that is being made: what work that was cut off goes on from."""


def content_key(made_of: Made) -> str:
    """Twelve hexadecimal digits that stand for what a thing is made of (plain JSON data)."""
    text = json.dumps(made_of, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_key(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file of text as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a torn one."""
    beside = path.with_name(f".{path.name}.writing")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Make an error of the disk while `place` is written one line that names it. Raises: RunError."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{place} cannot be written ({error.strerror or error})") from error


def write_json(path: Path, value: object) -> None:
    """Write JSON for people and programs, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder of a run: `<run>/<shelf>/<name>-<key>`."""

    shelf: Literal["data", "stages", "audits", "references", "census"]
    name: str
    made_of: Made

    @property
    def key(self) -> str:
        """The content key."""
        return content_key(self.made_of)

    def folder(self, run: Path) -> Path:
        """Where it stands once it is whole."""
        return run / self.shelf / f"{self.name}-{self.key}"

    def partial(self, run: Path) -> Path:
        """Where it is made."""
        return run / self.shelf / f"{self.name}-{self.key}.partial"

    def state(self, run: Path) -> State:
        """Whether it is there, begun, or neither."""
        if (self.folder(run) / "DONE").is_file():
            return "done"
        return "partial" if self.partial(run).is_dir() or self.folder(run).is_dir() else "missing"


@contextmanager
def making(entry: Entry, run: Path, *, in_steps: bool = False) -> Iterator[Path]:
    """A folder to make `entry` in; it gets its name only when the block ends well.

    It is fresh, unless the work is done `in_steps` and an earlier attempt left some in the folder `STEPS`: its remains
    are then kept as they are, to go on from. `STEPS` is deleted in the end.
    """
    partial, folder = entry.partial(run), entry.folder(run)
    begun = in_steps and (partial / STEPS).is_dir()
    for old in (folder,) if begun else (partial, folder):
        if old.exists():
            shutil.rmtree(old)
    partial.mkdir(parents=True, exist_ok=True)
    yield partial
    write_json(partial / "made_of.json", entry.made_of)
    for path in partial.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    write_text(partial / "DONE", entry.key + "\n")
    partial.rename(folder)
    sync_folder(folder.parent)
    sweep(run)


def sweep(run: Path) -> None:
    """Delete the steps of what is whole; a process that was killed may have left some."""
    for done in run.glob("*/*/DONE"):
        steps = done.with_name(STEPS)
        if done.parent.suffix != ".partial" and steps.is_dir():
            shutil.rmtree(steps)


def why(entry: Entry, run: Path) -> str:
    """Why `entry` is missing: what is different from the one of the same name that is most like it."""
    shelf = run / entry.shelf
    made = [path for path in shelf.glob(f"{entry.name}-*/made_of.json") if path.parent.name[:-13] == entry.name]
    if not made:
        return "never made"
    new = _flat(json.loads(json.dumps(entry.made_of)))
    latest_first = sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)
    olds = [_flat(json.loads(path.read_text(encoding="utf-8"))) for path in latest_first]
    nearest = min(olds, key=lambda old: len(_differences(old, new)))
    changed = _differences(nearest, new)
    listed = [f"{name} {_short(nearest.get(name))} → {_short(new.get(name))}" for name in changed[:3]]
    if len(changed) > len(listed):
        listed.append(f"{len(changed) - len(listed)} more")
    return "changed: " + ", ".join(listed) if listed else "never finished"


def _differences(old: Made, new: Made) -> list[str]:
    return [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {name: leaf for key, inner in value.items() for name, leaf in _flat(inner, f"{prefix}{key}.").items()}
    return {prefix.removesuffix("."): value}


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "…"


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run's folder for one process; a second one is told so and does not wait."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"{run}: another pluralign is at work here; wait for it, or use another --runs folder"
            ) from None
        yield


def check_writable(folder: Path) -> None:
    """Refuse early the folder of a run that cannot be written, without creating it."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f'--runs: "{existing}" is a file, not a folder')
    if not os.access(existing, os.W_OK):
        raise InputError(f'--runs: no permission to write in "{existing}"')
