"""One optimiser step: losses of its examples, weights of their groups, gradients.

The step's objective is sum over groups of weight · mean loss. Its gradient is gathered over as many forward passes as
the token budget asks for, each pair with the coefficient that it has in the whole step, so that cutting a step into
passes changes nothing but rounding. A step that runs out of memory is begun again with half the budget, which stays.

Weights that depend on the losses are known only when the whole step has been seen. The first passes are seen with
their graphs, as many as the budget keeps, which wait for the weights, so that a step of so few passes costs nothing
more; what comes after them is seen without and run again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pluralign import plugins
from pluralign.engine.batch import GroupLosses, Losses
from pluralign.engine.memory import out_of_memory
from pluralign.engine.ranks import count_ranks, from_first, gathered, told, total
from pluralign.errors import RunError
from pluralign.train.examples import Example
from pluralign.train.judge import Judge, Pass
from pluralign.train.parallel import Share

LEAST = 1e-300
"""Stands for the mass of a group that the step holds nothing of, where something is divided by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step found, one value per example: losses, metrics, masses; and the weights of its groups."""

    per_pair: Float[Tensor, " example"]
    metrics: dict[str, Float[Tensor, " example"]]
    masses: Float[Tensor, " example"]
    weights: Float[Tensor, " group"]
    objective: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is learned from at once: examples, how much each counts, and whose they are."""

    examples: Sequence[Example]
    groups: tuple[str, ...]
    masses: Float[Tensor, " example"]
    member: Float[Tensor, "group example"]

    @property
    def group_masses(self) -> Float[Tensor, " group"]:
        """How much each group counts."""
        return self.member @ self.masses


def survey(judge: Judge, examples: Sequence[Example]) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses and metrics of all examples, `[examples]` each, without gradients."""
    share = judge.share(examples)
    with torch.no_grad():
        return _together(list(judge.passes(examples, share)), share.own)


def gather_gradients(
    judge: Judge,
    examples: Sequence[Example],
    groups: tuple[str, ...],
    weighting: ModuleType,
    state: Any,
    options: Any = None,
) -> tuple[Outcome, Any]:
    """Add the gradient of the step's objective to the model's parameters; gives the outcome and the weighting's state.

    `options` are the weighting's, its defaults where None.

    Raises: RunError for a loss or a weight that is not finite.
    """
    member = torch.tensor([[float(each.group == group) for each in examples] for group in groups], dtype=torch.float64)
    step = Step(examples=examples, groups=groups, masses=judge.masses(examples), member=member)
    options = plugins.options_of(weighting)() if options is None else options
    while True:
        try:
            return _attempt(judge, step, weighting, state, options)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not out_of_memory(error) or count_ranks() > 1 or not _take_less(judge, examples, weighting.NEEDS):
                raise  # of several processes the others have gone on, and wait for this one
        judge.model.zero_grad(set_to_none=True)


def _take_less(judge: Judge, examples: Sequence[Example], needs: str) -> bool:
    """Make the budget smaller, first by the graphs that wait; whether that makes any difference to the step."""
    if needs != "shares" and judge.budget.graphs > 1 and len(judge.plan(examples)) > 1:
        judge.budget.graphs = 1
        return True
    if judge.most_together(examples) == 1:
        return False
    judge.budget.halve()
    return True


def _attempt(judge: Judge, step: Step, weighting: ModuleType, state: Any, options: Any) -> tuple[Outcome, Any]:
    """`gather_gradients` with the token budget as it is."""
    share = judge.share(step.examples)
    seen, waiting = _look(judge, step, share, weighting.NEEDS)
    weights, state = from_first(lambda: weighting.weigh(state, seen, options))
    if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
        raise told(RunError(f"the weights of the groups are not all finite and at least 0: {weights.tolist()}"))
    coefficients = step.masses * (step.member.T @ (weights.double() / step.group_masses.clamp_min(LEAST)))
    found = [_learn(each, coefficients * (number < share.own)) for number, each in enumerate(waiting)]
    waiting.clear()
    for number, each in enumerate(judge.passes(step.examples, share, first=len(found)), start=len(found)):
        found.append(_learn(each, coefficients * (number < share.own)))
    per_pair, metrics = _together(found, share.own)
    objective = float((per_pair * coefficients).sum())
    if not math.isfinite(objective):
        raise told(RunError(f"the loss is {objective}; a lower learning_rate may help"))
    return Outcome(per_pair=per_pair, metrics=metrics, masses=step.masses, weights=weights, objective=objective), state


def _look(judge: Judge, step: Step, share: Share, needs: str) -> tuple[GroupLosses, list[Pass]]:
    """The step by groups, as far as a weighting `needs` it, and the passes whose graphs wait for the weights."""
    masses = step.group_masses
    shares = masses / masses.sum()
    if needs == "shares":
        return GroupLosses(groups=step.groups, shares=shares), []
    waiting: list[Pass] = []
    sums = torch.zeros(len(step.groups), 1, dtype=torch.float64)
    for number, batch in enumerate(share.passes):
        waits = len(waiting) < judge.budget.graphs
        with torch.set_grad_enabled(waits):
            losses, columns = _columns(judge, [step.examples[index] for index in batch], needs)
        found = (step.member[:, batch] * step.masses[batch]) @ columns
        sums = sums + (found if number < share.own else 0 * found)
        waiting.extend([(batch, losses)] if waits else [])
    sums = total(sums)
    if not bool(torch.isfinite(sums).all()):
        raise told(
            RunError("the losses of the groups or their gradients are not all finite; a lower learning_rate may help")
        )
    means = sums / masses.clamp_min(LEAST)[:, None]
    gradients = means[:, 1:] if needs == "head_gradients" else None
    return GroupLosses(groups=step.groups, shares=shares, means=means[:, 0], head_gradients=gradients), waiting


def _columns(judge: Judge, examples: Sequence[Example], needs: str) -> tuple[Losses, Float[Tensor, "example column"]]:
    """Losses, and what is summed over the members of each group: the loss and, where it is needed, its gradient."""
    if needs == "losses":
        losses = judge.losses(examples)
        return losses, losses.per_pair.detach().double().cpu()[:, None]
    losses, gradients = judge.losses_and_head_gradients(examples)
    return losses, torch.cat([losses.per_pair.detach().double()[:, None], gradients], dim=1).cpu()


def _learn(found: Pass, coefficients: Tensor) -> Pass:
    """Add up the gradient of one pass; gives it back without its graph."""
    batch, losses = found
    objective = (losses.per_pair * coefficients[batch].to(losses.per_pair.device)).sum()
    objective.backward()
    metrics = {name: value.detach() for name, value in losses.metrics.items()}
    return batch, Losses(per_pair=losses.per_pair.detach(), metrics=metrics)


def _together(passes: list[Pass], own: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses and metrics of the first `own` passes of every process, in the examples' order, float64 on the CPU."""
    found = [each for here in gathered(lambda: list(map(_detached, passes[:own]))) for each in here]
    places = torch.tensor([index for batch, _ in found for index in batch]).argsort()

    def ordered(values: list[Tensor]) -> Tensor:
        return torch.cat(values)[places]

    names = found[0][1].metrics
    metrics = {name: ordered([losses.metrics[name] for _, losses in found]) for name in names}
    return ordered([losses.per_pair for _, losses in found]), metrics


def _detached(found: Pass) -> Pass:
    """A pass without its graph, float64 on the CPU."""
    batch, losses = found
    metrics = {name: value.detach().double().cpu() for name, value in losses.metrics.items()}
    return batch, Losses(per_pair=losses.per_pair.detach().double().cpu(), metrics=metrics)
