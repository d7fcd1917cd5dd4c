"""From text to token ids: the one place where prompts, chat templates and special tokens meet.

A text prompt is given as it stands under the template "plain", and as one turn of a user under "chat". A conversation
always goes through the tokenizer's chat template. The beginning-of-sequence token, where the tokenizer uses one, stands
at the front exactly once, whoever wrote it: the template, the text, or this module.
"""

from collections.abc import Sequence
from typing import Any, Literal

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.errors import InputError
from pluralign.records.fork import Fork
from pluralign.records.preference import Message, Prompt

Template = Literal["plain", "chat"]
Ids = tuple[int, ...]


class TooLongError(InputError):
    """A prompt and what follows it are more tokens than the model takes."""


def render(
    prompt: Prompt,
    completions: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    template: Template,
    end: bool,
    max_tokens: int | None = None,
) -> Fork:
    """The fork of `prompt` and its completions, cut on token ids.

    Prompt and completion are encoded together. The fork's prompt is the longest common prefix of all these encodings
    and of the prompt's own, so a token that spans the boundary belongs to the completion. Where nothing is left in
    front of the completions, the tokenizer's beginning-of-sequence token, or else its end token, stands there.
    `end` appends the end token, as in training; `max_tokens` is the most that the model can take.

    Raises: TooLongError for a prompt and completion of more than `max_tokens` tokens; InputError for an empty
    completion, for a conversation where the tokenizer has no chat template, and where a token that is needed does not
    exist.
    """
    for index, completion in enumerate(completions):
        if not completion:
            raise InputError(f"completion {index} is empty: it has no probability ({_quote(prompt)})")
    text = _text(prompt, tokenizer, template)
    joint = _encode([text + completion for completion in completions], tokenizer)
    shared = _common_prefix([*joint, _encode([text], tokenizer)[0]])
    rests = [ids[len(shared) :] for ids in joint]
    for index, rest in enumerate(rests):
        if not rest:
            raise InputError(f"completion {index}, {completions[index]!r}, adds no token ({_quote(prompt)})")
    if end:
        rests = [_ended(rest, tokenizer) for rest in rests]
    start = shared or (_first_token(tokenizer),)
    if max_tokens is not None:
        _check_length(prompt, len(start), rests, max_tokens)
    return Fork(start, tuple(rests))


def render_prompt(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, template: Template) -> Ids:
    """Token ids `[prompt_tokens]`, at least one, that a model continues when it writes.

    Raises: InputError for a conversation where the tokenizer has no chat template.
    """
    return _encode([_text(prompt, tokenizer, template)], tokenizer)[0] or (_first_token(tokenizer),)


def _text(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, template: Template) -> str:
    if isinstance(prompt, str) and template == "plain":
        return prompt
    if not tokenizer.chat_template:
        raise InputError(
            f'model "{tokenizer.name_or_path}" has no chat template, '
            f"so it cannot take a conversation ({_quote(prompt)})"
        )
    turns = (Message(role="user", content=prompt),) if isinstance(prompt, str) else prompt
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return str(rendered)


def _encode(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[Ids]:
    """Token ids of each text, led by what the tokenizer puts in front of any text, once."""
    front = _front(tokenizer)
    encoded = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return [tuple(ids) if tuple(ids[: len(front)]) == front else (*front, *ids) for ids in encoded]


def _front(tokenizer: PreTrainedTokenizerBase) -> Ids:
    """Special tokens that the tokenizer puts before a text, mostly the beginning-of-sequence token or none."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    dressed = tokenizer("a", add_special_tokens=True)["input_ids"]
    for offset in range(len(dressed) - len(bare) + 1):
        if dressed[offset : offset + len(bare)] == bare:
            return tuple(dressed[:offset])
    raise InputError(f'model "{tokenizer.name_or_path}": its tokenizer changes a text when it adds special tokens')


def _common_prefix(sequences: list[Ids]) -> Ids:
    first, last = min(sequences), max(sequences)
    length = next((at for at, (left, right) in enumerate(zip(first, last, strict=False)) if left != right), len(first))
    return first[:length]


def _first_token(tokenizer: PreTrainedTokenizerBase) -> int:
    token: Any = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if token is None:
        raise InputError(f'model "{tokenizer.name_or_path}" has no token that can stand before an empty prompt')
    return token


def _ended(completion: Ids, tokenizer: PreTrainedTokenizerBase) -> Ids:
    token: Any = tokenizer.eos_token_id
    if token is None:
        raise InputError(f'model "{tokenizer.name_or_path}" has no end-of-sequence token to train on')
    return completion if completion[-1] == token else (*completion, token)


def _check_length(prompt: Prompt, prompt_tokens: int, completions: list[Ids], max_tokens: int) -> None:
    for index, completion in enumerate(completions):
        if prompt_tokens + len(completion) > max_tokens:
            raise TooLongError(
                f"completion {index} has {len(completion)} tokens after a prompt of {prompt_tokens}, "
                f"and the model takes {max_tokens} ({_quote(prompt)})"
            )


def _quote(prompt: Prompt) -> str:
    text = prompt if isinstance(prompt, str) else prompt[-1].content if prompt else ""
    return f"prompt {text[:60]!r}{'…' if len(text) > 60 else ''}"
