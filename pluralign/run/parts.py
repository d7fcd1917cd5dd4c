"""What a prepared run consists of: data that was read, rungs of the ladder, exams with their items."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pluralign.data.hub import Model
from pluralign.data.template import PLAIN, Template
from pluralign.records.intersection import Intersection
from pluralign.records.item import Item
from pluralign.records.preference import Preference
from pluralign.records.stage import Stage
from pluralign.runfile.parts import AuditPart, ModelHeader, RunFile, StagePart
from pluralign.store import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Voices:
    """A data set of the run, mixed and split by prompt; `left_out` counts by reason what its source does not use."""

    name: str
    entry: Entry
    train: tuple[Preference, ...]
    held_out: tuple[Preference, ...]
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A stage of the run and where it comes from.

    `part` is None for the base, `entry` for all models that exist; `model` is the folder its weights are or will be in,
    `found` the files of a model that exists, `header` what the run file says of it, `adapter_key` what its adapter is
    known by; `dtype` is that of its audits, of an ensemble those of its members where they differ; `recorded` gives the
    files of a recorded stage by audit.
    """

    stage: Stage
    part: StagePart | None = None
    entry: Entry | None = None
    model: Path | None = None
    found: Model | None = None
    header: ModelHeader | None = None
    adapter_key: str | None = None
    dtype: str = "auto"
    recorded: Mapping[str, tuple[Path, ...]] | None = None

    @property
    def adapter(self) -> Path | None:
        """The folder of the adapter that goes on the model, if any."""
        return None if self.found is None or self.found.adapter is None else self.found.adapter.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """An audit of the run and its items; `every` holds the ids of all items, also those beyond the limit."""

    part: AuditPart
    items: tuple[Item, ...]
    every: frozenset[str]
    limit: int | None
    reference: Mapping[str, str]
    fingerprint: str
    intersections: tuple[Intersection, ...] = ()

    @property
    def total(self) -> int:
        """How many items there are without a limit."""
        return len(self.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything that is known before anything is computed. `folder` is where the run leaves what it makes."""

    file: RunFile
    folder: Path
    voices: tuple[Voices, ...]
    rungs: tuple[Rung, ...]
    exams: tuple[Exam, ...]
    transitions: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    template: Template = PLAIN

    def rung(self, name: str) -> Rung:
        """The rung called `name`."""
        return next(rung for rung in self.rungs if rung.stage.name == name)
