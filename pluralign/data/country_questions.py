"""Questions that any country's name answers: the same exchange for a list of countries."""

from pathlib import Path

from pluralign.data.countries import group_of, names, with_article
from pluralign.data.files import read_file
from pluralign.errors import InputError, unknown
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
    if not all(name.strip() for name in found):
        raise InputError("countries: one of the names is empty; take it out")
    return found


def read_column(path: Path, column: str, option: str) -> tuple[str, ...]:
    """One column of a file.

    Raises: InputError, with the option's name, where the file, the column or one of its cells is missing.
    """
    if not path.is_file():
        raise InputError(f'{option}: there is no file "{path}"')
    found: list[str] = []
    for number, row in enumerate(read_file(path, option), start=1):
        if column not in row:
            raise InputError(f'{option}: {path} has no column "{column}"; it has: {", ".join(row)}')
        found.append("" if row[column] is None else str(row[column]).strip())
        if not found[-1]:
            raise InputError(
                f'{option}: {path}, row {number}: column "{column}" is empty; fill it, or take the row out'
            )
    if not found:
        raise InputError(f"{option}: {path} holds no rows")
    return tuple(found)


def among(names: tuple[str, ...], declared: tuple[str, ...]) -> dict[str, int]:
    """Group → its place among `names`, of the countries that are declared, in the order of `names`.

    Raises: InputError where two names stand for one country, or a declared one is not among them.
    """
    wanted = {group_of(name): name for name in declared}
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        group = group_of(name)
        if group in wanted:
            if group in found:
                raise InputError(f'countries: "{names[found[group]]}" and "{name}" are both {group}; keep one')
            found[group] = place
    for group, name in wanted.items():
        if group not in found:
            raise InputError(f"countries: {unknown('country', name, names)}")
    return found


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
