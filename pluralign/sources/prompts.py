"""Prompts alone, TRL's prompt-only format: for methods whose policy writes the completions itself.

Source: TRL's dataset formats, https://huggingface.co/docs/trl/dataset_formats.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pluralign.data.conversation import conversation, is_conversation, opening
from pluralign.records.preference import LeftOut, Preference, Prompt
from pluralign.records.row import Row, require, text

VERSION = 2
SANDBOX = "preferences"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Names of the columns; `prompt` is text or a list of messages.

    `group`: the column that says whose prompt it is; without it all are `group_name`. Without a language column, rows
    have the language "und" (undetermined); without `prompt_id` a prompt is known by what the user says first in it.
    """

    prompt: str = "prompt"
    group: str = ""
    group_name: str = "prompts"
    language: str = "language"
    prompt_id: str = "prompt_id"


def load(rows: Iterable[Row], options: Options, source: str) -> Iterator[Preference | LeftOut]:
    """One prompt a row, as a preference without completions; a blank one is left out.

    Raises `InputError` with the row's number where a column is missing, or is neither text nor messages.
    """
    needed = (options.prompt, options.group) if options.group else (options.prompt,)
    for number, row in enumerate(rows, start=1):
        require(row, number, needed)
        given = row[options.prompt]
        prompt: Prompt
        if is_conversation(given):
            prompt = conversation(given, f'row {number}: column "{options.prompt}"')
        else:
            prompt = text(row, options.prompt, number)
        known = opening(prompt)
        if not known:
            yield LeftOut(why="an empty prompt")
            continue
        yield Preference(
            prompt=prompt,
            chosen="",
            rejected="",
            group=text(row, options.group, number) if options.group else options.group_name,
            prompt_id=text(row, options.prompt_id, number) if options.prompt_id in row else known,
            source=source,
            language=text(row, options.language, number) if options.language in row else "und",
        )
