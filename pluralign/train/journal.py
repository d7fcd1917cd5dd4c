"""The log of a training: `log.jsonl`, a line at the start, one per optimiser step, one per evaluation on the held-out
preferences and one for the best of these where it is what is kept.

Names of losses and metrics are TRL's. `group_losses` says what each group's preferences cost.
"""

import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from pluralign.engine.ranks import told
from pluralign.errors import RunError
from pluralign.store import writing
from pluralign.train.examples import Example


class Journal:
    """Lines of JSON, each handed to the system as soon as it is written.

    `evaluations` are the "held_out" lines so far. A log that cannot be written is a RunError.
    """

    def __init__(
        self, path: Path | None, kept: int = 0, note: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        """Begin a log, or go on behind the first `kept` bytes of the one that is there and cut off the rest.

        `note` is told the record of every step and evaluation. Without a path, nothing is on disk.
        """
        self._note = note
        self._path = Path() if path is None else path
        with writing(self._path):
            self._file = io.BytesIO() if path is None else path.open("r+b" if kept else "wb")
            lines = map(json.loads, self._file.read(kept).splitlines() if kept else ())
            self._file.truncate()
        self.evaluations: list[dict[str, Any]] = [line for line in lines if line["event"] == "held_out"]

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with writing(self._path):
            self._file.close()

    def write(self, event: str, **record: Any) -> None:
        """Add a line; `event` is "start", "step", "held_out" or "best".

        Raises: RunError for a number that is not finite, by its step and name.
        """
        for name, value in _numbers(record):
            if not math.isfinite(value):
                step = f"step {record['step']}, " if "step" in record else ""
                raise told(RunError(f"{step}{event}: {name} is {value}; a lower learning_rate may help"))
        line = json.dumps({"event": event, **record}, ensure_ascii=False, allow_nan=False) + "\n"
        with writing(self._path):
            self._file.write(line.encode())
            self._file.flush()
        if self._note is not None and event in ("step", "held_out"):
            self._note(record)
        if event == "held_out":
            self.evaluations.append(record)

    def sync(self) -> int:
        """Make all lines durable; gives their length in bytes."""
        with writing(self._path):
            os.fsync(self._file.fileno())
        return self._file.tell()


def _numbers(record: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, float]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{within}{name}, ")
        elif isinstance(value, float):
            yield within + name, value


def mean(values: Tensor, masses: Tensor) -> float:
    """Mean of `values` `[examples]`, each counted `masses` times."""
    return float((values * masses).sum() / masses.sum())


def by_group(values: Tensor, masses: Tensor, examples: Sequence[Example]) -> dict[str, float]:
    """Mean of `values` `[examples]` in every group that occurs."""
    groups = sorted({example.group for example in examples})
    members = {group: [place for place, example in enumerate(examples) if example.group == group] for group in groups}
    return {group: mean(values[places], masses[places]) for group, places in members.items()}


def held_out_record(
    per_pair: Tensor, metrics: Mapping[str, Tensor], masses: Tensor, examples: Sequence[Example]
) -> dict[str, Any]:
    """Loss and metrics on held-out preferences, over all and by group."""
    ones = masses.new_ones(len(examples))
    found = {"eval_loss": (per_pair, masses)} | {f"eval_{name}": (metrics[name], ones) for name in metrics}
    overall = {name: mean(values, counts) for name, (values, counts) in found.items()}
    return overall | {"groups": {name: by_group(values, counts, examples) for name, (values, counts) in found.items()}}
