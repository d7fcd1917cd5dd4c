"""What passes between the training loop, a method and a weighting: tensors with one value per pair, or per group."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the model says of the completions that a method asked for, for several preferences.

    `scores`: log-probabilities (nats, summed over tokens) or rewards, with gradients in training; `reference`: the
    same of the reference model, without gradients, None where the method needs none; `tokens`: completions' lengths.
    """

    scores: Float[Tensor, "pair completion"]
    reference: Float[Tensor, "pair completion"] | None
    tokens: Int[Tensor, "pair completion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """A method's loss for every pair, and what the log tells of it (TRL's names), one value per pair each."""

    per_pair: Float[Tensor, " pair"]
    metrics: Mapping[str, Float[Tensor, " pair"]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLosses:
    """One optimiser step by groups of people.

    `groups`: all groups of the stage, in a fixed order; `shares`: each group's share of what the step's mean is taken
    over (pairs or tokens), 0 where the step holds none of it, summing to 1; `means`: each group's mean loss, 0 where
    the step holds none of it, and None unless the weighting says `NEEDS_LOSSES`.
    """

    groups: tuple[str, ...]
    shares: Float[Tensor, " group"]
    means: Float[Tensor, " group"] | None
