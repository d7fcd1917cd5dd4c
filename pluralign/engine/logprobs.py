"""The log-probability of every completion of every fork: packed where the model allows it, plain where not.

Sequences do not see each other either way, so neither the token budget nor the order of the forks changes a result
beyond rounding.
"""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pluralign.engine.batches import TOKEN_BUDGET
from pluralign.engine.head import Head, find_head, inner_model
from pluralign.engine.loading.load import max_tokens
from pluralign.engine.packing.pack import Owner, Pack, plan_packs, whole
from pluralign.engine.passes import in_passes
from pluralign.engine.plain import Rows, plan_rows, row_logprobs
from pluralign.engine.proof import can_pack, encode
from pluralign.engine.scores import Scores, refuse_longer, scores_in_order
from pluralign.engine.targets import target_logprobs
from pluralign.records.fork import Fork

Found = tuple[tuple[Owner, ...], list[int], Tensor]
"""Completions, their lengths, and the log-probabilities of all their tokens, one after the other."""


def logprobs(
    model: nn.Module, forks: Sequence[Fork], *, token_budget: int = TOKEN_BUDGET, temperature: float = 1.0
) -> Scores:
    """Log-probabilities (nats) of all completions, summed over their tokens in float64.

    log p(completion i) = sum over its tokens t of log softmax(logits before t / temperature)[t]. Carries gradients
    unless the caller switched them off. `token_budget` bounds the encoded tokens of one forward pass. It is halved
    where memory is short, for this call and those that come after it with this model.

    Raises: InputError for a prompt and completion that are longer than the model takes.
    """
    found = _by_token(model, forks, token_budget, temperature)
    order = _flat_order(found, forks)
    return scores_in_order([_sums(lengths, values) for _, lengths, values in found], order, forks)


def token_logprobs(
    model: nn.Module, forks: Sequence[Fork], *, token_budget: int = TOKEN_BUDGET
) -> list[tuple[Float[Tensor, " token"], ...]]:
    """Log-probabilities (nats) of every token of every completion: for each fork, a tensor per completion.

    As `logprobs`, whose values are the sums of these.
    """
    by_owner = {
        owner: piece
        for owners, lengths, values in _by_token(model, forks, token_budget)
        for owner, piece in zip(owners, values.split(lengths), strict=True)
    }
    return [
        tuple(by_owner[number, index] for index in range(len(fork.completions))) for number, fork in enumerate(forks)
    ]


def _by_token(model: nn.Module, forks: Sequence[Fork], token_budget: int, temperature: float = 1.0) -> list[Found]:
    head, inner = find_head(model), inner_model(model)
    head = None if head is None else head.tempered(temperature)
    refuse_longer(forks, None if inner is None else max_tokens(inner))
    if head is not None and can_pack(head.backbone, forks):
        plan = partial(_packs, forks)
        return in_passes(model, whole(forks), plan, partial(_packed, head), token_budget)
    run = partial(_plain, model, head, forks, temperature)
    return in_passes(model, whole(forks), partial(plan_rows, forks), run, token_budget)


def _packs(forks: Sequence[Fork], work: Sequence, token_budget: int) -> list[Pack]:
    return plan_packs(forks, work, token_budget, ends=False)


def _packed(head: Head, pack: Pack) -> Found:
    rows = encode(head.backbone, pack, pack.rows)
    place = rows.device
    by_pair = target_logprobs(head, rows, pack.pair_row.to(place), pack.pair_target.to(place))
    return pack.work, pack.lengths, by_pair[pack.use_pair.to(place)]


def _plain(model: nn.Module, head: Head | None, forks: Sequence[Fork], temperature: float, rows: Rows) -> Found:
    values, lengths = row_logprobs(model, head, forks, rows, temperature)
    return rows.work, lengths, values


def _sums(lengths: list[int], values: Float[Tensor, " token"]) -> Float[Tensor, " completion"]:
    owner = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)).to(values.device)
    sums = torch.zeros(len(lengths), dtype=torch.float64, device=values.device)
    return sums.index_add(0, owner, values.double())


def _flat_order(found: list[Found], forks: Sequence[Fork]) -> list[list[int]]:
    firsts = [0, *accumulate(len(fork.completions) for fork in forks)]
    return [[firsts[fork] + index for fork, index in owners] for owners, _, _ in found]
