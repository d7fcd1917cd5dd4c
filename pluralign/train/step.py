"""One optimiser step: losses of its examples, weights of their groups, gradients.

The step's objective is sum over groups of weight · mean loss. Its gradient is gathered over as many forward passes as
the token budget asks for, each pair with the coefficient that it has in the whole step, so that cutting a step into
passes changes nothing but rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from pluralign.engine.batch import Batch, GroupLosses, Losses
from pluralign.engine.batches import batches
from pluralign.engine.scores import Scores
from pluralign.errors import RunError
from pluralign.train.examples import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Gives examples their losses: the engine's `score` (log-probabilities or rewards) of `model`, and the method."""

    model: PreTrainedModel
    method: ModuleType
    options: Any
    score: Callable[..., Scores]
    token_budget: int
    autocast: Callable[[], AbstractContextManager[Any]]

    def losses(self, examples: Sequence[Example]) -> Losses:
        """Loss and metrics of every example; carries gradients unless the caller switched them off."""
        with self.autocast():
            scores = self.score(self.model, [example.fork for example in examples], token_budget=self.token_budget)
        table = scores.table()
        references = [example.reference for example in examples]
        known = [reference for reference in references if reference is not None]
        reference = torch.tensor(known, dtype=table.dtype, device=table.device) if known else None
        return self.method.losses(Batch(scores=table, reference=reference, tokens=scores.token_table()), self.options)

    def passes(self, examples: Sequence[Example]) -> Iterator[tuple[list[int], Losses]]:
        """Losses pass by pass, under the token budget, with the indices of the examples of each pass."""
        for batch in batches([example.padded_tokens() for example in examples], self.token_budget):
            yield batch, self.losses([examples[index] for index in batch])

    def masses(self, examples: Sequence[Example]) -> Float[Tensor, " example"]:
        """How much each example counts in a mean: 1, or its completion tokens where the method `COUNTS` "tokens"."""
        by_token = self.method.COUNTS == "tokens"
        counts = [sum(map(len, example.fork.completions)) if by_token else 1 for example in examples]
        return torch.tensor(counts, dtype=torch.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step found, one value per example: losses, metrics, masses; and the weights of its groups."""

    per_pair: Float[Tensor, " example"]
    metrics: dict[str, Float[Tensor, " example"]]
    masses: Float[Tensor, " example"]
    weights: Float[Tensor, " group"]
    objective: float


def survey(judge: Judge, examples: Sequence[Example]) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses and metrics of all examples, `[examples]` each, without gradients."""
    with torch.no_grad():
        return _together(list(judge.passes(examples)))


def gather_gradients(
    judge: Judge, examples: Sequence[Example], groups: tuple[str, ...], weighting: ModuleType, state: Any
) -> tuple[Outcome, Any]:
    """Add the gradient of the step's objective to the model's parameters; gives the outcome and the weighting's state.

    Raises: RunError for a loss or a weight that is not finite.
    """
    masses = judge.masses(examples)
    member = _membership(examples, groups)
    group_masses = member @ masses
    means = None
    if weighting.NEEDS_LOSSES:
        means = member @ (survey(judge, examples)[0] * masses) / group_masses.clamp_min(1e-300)
    seen = GroupLosses(groups=groups, shares=group_masses / masses.sum(), means=means)
    weights, state = weighting.weigh(state, seen, None)
    if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
        raise RunError(f"the weights of the groups are not all finite and at least 0: {weights.tolist()}")
    coefficients = masses * (member.T @ (weights.double() / group_masses.clamp_min(1e-300)))
    found: list[tuple[list[int], Losses]] = []
    for batch, losses in judge.passes(examples):
        objective = (losses.per_pair * coefficients[batch].to(losses.per_pair.device)).sum()
        if not bool(torch.isfinite(objective)):
            raise RunError(f"the loss is {objective.item()}; a lower learning_rate may help")
        objective.backward()
        found.append((batch, losses))
    per_pair, metrics = _together(found)
    total = float((per_pair * coefficients).sum())
    return Outcome(per_pair=per_pair, metrics=metrics, masses=masses, weights=weights, objective=total), state


def _membership(examples: Sequence[Example], groups: tuple[str, ...]) -> Float[Tensor, "group example"]:
    rows = [[float(example.group == group) for example in examples] for group in groups]
    return torch.tensor(rows, dtype=torch.float64)


def _together(found: list[tuple[list[int], Losses]]) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses and metrics of several passes in the examples' order, without gradients, float64 on the CPU."""
    places = torch.tensor([index for batch, _ in found for index in batch]).argsort()

    def ordered(values: list[Tensor]) -> Tensor:
        return torch.cat([value.detach().double().cpu() for value in values])[places]

    names = found[0][1].metrics
    metrics = {name: ordered([losses.metrics[name] for _, losses in found]) for name in names}
    return ordered([losses.per_pair for _, losses in found]), metrics
