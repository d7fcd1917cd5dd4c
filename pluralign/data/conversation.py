"""Conversations as data sets give them: turns, checked, and what a prompt is known by when data are split."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from pluralign.data.dialogue import Turns, is_dialogue, parse, question
from pluralign.errors import InputError, unknown
from pluralign.records.preference import Message, Prompt, Role
from pluralign.records.row import Row, text


def is_conversation(value: object) -> bool:
    """Whether a row's value is a list, as turns are, rather than a text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def conversation(value: object, place: str) -> Turns:
    """The turns of a list of messages, each with a `role` (system, user, assistant) and `content`.

    Content is text, or a list of parts of the type "text", which are joined. A system turn stands first or nowhere.
    Raises: InputError that begins with `place` (a row and a column) for anything else, calls of tools among it.
    """
    if not is_conversation(value) or not value:
        raise InputError(f"{place} is {value!r}; it must be a list of messages")
    turns = tuple(_message(turn, place) for turn in cast("Sequence[object]", value))
    if any(turn.role == "system" for turn in turns[1:]):
        raise InputError(f"{place}: a system turn stands after other turns; it must be the first")
    return turns


def prompt(row: Row, number: int) -> Prompt:
    """The column "prompt" of row `number`: text, or the turns of a conversation.

    Raises: InputError that names row and column where it is neither.
    """
    given = row["prompt"]
    if isinstance(given, str):
        return text(row, "prompt", number)
    return conversation(given, f'row {number}: column "prompt"')


def _message(turn: object, place: str) -> Message:
    if isinstance(turn, Message):
        return turn
    if not isinstance(turn, Mapping) or "role" not in turn or "content" not in turn:
        raise InputError(f"{place}: a turn is {turn!r}; it must have a role and content")
    given = cast("Mapping[str, Any]", turn)
    role, roles = given["role"], get_args(Role)
    if role not in roles:
        raise InputError(f"{place}: {unknown('role', str(role), roles)}")
    if given.get("tool_calls"):
        raise InputError(f"{place}: a turn calls tools, which nothing here learns from; leave such rows out")
    return Message(role=role, content=_content(given["content"], place))


def _content(content: object, place: str) -> str:
    """A turn's text. Raises: InputError where it has parts that are no text."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and content:
        parts = [part for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        if len(parts) == len(content):
            return "".join(str(part["text"]) for part in parts)
    raise InputError(f"{place}: a turn's content is {content!r}; it must be text")


def part(first: Turns, second: Turns) -> tuple[Turns, Turns, Turns]:
    """Two conversations as their prompt, up to the last turn of the user that both have, and what follows in each.

    The prompt is empty where they have no such turn in common.
    """
    pairs = enumerate(zip(first, second, strict=False))
    shared = next((place for place, (left, right) in pairs if left != right), min(len(first), len(second)))
    while shared and first[shared - 1].role != "user":
        shared -= 1
    return first[:shared], first[shared:], second[shared:]


def opening(prompt: Prompt) -> str:
    """What a prompt is known by where a data set does not say: the first thing that a person says in it.

    So a conversation is one prompt at every depth, and the same question is the same prompt in every data set, as
    text, as a dialogue and as messages. Spaces and line ends count as one space; text is in Unicode's form NFC.
    """
    if isinstance(prompt, str):
        prompt = parse(prompt) if is_dialogue(prompt) else question(prompt)
    asked = [turn.content for turn in prompt if turn.role == "user" and turn.content.strip()]
    first = asked[0] if asked else "\n".join(turn.content for turn in prompt)
    return " ".join(unicodedata.normalize("NFC", first).split())
