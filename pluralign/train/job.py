"""A job: all that the loop needs to make one stage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from transformers import PreTrainedModel

from pluralign.data.template import Template
from pluralign.records.preference import Preference
from pluralign.records.training import Training
from pluralign.train.examples import Example
from pluralign.train.reference_cache import ReferenceCache

Rollouts = Callable[[PreTrainedModel, int, list[Example]], list[Example]]
"""From the policy, the optimiser step (from 1) and the examples of its prompts to the examples that are trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Train `parent` on `preferences` by `method` and leave the stage in the folder `out`.

    `method` and `weighting` are modules of `pluralign.methods` and `pluralign.weightings`, or the user's own of that
    shape; `options`, `weighting_options` (None: defaults) are theirs. `parent`, `reference` are folders or ids; where a
    method needs a reference and none is named, it is the parent. `held_out` preferences are evaluated on and never
    trained on. `adapter` and `reference_adapter` are LoRA adapters that are merged into the parent and the reference
    first. An online method gives `rollouts`, which turns the prompts of each step into what is trained on; without it
    the examples are trained on as they are; held-out ones go the same way before they are evaluated. `key` stands for
    all that the stage is made of: a snapshot in `out` that bears it is taken up, and without a key none is. After each
    optimiser step `on_step` is called with the keywords `completed`, `total` (steps), `note` and `tokens` (so far).
    `run_name` is what trackers call the training, the name of `out` unless said. In `cache` the reference's
    log-probabilities are kept; without one they are computed anew.
    """

    method: ModuleType
    options: Any
    training: Training
    parent: str | Path
    preferences: Sequence[Preference]
    held_out: Sequence[Preference]
    weighting: ModuleType
    weighting_options: Any = None
    seed: int
    template: Template
    out: Path
    key: str | None = None
    reference: str | Path | None = None
    adapter: str | Path | None = None
    reference_adapter: str | Path | None = None
    cache: ReferenceCache | None = None
    rollouts: Rollouts | None = None
    on_step: Callable[..., None] | None = None
    run_name: str | None = None
    device: str | None = None

    @property
    def iterations(self) -> int:
        """Optimiser steps that are taken on the same examples, where the method has such an option."""
        return getattr(self.options, "num_iterations", 1)

    @property
    def temperature(self) -> float:
        """The temperature of log-probabilities: what completions are drawn at, where the policy writes them."""
        return 1.0 if self.rollouts is None else getattr(self.options, "temperature", 1.0)

    @property
    def reserved(self) -> int:
        """Tokens that a prompt leaves for a completion which the policy writes, where the method has such an option."""
        return getattr(self.options, "max_completion_length", 1)
