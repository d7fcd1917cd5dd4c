"""Dialogues as one text, in the way of hh-rlhf: each turn after an empty line and "Human:" or "Assistant:"."""

import re
from typing import Literal

from pluralign.errors import InputError
from pluralign.records.preference import Message, Prompt, Role

Turns = tuple[Message, ...]
Form = Literal["dialogue", "messages", "text"]
"""How a source gives its prompts: as a dialogue in one text, as messages for a chat template, or as they stand."""
DialogueForm = Literal["dialogue", "messages"]
"""The forms that prompts of several turns can have."""
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_ROLES: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}
_NAMES = {role: name for name, role in _ROLES.items()}


def is_dialogue(text: str) -> bool:
    """Whether a text begins as a dialogue does."""
    return text.lstrip().startswith(HUMAN.lstrip())


def parse(text: str) -> Turns:
    """The turns of a dialogue, without the assistant's open one at its end.

    Where one speaker has several turns on end, as in some dialogues of hh-rlhf, they become one.
    Raises: ValueError for a text that does not begin as a dialogue.
    """
    if not is_dialogue(text):
        raise ValueError(f"not a dialogue: {text[:60]!r}")
    pieces = _SPEAKER.split("\n\n" + text.lstrip())[1:]
    turns: list[Message] = []
    for name, said in zip(pieces[::2], pieces[1::2], strict=True):
        role, content = _ROLES[name], said.strip()
        if turns and turns[-1].role == role:
            content = f"{turns.pop().content}\n\n{content}".strip()
        turns.append(Message(role=role, content=content))
    if turns[-1].role == "assistant" and not turns[-1].content:
        turns.pop()
    return tuple(turns)


def dress(turns: Turns, form: Form) -> Prompt:
    """The prompt that turns of user and assistant are in a form.

    Raises: InputError for several turns as a plain text, and for a system turn in a dialogue.
    """
    if form == "messages":
        return turns
    if form == "dialogue" and turns[0].role != "system":
        return "".join(f"\n\n{_NAMES[turn.role]}: {turn.content}" for turn in turns) + ASSISTANT
    if form == "dialogue" or len(turns) != 1:
        said = ", ".join(turn.role for turn in turns)
        raise InputError(f'form = "{form}" has no place for turns of {said}; write form = "messages"')
    return turns[0].content


def answer(text: str, form: Form) -> str:
    """The completion that an answer is in a form: after "Assistant:" a space comes first, a message is stripped."""
    return {"dialogue": f" {text.strip()}", "messages": text.strip(), "text": text}[form]


def question(text: str) -> Turns:
    """A single turn of the user."""
    return (Message(role="user", content=text),)


def shared_prompt(first: str, second: str, end: str = "") -> int:
    """Characters of the prompt that two texts begin with.

    With `end`, it is what they share up to the last `end` in it, 0 where there is none. Without, all that they share,
    but for a space at its end, which belongs to the completions.
    Source: TRL's `extract_prompt` for the second rule.
    """
    shared = first[: _common(first, second)]
    if end:
        return shared.rfind(end) + len(end) if end in shared else 0
    return len(shared) - 1 if shared.endswith(" ") else len(shared)


def _common(first: str, second: str) -> int:
    """How many characters two texts have in common at their beginning, by bisection."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first.startswith(second[:middle]) else (low, middle - 1)
    return low
