"""The table of readings: every value that every stage of a run gave, in columns.

A run appends readings one by one to a `TableBuilder`; `build` turns them into a `Table`, whose text columns are
dictionary-encoded, so that a million readings take 40 MB and are compared as integers.
"""

from array import array
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, Integer

from pluralign.records.item import Item
from pluralign.records.reading import Reading
from pluralign.records.stage import Stage

NO_STEP = -1
"""Stands for "no step" (None) in the column `step`."""

TEXTS = ("audit", "measure", "stage", "item", "slice", "group", "cluster")
COLUMNS = ("audit", "measure", "stage", "seed", "step", "item", "slice", "group", "cluster", "value")


@dataclass(frozen=True)
class Words:
    """A text column: reading i holds `words[codes[i]]`. Words stand in the order in which they were first appended."""

    codes: Int32[np.ndarray, " reading"]
    words: tuple[str, ...]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: code for code, word in enumerate(self.words)}

    def equals(self, word: str) -> Bool[np.ndarray, " reading"]:
        """Which readings hold `word`."""
        return self.codes == self._index.get(word, -1)

    def take(self, rows: Integer[np.ndarray, " row"]) -> "Words":
        """The column of some rows, with the same words."""
        return Words(self.codes[rows], self.words)

    def at(self, row: int) -> str:
        """The text of one reading."""
        return self.words[int(self.codes[row])]

    def texts(self) -> list[str]:
        """The column spelt out, one text per reading."""
        return [self.words[code] for code in self.codes.tolist()]


@dataclass(frozen=True)
class Table:
    """Readings in columns, all of one length. `step` is `NO_STEP` where a stage has none; a NaN `value` is missing."""

    audit: Words
    measure: Words
    stage: Words
    seed: Int64[np.ndarray, " reading"]
    step: Int32[np.ndarray, " reading"]
    item: Words
    slice: Words
    group: Words
    cluster: Words
    value: Float64[np.ndarray, " reading"]

    def __len__(self) -> int:
        return len(self.value)

    def take(self, rows: Integer[np.ndarray, " row"]) -> "Table":
        """The table of some rows."""
        return Table(
            audit=self.audit.take(rows),
            measure=self.measure.take(rows),
            stage=self.stage.take(rows),
            seed=self.seed[rows],
            step=self.step[rows],
            item=self.item.take(rows),
            slice=self.slice.take(rows),
            group=self.group.take(rows),
            cluster=self.cluster.take(rows),
            value=self.value[rows],
        )

    def view(self, audit: str, measure: str) -> "Table":
        """The readings of one measure of one audit; empty where there are none."""
        return self.take(np.flatnonzero(self.measure.equals(measure) & self.audit.equals(audit)))

    def groups(self, audit: str) -> list[tuple[str, str]]:
        """Every slice and group that an audit has readings of, sorted."""
        rows = self.audit.equals(audit)
        slices: list[int] = self.slice.codes[rows].tolist()
        groups: list[int] = self.group.codes[rows].tolist()
        pairs = set(zip(slices, groups, strict=True))
        return sorted((self.slice.words[slice], self.group.words[group]) for slice, group in pairs)


class _Codes(dict[str, int]):
    """Numbers words in the order in which they are first asked for."""

    def __missing__(self, word: str) -> int:
        code = self[word] = len(self)
        return code


class TableBuilder:
    """Collects readings; append them stage by stage in the order of the ladder, which the report keeps."""

    def __init__(self) -> None:
        self._codes: tuple[_Codes, ...] = tuple(_Codes() for _ in TEXTS)
        self._columns: tuple[array[int], ...] = tuple(array("i") for _ in TEXTS)
        self._seed = array("q")
        self._step = array("i")
        self._value = array("d")

    def __len__(self) -> int:
        return len(self._value)

    def append(  # noqa: PLR0913 a reading has ten columns
        self,
        *,
        audit: str,
        measure: str,
        stage: str,
        seed: int = 0,
        step: int | None = None,
        item: str,
        slice: str,
        group: str,
        cluster: str,
        value: float,
    ) -> None:
        """Append one reading of one group."""
        texts = (audit, measure, stage, item, slice, group, cluster)
        for codes, column, text in zip(self._codes, self._columns, texts, strict=True):
            column.append(codes[text])
        self._seed.append(seed)
        self._step.append(NO_STEP if step is None else step)
        self._value.append(value)

    def add(self, audit: str, stage: Stage, item: Item, reading: Reading) -> None:
        """Append what an audit read off an item's replies at a stage, once for every slice that it counts for.

        ValueError where the reading names a group without its slice, or a slice that the item lacks.
        """
        for dimension, group in _groups(audit, item, reading):
            self.append(
                audit=audit,
                measure=reading.measure,
                stage=stage.name,
                seed=stage.seed,
                step=stage.step,
                item=item.id,
                slice=dimension,
                group=group,
                cluster=item.cluster,
                value=reading.value,
            )

    def build(self) -> Table:
        """The table of what has been appended so far."""
        columns = dict(zip(TEXTS, zip(self._columns, self._codes, strict=True), strict=True))
        words = {name: Words(np.array(codes, np.int32), tuple(index)) for name, (codes, index) in columns.items()}
        return Table(
            **words,
            seed=np.array(self._seed, np.int64),
            step=np.array(self._step, np.int32),
            value=np.array(self._value, np.float64),
        )


def _groups(audit: str, item: Item, reading: Reading) -> list[tuple[str, str]]:
    """Every slice and group that a reading counts for."""
    if reading.slice is None:
        if reading.group is not None:
            raise ValueError(f'audit "{audit}", item "{item.id}": a reading of group "{reading.group}" names no slice')
        return list(item.slices.items())
    group = item.slices.get(reading.slice) if reading.group is None else reading.group
    if group is None:
        raise ValueError(
            f'audit "{audit}", item "{item.id}": a reading names slice "{reading.slice}", '
            "which the item lacks, and no group"
        )
    return [(reading.slice, group)]
