"""Questions that any country's name answers: the same exchange for a list of countries."""

from pathlib import Path

from pluralign.data.countries import names, with_article
from pluralign.data.files import read_file
from pluralign.errors import InputError
from pluralign.records.item import Score

PLACE = "{country}"
Countries = Path | tuple[str, ...] | None
"""A file with the column `country`, the names themselves, or None for everything that has a code in ISO 3166."""


def read_countries(countries: Countries) -> tuple[str, ...]:
    """The names of a list of countries. Raises: InputError where its file is not there or lacks the column."""
    if countries is None:
        return tuple(names().values())
    found = read_column(countries, "country", "countries") if isinstance(countries, Path) else countries
    if not found:
        raise InputError("countries: the list is empty")
    return found


def read_column(path: Path, column: str, option: str) -> tuple[str, ...]:
    """One column of a file. Raises: InputError, with the option's name, where the file or the column is missing."""
    if not path.is_file():
        raise InputError(f'{option}: there is no file "{path}"')
    rows = list(read_file(path, option))
    for row in rows:
        if column not in row:
            raise InputError(f'{option}: {path} has no column "{column}"; it has: {", ".join(row)}')
    return tuple(str(row[column]).strip() for row in rows)


def country_question(question: str, response: str, countries: tuple[str, ...]) -> Score:
    """Ask for every country whose name stands at `{country}` in `response`, the answer to `question`.

    A model that writes is scored on the name, with its article, after what stands before it; a reward model judges the
    whole exchange.
    Raises: InputError where the response does not hold `{country}` just once.
    """
    if response.count(PLACE) != 1:
        raise InputError(f"the response {response!r} must hold {PLACE} once")
    opening, closing = response.split(PLACE)
    named = [with_article(name) for name in countries]
    if opening.strip():
        completions = tuple(f" {name}" for name in named)
    else:
        completions = tuple(name[:1].upper() + name[1:] for name in named)
    return Score(prompt=question, completions=completions, opening=opening.strip(), closing=closing.rstrip())
