"""Rewards: the output of a one-number head at every completion's last token."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate

from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from pluralign.engine.batches import TOKEN_BUDGET, pad
from pluralign.engine.head import inner_model
from pluralign.engine.loading.load import max_tokens
from pluralign.engine.packing.pack import Owner, Pack, plan_packs, whole
from pluralign.engine.passes import in_passes
from pluralign.engine.plain import Rows, plan_rows, row_ends
from pluralign.engine.proof import can_pack, encode
from pluralign.engine.scores import Scores, in_order, refuse_longer, scores_in_order
from pluralign.records.fork import Fork

Ends = tuple[tuple[Owner, ...], Tensor]
"""Completions and the hidden states at their ends."""


def rewards(model: nn.Module, forks: Sequence[Fork], *, token_budget: int = TOKEN_BUDGET) -> Scores:
    """The reward of every completion, r = w · h, where h is the hidden state at the completion's last token.

    `model` is a transformers sequence classifier with one label. Carries gradients unless the caller switched them off.
    `states` of what comes back are the h. Models that do not call their head `score` are run one completion at a time,
    by their own forward pass, and without `states`.

    Raises: InputError for a prompt and completion that are longer than the model takes.
    """
    inner = inner_model(model)
    refuse_longer(forks, None if inner is None else max_tokens(inner))
    head = getattr(inner, "score", None)
    if inner is None or not isinstance(head, nn.Linear) or not isinstance(inner.base_model, PreTrainedModel):
        return _one_by_one(model, forks)
    if inner.base_model is inner:
        return _one_by_one(model, forks)
    found = end_states(inner.base_model, forks, token_budget=token_budget)
    firsts = [0, *accumulate(len(fork.completions) for fork in forks)]
    order = [[firsts[fork] + index for fork, index in owners] for owners, _ in found]
    scores = scores_in_order([head(states).squeeze(1).double() for _, states in found], order, forks)
    return replace(scores, states=in_order([states.detach() for _, states in found], order))


def end_states(backbone: PreTrainedModel, forks: Sequence[Fork], *, token_budget: int) -> list[Ends]:
    """The hidden state at each completion's last token, `[completions, width]` per forward pass."""
    if can_pack(backbone, forks):
        plan = partial(_packs, forks)
        return in_passes(backbone, whole(forks), plan, partial(_packed, backbone), token_budget)
    run = partial(_plain, backbone, forks)
    return in_passes(backbone, whole(forks), partial(plan_rows, forks), run, token_budget)


def _packs(forks: Sequence[Fork], work: Sequence, token_budget: int) -> list[Pack]:
    return plan_packs(forks, work, token_budget, ends=True)


def _packed(backbone: PreTrainedModel, pack: Pack) -> Ends:
    return pack.work, encode(backbone, pack, pack.finals)


def _plain(backbone: PreTrainedModel, forks: Sequence[Fork], rows: Rows) -> Ends:
    return rows.work, row_ends(backbone, forks, rows)


def _one_by_one(model: nn.Module, forks: Sequence[Fork]) -> Scores:
    rows = [fork.prompt + completion for fork in forks for completion in fork.completions]
    device = next(model.parameters()).device
    values: list[Float[Tensor, " 1"]] = [
        model(input_ids=pad([row], device).ids, use_cache=False).logits.view(1).double() for row in rows
    ]
    return scores_in_order(values, [[index] for index in range(len(rows))], forks)
