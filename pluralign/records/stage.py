"""A stage: one rung of the ladder."""

from dataclasses import dataclass
from typing import Literal

StageKind = Literal["base", "sft", "reward", "policy", "model", "recorded"]
"""`model` is an existing model that joined without training; `recorded` a file of replies that were made elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A rung of the ladder. `parents` is empty at the bottom; an ensemble has several."""

    name: str
    kind: StageKind
    parents: tuple[str, ...] = ()
    reference: str | None = None
    method: str | None = None
    seed: int = 0
    step: int | None = None
    key: str = ""
