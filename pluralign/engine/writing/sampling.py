"""Text from prompts: greedy or drawn, for audits, and several drawn completions of each prompt, for training.

Models whose memory is keys and values write many texts of any lengths side by side (`decode`); others write those of
equal prompts' lengths together (`equal_lengths`). What a text is does not depend on its company either way, beyond the
rounding of logits: the most probable token, or the token that the text's own numbers draw.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.engine.batches import TOKEN_BUDGET
from pluralign.engine.head import inner_model
from pluralign.engine.loading.load import max_tokens as most_tokens
from pluralign.engine.writing.decode import Chooser, Limits, decode
from pluralign.engine.writing.decode_proof import prove
from pluralign.engine.writing.draft import Draft, Ending, Ids, end_tokens
from pluralign.engine.writing.draw import Distribution, draw, most_probable
from pluralign.engine.writing.equal_lengths import decode_equal_lengths
from pluralign.errors import InputError

HELD_BYTES = 2 * 1024**3
"""Keys and values held on a CPU; on a GPU half of what is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """`num_generations` completions of every prompt, of at most `max_tokens` tokens, drawn from `distribution`.

    A completion ends with any of the model's end tokens, or with the token that completes one of `stop`.

    Raises: InputError for a number below 1.
    """

    max_tokens: int
    num_generations: int = 1
    distribution: Distribution = field(default_factory=Distribution)
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("max_tokens", "num_generations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)} is below 1")


@dataclass(frozen=True, slots=True)
class Sampled:
    """A completion's token ids, its end token with them; `truncated` where it ended only because it was long enough."""

    ids: Ids
    truncated: bool


@dataclass(frozen=True, slots=True)
class Text:
    """What prompt number `prompt` was continued by; `ended` by an end token, not by its length or a stop string."""

    prompt: int
    text: str
    ended: bool


def sample(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Ids],
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    token_budget: int = TOKEN_BUDGET,
) -> list[list[Sampled]]:
    """Completions of each prompt (token ids), in order, one list per prompt.

    `seeds`: a whole number (0 or more) for each prompt. Token t of completion j follows from the prompt, its seed, j
    and t alone. `token_budget`: tokens of one forward pass, halved where memory is short.

    Raises: InputError for a prompt that is empty or leaves no room to write; RunError for logits that are not numbers.
    """
    drafts, ending = _drafts(prompts, seeds, sampling), _ending(model, tokenizer, sampling)
    for _ in _decoded(model, drafts, partial(_drawn, sampling.distribution), ending, token_budget):
        pass
    found = [Sampled(draft.written, draft.truncated) for draft in drafts]
    size = sampling.num_generations
    return [found[start : start + size] for start in range(0, len(found), size)]


def write_drawn(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Ids],
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    token_budget: int = TOKEN_BUDGET,
) -> Iterator[Text]:
    """What `sample` draws, as texts, each as soon as there is one; they end as those of `write` do.

    Raises: as `sample`.
    """
    drafts, ending = _drafts(prompts, seeds, sampling), _ending(model, tokenizer, sampling)
    done = _decoded(model, drafts, partial(_drawn, sampling.distribution), ending, token_budget)
    return (Text(draft.prompt, ending.text(draft), draft.ids[-1] in ending.tokens) for draft in done)


def write(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Ids],
    *,
    max_tokens: int,
    stop: tuple[str, ...] = (),
    token_budget: int = TOKEN_BUDGET,
) -> Iterator[tuple[int, str]]:
    """Continue each prompt (token ids) by its most probable tokens, at most `max_tokens` of them.

    Gives the prompt's index and its text as soon as there is one. A text ends at any of the model's end tokens and
    before the first of the `stop` strings, and is decoded from the new tokens alone. The model's sampling settings
    (temperature, penalties) do not apply. `token_budget` as for `sample`.

    Raises: InputError for a prompt that is empty or leaves no room to write; RunError for logits that are not numbers.
    """
    drafts = [Draft(number, 0, list(prompt), len(prompt)) for number, prompt in enumerate(prompts)]
    ending = Ending(max_tokens, frozenset(end_tokens(model, tokenizer)), tokenizer, stop)
    ended = _decoded(model, drafts, lambda logits, _: most_probable(logits), ending, token_budget)
    return ((draft.prompt, ending.text(draft)) for draft in ended)


def _drafts(prompts: Sequence[Ids], seeds: Sequence[int], sampling: Sampling) -> list[Draft]:
    return [
        Draft(number, sibling, list(prompt), len(prompt), _uniforms(seed, sibling, sampling.max_tokens))
        for number, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
        for sibling in range(sampling.num_generations)
    ]


def _ending(model: nn.Module, tokenizer: PreTrainedTokenizerBase, sampling: Sampling) -> Ending:
    return Ending(sampling.max_tokens, frozenset(end_tokens(model, tokenizer)), tokenizer, sampling.stop)


def _decoded(
    model: nn.Module, drafts: list[Draft], choose: Chooser, ending: Ending, token_budget: int
) -> Iterator[Draft]:
    inner = inner_model(model)
    _refuse(drafts, ending.max_tokens, None if inner is None else most_tokens(inner))
    if not drafts:
        return iter(())
    proof = prove(model, max(draft.start for draft in drafts) + ending.max_tokens)
    if inner is None or proof.reason is not None:
        return decode_equal_lengths(model, drafts, choose, ending, Limits(token_budget, token_budget))
    limits = Limits(token_budget, _held_tokens(inner.device, proof.token_bytes))
    return decode(inner, drafts, choose, ending, limits, own_attention=proof.own_attention)


def _held_tokens(place: torch.device, token_bytes: int) -> int:
    free = torch.cuda.mem_get_info(place)[0] // 2 if place.type == "cuda" else HELD_BYTES
    return max(1, free // token_bytes)


def _refuse(drafts: Sequence[Draft], max_tokens: int, limit: int | None) -> None:
    for draft in drafts:
        if not draft.ids:
            raise InputError(f"prompt {draft.prompt} is empty")
        if limit is not None and draft.start + max_tokens > limit:
            wanted = f"{draft.start} tokens and {max_tokens} to write"
            raise InputError(f"prompt {draft.prompt}: {wanted}; the model takes {limit}")


def _drawn(distribution: Distribution, logits: Tensor, drafts: Sequence[Draft]) -> list[int]:
    numbers = torch.tensor([draft.uniform for draft in drafts], dtype=torch.float64, device=logits.device)
    return draw(logits, numbers, distribution)


def _uniforms(seed: int, sibling: int, count: int) -> Float64[np.ndarray, " step"]:
    """A stream of its own for every seed and sibling."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(sibling,))).random(count)
