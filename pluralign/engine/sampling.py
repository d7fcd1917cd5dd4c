"""Greedy text from prompts, in batches."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.engine.batches import TOKEN_BUDGET, batches, pad
from pluralign.engine.modes import evaluating
from pluralign.errors import RunError

Ids = tuple[int, ...]


def write(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Ids],
    *,
    max_tokens: int,
    stop: tuple[str, ...] = (),
    token_budget: int = TOKEN_BUDGET,
) -> list[str]:
    """Continue each prompt (token ids) by its most probable tokens, at most `max_tokens` of them, in the order given.

    A text ends at any of the model's end tokens and before the first of the `stop` strings, and is decoded from the
    new tokens alone. The model's sampling settings (temperature, penalties) do not apply.

    Raises: RunError where the model's logits are not numbers.
    """
    texts: dict[int, str] = {}
    for batch in batches([len(prompt) + max_tokens for prompt in prompts], token_budget):
        written = _continue(model, tokenizer, [prompts[index] for index in batch], max_tokens, stop)
        texts.update(zip(batch, written, strict=True))
    return [texts[index] for index in range(len(prompts))]


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a text: those of the model's generation settings and the tokenizer's own."""
    declared: Any = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    own: Any = tokenizer.eos_token_id
    tokens = {own, *(declared if isinstance(declared, list) else [declared])}
    return sorted(token for token in tokens if token is not None)


def _continue(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[Ids],
    max_tokens: int,
    stop: tuple[str, ...],
) -> list[str]:
    padded = pad(prompts, model.device, left=True)
    ends = end_tokens(model, tokenizer)
    greedy = GenerationConfig(
        do_sample=False, max_new_tokens=max_tokens, eos_token_id=ends or None, pad_token_id=ends[0] if ends else 0
    )
    width = padded.ids.shape[1]
    stopping = StoppingCriteriaList([_StopStrings(tokenizer, stop, width)] if stop else [])
    own_settings, model.generation_config = model.generation_config, greedy
    try:
        with evaluating(model):
            generate: Any = model.generate
            ids = generate(
                input_ids=padded.ids,
                attention_mask=padded.mask.long(),
                stopping_criteria=stopping,
                logits_processor=LogitsProcessorList([_Numbers()]),
            )
    finally:
        model.generation_config = own_settings
    return [_text(tokenizer, row[width:].tolist(), ends, stop) for row in ids]


def _text(tokenizer: PreTrainedTokenizerBase, ids: list[int], ends: list[int], stop: tuple[str, ...]) -> str:
    length = next((at for at, token in enumerate(ids) if token in ends), len(ids))
    text = str(tokenizer.decode(ids[:length], skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return text[: min((text.find(word) for word in stop if word in text), default=len(text))]


class _Numbers(LogitsProcessor):
    """Refuses logits that are not numbers, of which the most probable token would be taken in silence."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Any:
        if bool(scores.isnan().any()):
            raise RunError("the model's logits are not numbers (NaN), so it cannot write")
        return scores


class _StopStrings(StoppingCriteria):
    """A row is done once one of the stop strings stands in the end of what it wrote."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: tuple[str, ...], prompt_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.prompt_tokens = prompt_tokens
        self.window = 8 + max(len(word.encode()) for word in stop)

    def __call__(self, input_ids: Tensor, scores: object, **_: object) -> Any:
        start = max(self.prompt_tokens, input_ids.shape[1] - self.window)
        tails = self.tokenizer.batch_decode(input_ids[:, start:].tolist(), skip_special_tokens=True)
        done = [any(word in tail for word in self.stop) for tail in tails]
        return torch.tensor(done, device=input_ids.device)
