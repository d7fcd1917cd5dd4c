"""Training options that every method shares, under the names that TRL and transformers give them."""

from dataclasses import dataclass
from typing import Literal

from pluralign.errors import unknown

Schedule = Literal["linear", "cosine", "constant"]

ALL_LINEAR = "all-linear"
TRACKERS = ("jsonl", "tensorboard", "trackio", "wandb")
WITHOUT_EFFECT = ("token_budget", "gradient_checkpointing", "save_steps", "save_total_limit", "report_to")
"""Options that leave results as they are: a stage is the same one whatever they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a stage is trained; every method's module gives its own defaults.

    `batch_size`: preferences per optimiser step, over all forward passes. `num_train_epochs`: passes over the data;
    `max_steps` ends training earlier where it is not None. `max_length`: tokens of prompt and completion together;
    longer completions lose their end, and a preference whose prompt leaves no room is left out (both are counted in
    the log). `warmup_ratio`: share of the steps in which the learning rate rises from zero. `max_grad_norm`: gradients
    are scaled down to this norm, 0 for never. `token_budget`: tokens encoded in one forward pass; it bounds memory,
    leaves results as they are, and is halved where memory runs out; up to four such passes are kept at once where a
    weighting must see the losses first. `bf16`: "auto" uses bfloat16 autocast on a GPU that has it and float32 on a
    CPU.

    `eval_steps`: optimiser steps between evaluations on the held-out preferences, or below 1 a share of an epoch; None
    evaluates at the end alone. `metric_for_best_model`: what makes one evaluation better than another, a name of the
    log such as "eval_loss" or "eval_accuracy", or that of the worst group, "worst/eval_loss"; the smaller the
    better where it ends in "loss", else the greater. `load_best_model_at_end`: the stage is what was best, not what was
    last. `early_stopping_patience`: training ends after so many evaluations in a row that were no better.

    `save_steps`: optimiser steps between snapshots, from which a killed training goes on, 0 for none;
    `save_total_limit`: how many of them are kept, beside the best.

    `lora_r`: the rank of the matrices that are trained beside linear layers in place of all weights (LoRA), 0 to train
    all weights; they are added times `lora_alpha` / `lora_r` and want about ten times the learning rate.
    `lora_target_modules`: the layers, by the ends of their names, or "all-linear" for all but the head.
    `gradient_checkpointing`: layers run again in the backward pass rather than keep what they computed, which takes
    less memory and about a third more time; results stay. `report_to`: the trackers that are told what the log is
    told, beside log.jsonl, which there always is.
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
    token_budget: int = 2048
    bf16: bool | Literal["auto"] = "auto"
    eval_steps: float | None = None
    metric_for_best_model: str = "eval_loss"
    load_best_model_at_end: bool = False
    early_stopping_patience: int | None = None
    save_steps: int = 500
    save_total_limit: int = 1
    lora_r: int = 0
    lora_alpha: int = 32
    lora_target_modules: str | tuple[str, ...] = ALL_LINEAR
    gradient_checkpointing: bool = False
    report_to: tuple[str, ...] = ("jsonl",)

    def __post_init__(self) -> None:
        for name in ("learning_rate", "num_train_epochs"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        for name in ("batch_size", "token_budget", "save_total_limit"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("weight_decay", "max_grad_norm", "save_steps"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")
        for name in ("max_steps", "early_stopping_patience"):
            _require(getattr(self, name) is None or getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(self.max_length >= 2, "max_length", self.max_length, "at least 2")
        _require(0 <= self.warmup_ratio <= 1, "warmup_ratio", self.warmup_ratio, "between 0 and 1")
        self._check_evaluation()
        self._check_lora()
        for name in self.report_to:
            if name not in TRACKERS:
                raise ValueError(f"report_to: {unknown('tracker', name, TRACKERS)}")

    def _check_evaluation(self) -> None:
        steps, measure = self.eval_steps, self.metric_for_best_model
        whole = steps is None or 0 < steps < 1 or (steps >= 1 and steps == int(steps))
        _require(whole, "eval_steps", steps, "a whole number of steps, or a share of an epoch above 0 and below 1")
        if not measure.removeprefix("worst/").startswith("eval_"):
            raise ValueError(
                f'metric_for_best_model must be a name such as "eval_loss" or, of the worst group, "worst/eval_loss", '
                f'not "{measure}"'
            )
        if self.seeks_best and steps is None:
            asking = "load_best_model_at_end" if self.load_best_model_at_end else "early_stopping_patience"
            raise ValueError(f"{asking} needs eval_steps, such as eval_steps = 0.25 (of an epoch)")

    def _check_lora(self) -> None:
        _require(self.lora_r >= 0, "lora_r", self.lora_r, "at least 0")
        _require(self.lora_alpha >= 1, "lora_alpha", self.lora_alpha, "at least 1")
        _require(bool(self.lora_target_modules), "lora_target_modules", "nothing", f'names of layers or "{ALL_LINEAR}"')
        if self.lora_r == 0 and (self.lora_alpha, self.lora_target_modules) != (32, ALL_LINEAR):
            raise ValueError("lora_alpha and lora_target_modules need lora_r above 0, such as lora_r = 16")

    @property
    def seeks_best(self) -> bool:
        """Whether evaluations are held against each other."""
        return self.load_best_model_at_end or self.early_stopping_patience is not None


def _require(holds: bool, name: str, value: object, bounds: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {bounds}, not {value}")
