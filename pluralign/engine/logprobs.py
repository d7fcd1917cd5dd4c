"""The log-probability of every completion of every fork: the plain path.

Each prompt and completion is a row of its own, padded on the right, and the head runs on completion positions alone.
Rows do not see each other, so neither the token budget nor the order of the forks changes a result beyond rounding.
No mask is passed for the padding: it stands after all real tokens, where a causal model does not look, and rows of a
mask that hide everything would be not-a-number in some attentions.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from pluralign.engine.batches import TOKEN_BUDGET, Padded, batches, pad
from pluralign.engine.head import Head, find_head
from pluralign.engine.scores import Scores, fork_lengths, scores_in_order
from pluralign.records.fork import Fork

CHUNK_LOGITS = 8_000_000
"""Logits held at once: 32 MB in float32."""


def logprobs(model: PreTrainedModel, forks: Sequence[Fork], *, token_budget: int = TOKEN_BUDGET) -> Scores:
    """Log-probabilities (nats) of all completions, summed over their tokens in float64.

    log p(completion i) = sum over its tokens t of log softmax(logits before t)[t]. Carries gradients unless the caller
    switched them off. `token_budget` bounds the padded tokens of one forward pass.
    """
    rows = [(fork.prompt, completion) for fork in forks for completion in fork.completions]
    order = batches(fork_lengths(forks), token_budget)
    return scores_in_order([_sums(model, [rows[index] for index in batch]) for batch in order], order, forks)


def _sums(model: PreTrainedModel, rows: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> Float[Tensor, " row"]:
    padded = pad([prompt + completion for prompt, completion in rows], model.device)
    scored = _completion_mask(padded, [len(prompt) for prompt, _ in rows])
    before = scored.roll(-1, dims=1)
    head = find_head(model)
    if head is None:
        logits = model(input_ids=padded.ids, use_cache=False).logits[before]
        by_token = _in_chunks(None, logits, padded.ids[scored])
    else:
        output = head.backbone(input_ids=padded.ids, use_cache=False)
        by_token = _in_chunks(head, output.last_hidden_state[before], padded.ids[scored])
    grid = torch.zeros(padded.ids.shape, dtype=torch.float64, device=model.device)
    grid[scored] = by_token.double()
    return grid.sum(dim=1)


def _completion_mask(padded: Padded, prompt_tokens: list[int]) -> Bool[Tensor, "row token"]:
    starts = torch.tensor(prompt_tokens, device=padded.ids.device)
    places = torch.arange(padded.ids.shape[1], device=padded.ids.device)
    return padded.mask & (places >= starts[:, None])


def _in_chunks(
    head: Head | None, inputs: Float[Tensor, "position _"], targets: Int[Tensor, " position"]
) -> Float[Tensor, " position"]:
    """Log-probability of each target, a few rows at a time; with gradients the chunks' logits are made anew."""
    vocabulary = inputs.shape[1] if head is None else _vocabulary(head)
    rows = max(1, CHUNK_LOGITS // vocabulary)
    pieces = list(zip(inputs.split(rows), targets.split(rows), strict=True))
    if len(pieces) == 1 or head is None or not torch.is_grad_enabled():
        return torch.cat([_gathered(head, piece, target) for piece, target in pieces])
    return torch.cat(
        [
            checkpoint(_gathered, head, piece, target, use_reentrant=False, preserve_rng_state=False)
            for piece, target in pieces
        ]
    )


def _gathered(
    head: Head | None, inputs: Float[Tensor, "position _"], targets: Int[Tensor, " position"]
) -> Float[Tensor, " position"]:
    logits = inputs if head is None else head.logits(inputs)
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return -cross_entropy(wide, targets, reduction="none")


def _vocabulary(head: Head) -> int:
    weight = head.linear.weight
    assert isinstance(weight, Tensor)
    return weight.shape[0]
