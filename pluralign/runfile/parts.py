"""The parts of a run file, checked: what each section may say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pluralign.errors import unknown
from pluralign.records.estimate import Adjustment
from pluralign.records.precision import Dtype, Quantization
from pluralign.records.training import Training

Table = dict[str, Any]
BASE = "base"
"""The name of the first stage."""
ENSEMBLE = "ensemble"
"""The method of a stage that is made of others."""
POLICIES = ("plain", "chat", "auto")


def check_seed(seed: int) -> None:
    """Refuse what torch takes for no seed. Raises: ValueError."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be at least 0 and below 2**32, not {seed}")


def check_rows(rows: str | None) -> None:
    """Refuse rows that are an empty text, as of a variable that is not set. Raises: ValueError."""
    if rows == "":
        raise ValueError('rows = "" names nothing; give a file, a folder, a hub id or "sandbox", or leave it out')


@dataclass(frozen=True, slots=True)
class Family:
    """Several seeds of a stage are one stage to the statistics: its `name` without the seed, and the `seed`."""

    name: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """What stands at the top of a run file.

    `base` is a hub id (with an optional `@revision`), a path, or "sandbox"; the section [base] says the same and how it
    is loaded. `template`, for prompts that are plain text: "plain" gives them as they stand, "chat" as a user's turn
    through the model's chat template, "auto" as "chat" for models that have one, and a file `*.jinja` is the chat
    template of all models; `system`: the system turn of every conversation that has none. `dtype` is that of audited
    models, unless a stage has its own.
    """

    title: str = ""
    base: str | None = None
    seed: int = 0
    template: str = "plain"
    system: str | None = None
    dtype: Dtype = "float32"

    def __post_init__(self) -> None:
        if self.template not in POLICIES and not self.template.endswith(".jinja"):
            nearest = unknown("template", self.template, POLICIES)
            raise ValueError(f"{nearest} (or a chat template of your own, a file *.jinja)")
        if self.system is not None and self.template == "plain":
            raise ValueError('system: template = "plain" has no place for it; use "chat", "auto" or a file *.jinja')
        check_seed(self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataHeader:
    """What every `[data.NAME]` may say beside the options of its source.

    `rows` come from a file, a folder, the hub or the sandbox, all of them or those of one `split`; or `mix` names other
    data sets of the file, each of which becomes a group called by its name (`groups = "sets"`), or keeps its `"own"`.
    `shares`, `temperature`, `per_group`, `size` and `repeat` say what is drawn (`data.sampling.Sampling`). Prompts are
    `held_out`, a share from 0 to below 1; or the name of a split that is, whole, here and in every mix. A mix is drawn
    from all pairs of its sets: what these draw, and the shares that they hold out, are theirs alone.
    """

    uses: str = "pairs"
    rows: str | None = None
    split: str | None = None
    mix: list[str] = field(default_factory=list[str])
    groups: Literal["sets", "own"] = "sets"
    shares: dict[str, float] = field(default_factory=dict[str, float])
    temperature: float | None = None
    per_group: int | None = None
    size: int | None = None
    repeat: bool = False
    held_out: float | str = 0.1

    def __post_init__(self) -> None:
        check_rows(self.rows)
        if isinstance(self.held_out, str) and self.mix:
            raise ValueError("a mix holds out the splits that its sets hold out; its own held_out is a share")
        if isinstance(self.held_out, str) and self.split is None:
            raise ValueError(f'held_out = "{self.held_out}" names a split; say with split = "NAME" which is trained on')
        if not isinstance(self.held_out, str) and not 0 <= self.held_out < 1:
            raise ValueError(f"held_out = {self.held_out}: must be at least 0 and below 1, or the name of a split")
        if self.mix and (self.rows is not None or self.split is not None or self.uses != "pairs"):
            raise ValueError("a mix names data sets of this file; rows, split and uses belong to those")
        if len(set(self.mix)) < len(self.mix):
            raise ValueError("mix names a data set twice; shares say how much there is of each")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageHeader:
    """What every `[[stage]]` that is trained may say beside the options of its method and of training.

    `name` and `from` come on top. `reward`, or several: the name of a reward model among the stages, a server
    "http://HOST:PORT/classify", or a function "FILE.py:NAME" or "MODULE:NAME". `seed`: of the order of training and of
    what is drawn in it, the run's own unless it is given.
    """

    method: str | None = None
    data: str | None = None
    reference: str | None = None
    reward: str | list[str] | None = None
    weighting: str = "uniform"
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None:
            check_seed(self.seed)

    @property
    def rewards(self) -> tuple[str, ...]:
        """The rewards as the run file names them."""
        if self.reward is None:
            return ()
        return (self.reward,) if isinstance(self.reward, str) else tuple(self.reward)

    @property
    def reward_stages(self) -> tuple[str, ...]:
        """Those of the rewards that are stages."""
        return tuple(name for name in self.rewards if ":" not in name)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightingHeader:
    """What `weighting` may say beside the options of a weighting, where it is more than a name."""

    uses: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHeader:
    """What `[base]`, and a `[[stage]]` that exists already, may say of its model.

    `model` and `adapter` (a LoRA adapter on top) are hub ids with an optional `@revision`, or paths; `revision` is
    another way to write the model's. `dtype` and `quantization` are what it is audited in, `device` what on.
    """

    model: str
    revision: str | None = None
    adapter: str | None = None
    dtype: Dtype | None = None
    device: str | None = None
    quantization: Quantization | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHeader:
    """What every `[[audit]]` may say beside its own options. `rows` come from a file, or `data` gives its held-out.

    `adjustment` is how p-values allow for the number of groups: "holm" for groups that were chosen beforehand (no more
    than one audit in twenty calls any group wrongly), "bh" (Benjamini and Hochberg) for looking over very many (of the
    groups that are called, one in twenty is called wrongly). `intersections` of slices are slices too: groups of one
    that are in a group of the other.
    """

    uses: str
    name: str | None = None
    rows: str | None = None
    data: str | None = None
    reference_group: str | None = None
    limit: int | None = None
    adjustment: Adjustment = "holm"
    intersections: list[list[str]] = field(default_factory=list[list[str]])

    def __post_init__(self) -> None:
        check_rows(self.rows)


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
    """One `[[stage]]`, checked: `members` are an ensemble's stages, of which `parent` is the first; `model` says what
    exists already; or it is trained by all that follows.
    """

    name: str
    place: str
    parent: str
    members: tuple[str, ...] = ()
    header: StageHeader = StageHeader()
    model: ModelHeader | None = None
    module: ModuleType | None = None
    weigh: ModuleType | None = None
    weigh_options: Any = None
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
    """A whole run file, checked. `resolved` is the table after variables and overrides; stages stand after parents.

    `families`: what the stages of a sweep are seeds of.
    """

    path: Path
    resolved: Table
    general: General
    base: ModelHeader | None
    data: tuple[DataPart, ...]
    stages: tuple[StagePart, ...]
    audits: tuple[AuditPart, ...]
    recorded: RecordedPart | None
    families: Mapping[str, Family] = field(default_factory=dict[str, Family])

    @property
    def beside(self) -> Path:
        """The folder of the run file."""
        return self.path.parent
