"""Preference pairs in any table: a prompt, a chosen and a rejected completion, and a column that says whose they are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pluralign.errors import InputError
from pluralign.records.preference import Preference

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


def load(rows: Iterable[Mapping[str, Any]], options: Options, source: str) -> Iterator[Preference]:
    """One `Preference` a row. Without a `prompt_id` column the prompt's own text stands for it.

    Raises `InputError` with the row's number where a column is missing or is not text.
    """
    for number, row in enumerate(rows, start=1):
        prompt, chosen, rejected = (
            _text(row, column, number) for column in (options.prompt, options.chosen, options.rejected)
        )
        yield Preference(
            prompt=prompt,
            chosen=chosen,
            rejected=rejected,
            group=_text(row, options.group, number),
            language=_text(row, options.language, number) if options.language in row else "und",
            prompt_id=_text(row, options.prompt_id, number) if options.prompt_id in row else prompt,
            source=source,
        )


def _text(row: Mapping[str, Any], column: str, number: int) -> str:
    if column not in row:
        raise InputError(f'row {number}: no column "{column}"; the row has {", ".join(row)}')
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise InputError(f'row {number}: column "{column}" is {value!r}; it must be text')
    return str(value)
