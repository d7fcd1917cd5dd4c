"""Training options that every method shares, under the names that TRL gives them."""

from dataclasses import dataclass
from typing import Literal

Schedule = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a stage is trained; every method's module gives its own defaults.

    `batch_size`: preferences per optimiser step, over all forward passes. `num_train_epochs`: passes over the data;
    `max_steps` ends training earlier where it is not None. `max_length`: tokens of prompt and completion together;
    longer completions lose their end, and a preference whose prompt leaves no room is left out (both are counted in
    the log). `warmup_ratio`: share of the steps in which the learning rate rises from zero. `max_grad_norm`: gradients
    are scaled down to this norm, 0 for never. `token_budget`: tokens encoded in one forward pass; it bounds memory,
    leaves results as they are, and is halved where memory runs out. `bf16`: "auto" uses bfloat16 autocast on a GPU
    that has it and float32 on a CPU.
    """

    learning_rate: float = 1e-5
    batch_size: int = 16
    num_train_epochs: float = 1.0
    max_steps: int | None = None
    max_length: int = 1024
    warmup_ratio: float = 0.1
    lr_scheduler_type: Schedule = "linear"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    token_budget: int = 8192
    bf16: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        for name in ("learning_rate", "num_train_epochs"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        for name in ("batch_size", "token_budget"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("weight_decay", "max_grad_norm"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")
        _require(self.max_steps is None or self.max_steps >= 1, "max_steps", self.max_steps, "at least 1")
        _require(self.max_length >= 2, "max_length", self.max_length, "at least 2")
        _require(0 <= self.warmup_ratio <= 1, "warmup_ratio", self.warmup_ratio, "between 0 and 1")


def _require(holds: bool, name: str, value: object, bounds: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {bounds}, not {value}")
