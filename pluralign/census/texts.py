"""The texts of a row, each with its side: what is asked, what is learnt, what is rejected.

Rows in TRL's formats are known by their columns. Each text is counted once: a prompt that two completions begin with
is cut off them, and every message of a conversation is a text of its own.
Source: TRL's dataset formats, https://huggingface.co/docs/trl/dataset_formats.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from pluralign.census.words import words
from pluralign.data.conversation import conversation, is_conversation, part
from pluralign.data.dialogue import Turns, is_dialogue, parse, shared_prompt
from pluralign.errors import InputError, unknown
from pluralign.records.preference import Preference, Prompt
from pluralign.records.row import Row

Side = Literal["prompt", "chosen", "rejected"]
SIDES: tuple[Side, ...] = ("prompt", "chosen", "rejected")
"""Demonstrations have no rejected side; theirs is chosen, as is a completion by itself unless its label is false."""


@dataclass(frozen=True, slots=True)
class Text:
    """One message, or a text that stands by itself."""

    side: Side
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns are called."""

    prompt: str = "prompt"
    chosen: str = "chosen"
    rejected: str = "rejected"
    completion: str = "completion"
    label: str = "label"
    messages: str = "messages"
    text: str = "text"


def read_columns(given: str) -> Columns:
    """Columns as the command line names them: "prompt=question,completion=answer".

    Raises: InputError for a part that is not in this form, or no column of the formats.
    """
    known = [field.name for field in fields(Columns)]
    named: dict[str, str] = {}
    for pair in filter(None, given.split(",")):
        name, equals, column = (piece.strip() for piece in pair.partition("="))
        if not equals or not column:
            raise InputError(f'--columns "{pair}": write NAME=COLUMN, such as prompt=question')
        if name not in known:
            raise InputError(f"--columns: {unknown('column', name, known)}")
        named[name] = column
    return Columns(**named)


def columns_read(row: Row, columns: Columns) -> tuple[str, ...]:
    """The columns that a row is read by, which say in which format it is.

    Raises: InputError that says which are needed where it is in none.
    """
    prompt = (columns.prompt,) if columns.prompt in row else ()
    if columns.chosen in row and columns.rejected in row:
        return (*prompt, columns.chosen, columns.rejected)
    if columns.messages in row:
        return (columns.messages,)
    if columns.completion in row:
        label = (columns.label,) if isinstance(row.get(columns.label), bool) else ()
        return (*prompt, columns.completion, *label)
    if columns.text in row:
        return (columns.text,)
    if prompt:
        return prompt
    needed = f'"{columns.chosen}" and "{columns.rejected}", "{columns.messages}", "{columns.completion}"'
    raise InputError(
        f'needs the columns {needed}, "{columns.text}" or "{columns.prompt}"; the row has: {", ".join(row) or "none"}; '
        "--columns prompt=NAME,completion=NAME says what they are called"
    )


def row_texts(row: Row, columns: Columns) -> tuple[Text, ...]:
    """The texts of a row that are not blank.

    Raises: InputError where it is in no known format, or a column is neither text nor messages.
    """
    read = columns_read(row, columns)
    if columns.rejected in read:
        return _kept(_pair(row, columns))
    if columns.messages in read:
        return _kept(
            [("chosen" if turn.role == "assistant" else "prompt", turn.content) for turn in _turns(row, *read)]
        )
    labelled = columns.label in read
    answer: Side = "rejected" if labelled and not row[columns.label] else "chosen"
    sides: list[tuple[Side, str]] = [
        ("prompt" if column == columns.prompt else answer, column) for column in (read[:-1] if labelled else read)
    ]
    return _kept([(side, text) for side, column in sides for text in _contents(_value(row, column))])


def preference_texts(preference: Preference) -> tuple[Text, ...]:
    """The texts of what a source made of a row."""
    prompts: list[tuple[Side, str]] = [("prompt", text) for text in _contents(preference.prompt)]
    return _kept([*prompts, ("chosen", preference.chosen), ("rejected", preference.rejected)])


def _kept(texts: Sequence[tuple[Side, str]]) -> tuple[Text, ...]:
    return tuple(Text(side, content) for side, content in texts if content.strip())


def _pair(row: Row, columns: Columns) -> list[tuple[Side, str]]:
    """The sides of a pair whose prompt stands by itself, or in front of both completions."""
    chosen, rejected = _value(row, columns.chosen), _value(row, columns.rejected)
    prompt: Prompt = _value(row, columns.prompt) if columns.prompt in row else ""
    if isinstance(chosen, str) or isinstance(rejected, str):
        prompt, chosen, rejected = _of_texts(prompt, chosen, rejected)
    else:
        prompt, chosen, rejected = _of_turns(prompt, chosen, rejected)
    sides: list[tuple[Side, Prompt]] = [("prompt", prompt), ("chosen", chosen), ("rejected", rejected)]
    return [(side, text) for side, value in sides for text in _contents(value)]


def _of_texts(prompt: Prompt, chosen: Prompt, rejected: Prompt) -> tuple[Prompt, Prompt, Prompt]:
    if prompt or not isinstance(chosen, str) or not isinstance(rejected, str):
        return prompt, chosen, rejected
    if is_dialogue(chosen) and is_dialogue(rejected):
        return part(parse(chosen), parse(rejected))
    end = _before_word(shared_prompt(chosen, rejected), chosen, rejected)
    return chosen[:end], chosen[end:], rejected[end:]


def _before_word(end: int, *texts: str) -> int:
    """The place `end`, or if it is within a word of a text that before it: "gay" and "gamer" share no word."""
    place = end
    while any(0 < place < len(text) and words(pair := text[place - 1 : place + 1]) == [pair] for text in texts):
        place -= 1
    return place - 1 if place < end and texts[0][place - 1 : place] == " " else place


def _of_turns(prompt: Prompt, chosen: Turns, rejected: Turns) -> tuple[Prompt, Prompt, Prompt]:
    if prompt and chosen[0].role == rejected[0].role == "assistant":
        return prompt, chosen, rejected
    return part(chosen, rejected)


def _contents(value: Prompt) -> list[str]:
    """The messages of a conversation, also of one in a single text, or the text."""
    if isinstance(value, str):
        return [turn.content for turn in parse(value)] if is_dialogue(value) else [value]
    return [turn.content for turn in value]


def _turns(row: Row, column: str) -> Turns:
    return conversation(row[column], f'column "{column}"')


def _value(row: Row, column: str) -> Prompt:
    """A column's text or messages."""
    value = row[column]
    if is_conversation(value):
        return _turns(row, column)
    if not isinstance(value, str):
        raise InputError(f'column "{column}" is {value!r}; it must be text or messages')
    return value
