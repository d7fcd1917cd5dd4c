"""Rewards: the output of a one-number head at every completion's last token."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from pluralign.engine.batches import TOKEN_BUDGET, batches, pad
from pluralign.engine.scores import Scores, fork_lengths, scores_in_order
from pluralign.records.fork import Fork


def rewards(model: PreTrainedModel, forks: Sequence[Fork], *, token_budget: int = TOKEN_BUDGET) -> Scores:
    """The reward of every completion, r = w · h, where h is the hidden state at the completion's last token.

    `model` is a transformers sequence classifier with one label. Carries gradients unless the caller switched them off.
    Models that do not call their head `score` are run one completion at a time, by their own forward pass.
    """
    rows = [fork.prompt + completion for fork in forks for completion in fork.completions]
    head = getattr(model, "score", None)
    if not isinstance(head, nn.Linear) or model.base_model is model:
        values = [model(input_ids=pad([row], model.device).ids, use_cache=False).logits.view(1) for row in rows]
        return scores_in_order([value.double() for value in values], [[index] for index in range(len(rows))], forks)
    order = batches(fork_lengths(forks), token_budget)
    parts = [head(_last_hidden(model, [rows[index] for index in batch])).squeeze(1).double() for batch in order]
    return scores_in_order(parts, order, forks)


def _last_hidden(model: PreTrainedModel, rows: list[tuple[int, ...]]) -> Float[Tensor, "row width"]:
    padded = pad(rows, model.device)
    output = model.base_model(input_ids=padded.ids, use_cache=False)
    last = padded.mask.sum(dim=1) - 1
    return output.last_hidden_state[torch.arange(len(rows), device=last.device), last]
