"""Losses of examples, by the model's scores and the method; and their gradients by the reward head, in closed form."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from pluralign.engine.batch import Batch, Losses
from pluralign.engine.budget import Budget, encoded_tokens
from pluralign.engine.scores import Scores
from pluralign.errors import InputError
from pluralign.train.examples import Example, drawn
from pluralign.train.parallel import Share, share_of

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
        return self.method.losses(_batch(self._scores(examples), examples), self.options)

    def losses_and_head_gradients(self, examples: Sequence[Example]) -> tuple[Losses, Float[Tensor, "example width"]]:
        """The same, and the gradient of every example's loss by the weights of the reward head, in float64.

        Raises: InputError where the model has no linear reward head.
        """
        scores = self._scores(examples)
        if scores.states is None:
            raise InputError(
                "the weighting needs the gradients of a linear reward head, which this model has not; "
                "group_dro needs none"
            )
        batch = _batch(scores, examples)
        slopes = self._slopes(batch)
        states = scores.states.double().view(*slopes.shape, -1)
        return self.method.losses(batch, self.options), torch.einsum("pc,pcw->pw", slopes, states)

    def passes(self, examples: Sequence[Example], share: Share, *, first: int = 0) -> Iterator[Pass]:
        """Losses of the passes of this process's `share` from number `first` on, with each one's examples' indices."""
        for batch in share.passes[first:]:
            yield batch, self.losses([examples[index] for index in batch])

    def plan(self, examples: Sequence[Example]) -> list[list[int]]:
        """Indices of the examples of each pass that this process makes, under the token budget."""
        return self.share(examples).passes

    def share(self, examples: Sequence[Example]) -> Share:
        """The same, and which of these passes count."""
        sizes = encoded_tokens(self.model, [example.fork for example in examples])
        return share_of(sizes, self.budget.tokens)

    def most_together(self, examples: Sequence[Example]) -> int:
        """How many examples the fullest pass holds."""
        return max(map(len, self.plan(examples)))

    def masses(self, examples: Sequence[Example]) -> Float[Tensor, " example"]:
        """How much each example counts in a mean: 1, or its completion tokens where the method `COUNTS` "tokens"."""
        by_token = self.method.COUNTS == "tokens"
        counts = [sum(map(len, example.fork.completions)) if by_token else 1 for example in examples]
        return torch.tensor(counts, dtype=torch.float64)

    def _scores(self, examples: Sequence[Example]) -> Scores:
        with self.autocast():
            return self.score(self.model, [example.fork for example in examples], token_budget=self.budget.tokens)

    def _slopes(self, batch: Batch) -> Float[Tensor, "pair completion"]:
        """The derivative of every pair's loss by its scores: a backward pass of the loss alone."""
        leaf = batch.scores.detach().requires_grad_()
        with torch.enable_grad():
            total = self.method.losses(replace(batch, scores=leaf), self.options).per_pair.sum()
        return torch.autograd.grad(total, leaf)[0]


def _batch(scores: Scores, examples: Sequence[Example]) -> Batch:
    table = scores.table()
    known = [example.reference for example in examples if example.reference is not None]
    reference = torch.tensor(known, dtype=table.dtype, device=table.device) if known else None
    wanted = [example.margin for example in examples]
    margins = torch.tensor(wanted, dtype=table.dtype, device=table.device) if any(wanted) else None
    written = drawn(examples, table.dtype, table.device)
    return Batch(scores=table, reference=reference, tokens=scores.token_table(), margins=margins, drawn=written)
