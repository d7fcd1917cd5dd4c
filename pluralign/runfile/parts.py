"""The parts of a run file, checked: what each section may say."""

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pluralign.records.training import Training

Table = dict[str, Any]
BASE = "base"
"""The name of the first stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """What stands at the top of a run file.

    `base` is a hub id (with an optional `@revision`), a path, or "sandbox". `template`: give prompts to models as plain
    text, or as a user's turn through their chat template. `dtype` is that of audited models.
    """

    title: str = ""
    base: str | None = None
    seed: int = 0
    template: Literal["plain", "chat"] = "plain"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be at least 0 and below 2**32, not {self.seed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataHeader:
    """What every `[data.NAME]` may say beside the options of its source."""

    uses: str = "pairs"
    rows: str
    shares: dict[str, float] = field(default_factory=dict[str, float])
    size: int | None = None
    held_out: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class StageHeader:
    """What every `[[stage]]` may say beside the options of its method and of training.

    `name` and `from` come on top. A stage has either a `method` that trains it or a `model` that exists already.
    """

    method: str | None = None
    model: str | None = None
    data: str | None = None
    reference: str | None = None
    weighting: str = "uniform"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHeader:
    """What every `[[audit]]` may say beside its own options. `rows` come from a file, or `data` gives its held-out."""

    uses: str
    name: str | None = None
    rows: str | None = None
    data: str | None = None
    reference_group: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHeader:
    """What `[recorded]` may say beside the options of its adapter."""

    uses: str
    ladders: list[list[str]] = field(default_factory=list[list[str]])


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPart:
    """One `[data.NAME]`, checked."""

    name: str
    place: str
    header: DataHeader
    module: ModuleType
    options: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePart:
    """One `[[stage]]`, checked. `module`, `weigh`, `training` and `options` are None for a model that exists."""

    name: str
    place: str
    parent: str
    header: StageHeader
    module: ModuleType | None = None
    weigh: ModuleType | None = None
    training: Training | None = None
    options: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPart:
    """One `[[audit]]`, checked."""

    name: str
    place: str
    header: AuditHeader
    module: ModuleType
    options: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPart:
    """`[recorded]`, checked."""

    place: str
    header: RecordedHeader
    module: ModuleType
    options: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """A whole run file, checked. `resolved` is the table after variables and overrides; stages stand after parents."""

    path: Path
    resolved: Table
    general: General
    data: tuple[DataPart, ...]
    stages: tuple[StagePart, ...]
    audits: tuple[AuditPart, ...]
    recorded: RecordedPart | None

    @property
    def beside(self) -> Path:
        """The folder of the run file."""
        return self.path.parent
