"""From text to token ids: the one place where prompts, chat templates and special tokens meet.

A text prompt is given as it stands, or as one turn of a user through the chat template, by the run's `Template`. A
conversation always goes through the chat template. What the tokenizer puts in front of any text (the beginning-of-
sequence token, mostly) stands there exactly once, whoever wrote it: the template, the text, or this module.
"""

from collections.abc import Sequence
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.template import PLAIN, Template, digest
from pluralign.errors import InputError
from pluralign.records.fork import Fork
from pluralign.records.preference import Message, Prompt

Ids = tuple[int, ...]


class TooLongError(InputError):
    """A prompt and what follows it are more tokens than the model takes."""


class NoTokensError(InputError):
    """A completion is empty, or adds no token to its prompt, so that it has no probability."""


def render(
    prompt: Prompt,
    completions: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    template: Template = PLAIN,
    end: bool,
    max_tokens: int | None = None,
    opening: str | None = None,
) -> Fork:
    """The fork of `prompt` and its completions, cut on token ids.

    Prompt and completion are encoded together. The fork's prompt is the longest common prefix of all these encodings
    and of the prompt's own, so a token that spans the boundary belongs to the completion. Where nothing is left in
    front of the completions, the tokenizer's beginning-of-sequence token, or else its end token, stands there.
    `end` appends the end token, as in training; `max_tokens` is the most that the model can take; `opening` is how the
    answer begins that the completions go on with (`records.item.Score`).

    Raises: TooLongError for a prompt and completion of more than `max_tokens` tokens; NoTokensError for an empty
    completion; InputError for a conversation where there is no chat template or that it refuses, and where a token that
    is needed does not exist.
    """
    for index, completion in enumerate(completions):
        if not completion:
            raise NoTokensError(f"completion {index} is empty: it has no probability ({_quote(prompt)})")
    text = as_text(prompt, tokenizer, template, opening)
    shared, rests = _split(text, completions, tokenizer)
    for index, rest in enumerate(rests):
        if not rest:
            raise NoTokensError(f"completion {index}, {completions[index]!r}, adds no token ({_quote(prompt)})")
    if end:
        rests = [_ended(rest, tokenizer) for rest in rests]
    start = shared or (_first_token(tokenizer),)
    if max_tokens is not None:
        _check_length(prompt, len(start), rests, max_tokens)
    return Fork(start, tuple(rests))


def render_written(
    prompt: Prompt,
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    template: Template = PLAIN,
    max_tokens: int | None = None,
) -> Fork:
    """The fork of `prompt` and what a model wrote to it, each text with its end token, as `render` gives it.

    A text that is empty, or adds no token, is its end token alone.

    Raises: InputError as `render`, but for such texts.
    """
    shared, rests = _split(as_text(prompt, tokenizer, template), texts, tokenizer)
    rests = [_ended(rest, tokenizer) for rest in rests]
    start = shared or (_first_token(tokenizer),)
    if max_tokens is not None:
        _check_length(prompt, len(start), rests, max_tokens)
    return Fork(start, tuple(rests))


def render_prompt(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, template: Template = PLAIN) -> Ids:
    """Token ids `[prompt_tokens]`, at least one, that a model continues when it writes.

    Raises: InputError for a conversation where there is no chat template, or that it refuses.
    """
    return _encode([as_text(prompt, tokenizer, template)], tokenizer)[0] or (_first_token(tokenizer),)


def as_text(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, template: Template, opening: str | None = None) -> str:
    """The text that completions follow: of a conversation, up to where the assistant's next words stand.

    Where the assistant spoke last, or its answer has an `opening`, its turn is left open, to be gone on with. In plain
    text an opening stands after the prompt and a space.

    Raises: InputError for a conversation where there is no chat template, or that it refuses.
    """
    jinja = chat_template(tokenizer, template)
    if isinstance(prompt, str) and (template.policy == "plain" or (template.policy == "auto" and jinja is None)):
        return prompt if opening is None else f"{prompt} {opening}"
    if jinja is None:
        what = 'template = "chat"' if isinstance(prompt, str) else "a conversation"
        raise InputError(
            f'model "{tokenizer.name_or_path}" has no {"default " if tokenizer.chat_template else ""}chat template '
            f'for {what} ({_quote(prompt)}); give one: template = "FILE.jinja"'
        )
    turns = (Message(role="user", content=prompt),) if isinstance(prompt, str) else prompt
    if template.system is not None and (not turns or turns[0].role != "system"):
        turns = (Message(role="system", content=template.system), *turns)
    if opening:
        turns = (*turns, Message(role="assistant", content=opening))
    return _converse(turns, tokenizer, jinja)


def chat_template(tokenizer: PreTrainedTokenizerBase, template: Template) -> str | None:
    """The chat template that conversations go through: one's own, or else the tokenizer's (its default), or None."""
    own: Any = tokenizer.chat_template
    if template.jinja is not None:
        return template.jinja
    return own.get("default") if isinstance(own, dict) else own or None


def describe(tokenizer: PreTrainedTokenizerBase, template: Template) -> dict[str, Any]:
    """How a tokenizer renders under a template, to be kept with what was asked.

    `chat_template`: the SHA-256 of the one that conversations go through, None where there is none; `example`: what a
    text prompt becomes; `bos`: the beginning-of-sequence token if it stands in front of that, and `bos_from` who put it
    there, "template" or "tokenizer".
    """
    jinja = chat_template(tokenizer, template)
    example = as_text("Hello", tokenizer, template)
    first = _encode([example], tokenizer)[0][:1]
    leading = tokenizer.bos_token_id is not None and first == (tokenizer.bos_token_id,)
    written = tokenizer(example, add_special_tokens=False)["input_ids"][:1]
    return {
        "policy": template.policy,
        "own_file": template.jinja is not None,
        "system": template.system,
        "chat_template": None if jinja is None else digest(jinja),
        "bos": tokenizer.bos_token if leading else None,
        "bos_from": ("template" if tuple(written) == first else "tokenizer") if leading else None,
        "example": example,
    }


def _converse(turns: Sequence[Message], tokenizer: PreTrainedTokenizerBase, jinja: str) -> str:
    from jinja2 import TemplateError

    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    goes_on = bool(turns) and turns[-1].role == "assistant"
    try:
        rendered = tokenizer.apply_chat_template(
            messages,
            chat_template=jinja,
            tokenize=False,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
        )
    except (TemplateError, TypeError, ValueError) as error:
        roles = ", ".join(turn.role for turn in turns) or "no turns"
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f'model "{tokenizer.name_or_path}": the chat template refuses a conversation of {roles}: {why}'
        ) from error
    return str(rendered)


def _split(text: str, completions: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> tuple[Ids, list[Ids]]:
    """What the encodings of the text, alone and with each completion, begin with, and how those with one go on."""
    alone, *joint = _encode([text, *(text + completion for completion in completions)], tokenizer)
    shared = _common_prefix([alone, *joint])
    return shared, [ids[len(shared) :] for ids in joint]


def _encode(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[Ids]:
    """Token ids of each text, led by what the tokenizer puts in front of any text, once."""
    front = _front(tokenizer)
    encoded = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return [tuple(ids) if tuple(ids[:1]) == front[:1] else (*front, *ids) for ids in encoded]


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
        raise InputError(f'model "{tokenizer.name_or_path}" has no end-of-sequence token to end an answer with')
    return completion if completion[-1:] == (token,) else (*completion, token)


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
