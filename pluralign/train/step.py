"""One optimiser step: losses of its examples, weights of their groups, gradients.

The step's objective is sum over groups of weight · mean loss. Its gradient is gathered over as many forward passes as
the token budget asks for, each pair with the coefficient that it has in the whole step, so that cutting a step into
passes changes nothing but rounding. A step that runs out of memory is begun again with half the budget, which stays.
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
from pluralign.engine.budget import Budget, encoded_tokens, fill, out_of_memory
from pluralign.engine.scores import Scores
from pluralign.errors import RunError
from pluralign.train.examples import Example

Pass = tuple[list[int], Losses]
"""Indices of examples that went through the model together, and their losses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Gives examples their losses: the engine's `score` (log-probabilities or rewards) of `model`, and the method."""

    model: PreTrainedModel
    method: ModuleType
    options: Any
    score: Callable[..., Scores]
    budget: Budget
    autocast: Callable[[], AbstractContextManager[Any]]

    def losses(self, examples: Sequence[Example]) -> Losses:
        """Loss and metrics of every example; carries gradients unless the caller switched them off."""
        with self.autocast():
            scores = self.score(self.model, [example.fork for example in examples], token_budget=self.budget.tokens)
        table = scores.table()
        references = [example.reference for example in examples]
        known = [reference for reference in references if reference is not None]
        reference = torch.tensor(known, dtype=table.dtype, device=table.device) if known else None
        return self.method.losses(Batch(scores=table, reference=reference, tokens=scores.token_table()), self.options)

    def passes(self, examples: Sequence[Example]) -> Iterator[Pass]:
        """Losses pass by pass, under the token budget, with the indices of the examples of each pass."""
        for batch in self._plan(examples):
            yield batch, self.losses([examples[index] for index in batch])

    def most_together(self, examples: Sequence[Example]) -> int:
        """How many examples the fullest pass holds."""
        return max(map(len, self._plan(examples)))

    def _plan(self, examples: Sequence[Example]) -> list[list[int]]:
        sizes = encoded_tokens(self.model, [example.fork for example in examples])
        return fill(sizes, self.budget.tokens)

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
    per_pair, metrics = _together(_backward_in_memory(judge, examples, coefficients))
    total = float((per_pair * coefficients).sum())
    return Outcome(per_pair=per_pair, metrics=metrics, masses=masses, weights=weights, objective=total), state


def _backward_in_memory(judge: Judge, examples: Sequence[Example], coefficients: Tensor) -> list[Pass]:
    """`_backward`, with smaller passes for as long as memory runs out, where they can be made smaller."""
    while True:
        try:
            return _backward(judge, examples, coefficients)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not out_of_memory(error) or judge.most_together(examples) == 1:
                raise
        judge.model.zero_grad(set_to_none=True)
        judge.budget.halve()


def _backward(judge: Judge, examples: Sequence[Example], coefficients: Tensor) -> list[Pass]:
    """Add up gradients pass by pass; gives the losses without their graphs."""
    found: list[Pass] = []
    for batch, losses in judge.passes(examples):
        objective = (losses.per_pair * coefficients[batch].to(losses.per_pair.device)).sum()
        if not bool(torch.isfinite(objective)):
            raise RunError(f"the loss is {objective.item()}; a lower learning_rate may help")
        objective.backward()
        metrics = {name: value.detach() for name, value in losses.metrics.items()}
        found.append((batch, Losses(per_pair=losses.per_pair.detach(), metrics=metrics)))
    return found


def _membership(examples: Sequence[Example], groups: tuple[str, ...]) -> Float[Tensor, "group example"]:
    rows = [[float(example.group == group) for example in examples] for group in groups]
    return torch.tensor(rows, dtype=torch.float64)


def _together(found: list[Pass]) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses and metrics of several passes in the examples' order, without gradients, float64 on the CPU."""
    places = torch.tensor([index for batch, _ in found for index in batch]).argsort()

    def ordered(values: list[Tensor]) -> Tensor:
        return torch.cat([value.detach().double().cpu() for value in values])[places]

    names = found[0][1].metrics
    metrics = {name: ordered([losses.metrics[name] for _, losses in found]) for name in names}
    return ordered([losses.per_pair for _, losses in found]), metrics
