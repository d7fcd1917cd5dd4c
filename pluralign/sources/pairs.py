"""Preference pairs in any table: prompt, chosen, rejected, and a column that says whose preference it is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pluralign.records.preference import Preference
from pluralign.records.row import Row, require, text

VERSION = 1
SANDBOX = "preferences"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Names of the columns. Without a language column, rows have the language "und" (undetermined)."""

    prompt: str = "prompt"
    chosen: str = "chosen"
    rejected: str = "rejected"
    group: str = "group"
    language: str = "language"
    prompt_id: str = "prompt_id"


def load(rows: Iterable[Row], options: Options, source: str) -> Iterator[Preference]:
    """One `Preference` a row. Without a `prompt_id` column the prompt's own text stands for it.

    Raises `InputError` with the row's number where a column is missing or is not text.
    """
    needed = (options.prompt, options.chosen, options.rejected, options.group)
    for number, row in enumerate(rows, start=1):
        require(row, number, needed)
        prompt, chosen, rejected, group = (text(row, column, number) for column in needed)
        yield Preference(
            prompt=prompt,
            chosen=chosen,
            rejected=rejected,
            group=group,
            language=text(row, options.language, number) if options.language in row else "und",
            prompt_id=text(row, options.prompt_id, number) if options.prompt_id in row else prompt,
            source=source,
        )
