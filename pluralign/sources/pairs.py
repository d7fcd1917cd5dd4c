"""Preference pairs in any table, in each of TRL's preference formats, and a column that says whose preference it is.

    explicit        prompt, chosen, rejected: texts, or lists of messages
    implicit        chosen and rejected begin with the prompt: conversations by themselves, texts where `prompt = ""`
                    and `prompt_end` says what it ends in, unless they are dialogues or there is a `prompt_id`
    margin          where there is such a column: by how much the chosen completion should be ahead

Of a conversation's completion, one turn of the assistant is learnt from; pairs of longer ones are left out, as are
those of dialogues in one text where an answer goes on with the user's turn.
Source: TRL's dataset formats, https://huggingface.co/docs/trl/dataset_formats.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pluralign.data.conversation import conversation, is_conversation, part
from pluralign.data.dialogue import ASSISTANT, HUMAN, is_dialogue, shared_prompt
from pluralign.data.pairing import pair
from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Preference, Prompt
from pluralign.records.row import Row, real, require, text

VERSION = 4
SANDBOX = "preferences"
LONG = LeftOut(why="a completion of several turns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Names of the columns.

    `prompt = ""`: the texts of chosen and rejected both begin with the prompt, up to the last `prompt_end`
    that they share, such as "### Response:". Without it dialogues of "Human:" and "Assistant:" do up to the last
    "Assistant:", and texts with a column `prompt_id` up to where they part. `group_name`: whose preferences all rows
    are, in place of the column `group`. Without a language column, rows have the language "und" (undetermined);
    without `prompt_id` a prompt is known by what the user says first in it.
    """

    prompt: str = "prompt"
    chosen: str = "chosen"
    rejected: str = "rejected"
    group: str = "group"
    group_name: str = ""
    language: str = "language"
    prompt_id: str = "prompt_id"
    margin: str = "margin"
    prompt_end: str = ""

    def __post_init__(self) -> None:
        if self.prompt_end and self.prompt:
            raise ValueError('prompt_end is for texts that begin with their prompt: write prompt = "" as well')


def load(rows: Iterable[Row], options: Options, source: str) -> Iterator[Preference | LeftOut]:
    """One `Preference` a row, or why there is none.

    Raises `InputError` with the row's number where a column is missing, is neither text nor messages, or two
    completions have no prompt in common.
    """
    for number, row in enumerate(rows, start=1):
        _check(row, number, options)
        parts = (_messages if is_conversation(row[options.chosen]) else _texts)(row, number, options)
        if isinstance(parts, LeftOut):
            yield parts
            continue
        prompt, chosen, rejected = parts
        if isinstance(prompt, str) and is_dialogue(prompt) and (HUMAN in chosen or HUMAN in rejected):
            yield LONG
            continue
        group = options.group_name or text(row, options.group, number)
        found = pair(prompt, chosen, rejected, group=group, source=source)
        yield found if isinstance(found, LeftOut) else _completed(found, row, number, options)


def _check(row: Row, number: int, options: Options) -> None:
    """Refuse a row that lacks a column, with what to write where it may be meant to."""
    require(row, number, (options.chosen, options.rejected))
    if options.prompt and options.prompt not in row and not is_conversation(row[options.chosen]):
        listed = ", ".join(row)
        raise InputError(
            f'row {number}: no column "{options.prompt}"; the row has: {listed}; where "{options.chosen}" and '
            f'"{options.rejected}" both begin with the prompt, write prompt = ""'
        )
    if not options.group_name and options.group not in row:
        listed = ", ".join(row)
        raise InputError(
            f'row {number}: no column "{options.group}"; the row has: {listed}; where all rows are one group\'s, '
            'write group_name = "ITS NAME"'
        )


def _texts(row: Row, number: int, options: Options) -> tuple[Prompt, str, str]:
    """Prompt and completions where the completions are texts."""
    chosen, rejected = text(row, options.chosen, number), text(row, options.rejected, number)
    if options.prompt:
        given = row[options.prompt]
        if is_conversation(given):
            return conversation(given, f'row {number}: column "{options.prompt}"'), chosen, rejected
        return text(row, options.prompt, number), chosen, rejected
    mark = options.prompt_end or (ASSISTANT if is_dialogue(chosen) else "")
    end = shared_prompt(chosen, rejected, mark)
    if not chosen[:end].strip():
        until = f' up to "{mark.strip()}"' if mark else ""
        raise InputError(
            f'row {number}: columns "{options.chosen}" and "{options.rejected}" do not begin with one prompt{until}'
        )
    if not mark and options.prompt_id not in row:
        raise InputError(
            f'row {number}: where the prompt ends cannot be seen, since "{options.chosen}" and "{options.rejected}" '
            "may begin their answers alike; a prompt that is cut in two ways could be trained on and held out. Write "
            f'what all prompts end in, such as prompt_end = "### Response:", or give a column "{options.prompt_id}"'
        )
    return chosen[:end], chosen[end:], rejected[end:]


def _messages(row: Row, number: int, options: Options) -> tuple[Prompt, str, str] | LeftOut:
    """Prompt and completions where the completions are messages, with the prompt's in front of them or without."""
    chosen, rejected = (
        conversation(row[column], f'row {number}: column "{column}"') for column in (options.chosen, options.rejected)
    )
    if chosen == rejected:
        return LeftOut(why="both completions are the same")
    prompt: Prompt | None = None
    given = row.get(options.prompt) if options.prompt else None
    if is_conversation(given):
        prompt = conversation(given, f'row {number}: column "{options.prompt}"')
        if chosen[: len(prompt)] == rejected[: len(prompt)] == prompt:
            chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
        elif chosen[0].role != "assistant":
            raise InputError(f'row {number}: "{options.chosen}" and "{options.rejected}" do not begin with the prompt')
    elif given is not None and chosen[0].role == "assistant":
        prompt = text(row, options.prompt, number)
    if prompt is None:
        prompt, chosen, rejected = part(chosen, rejected)
        if not prompt:
            raise InputError(
                f'row {number}: columns "{options.chosen}" and "{options.rejected}" have no turn of the user in common'
            )
    if len(chosen) != 1 or len(rejected) != 1:
        return LONG
    if {chosen[0].role, rejected[0].role} != {"assistant"}:
        raise InputError(f"row {number}: a completion is a turn of {chosen[0].role} or {rejected[0].role}")
    return prompt, chosen[0].content, rejected[0].content


def _completed(found: Preference, row: Row, number: int, options: Options) -> Preference:
    """With what the row says beside the texts, where it has such columns."""
    margin = real(row, options.margin, number) if row.get(options.margin) is not None else 0.0
    if margin < 0:
        raise InputError(f'row {number}: column "{options.margin}" is {margin}; it must be at least 0')
    return replace(
        found,
        language=text(row, options.language, number) if options.language in row else "und",
        prompt_id=text(row, options.prompt_id, number) if options.prompt_id in row else found.prompt_id,
        margin=margin,
    )
