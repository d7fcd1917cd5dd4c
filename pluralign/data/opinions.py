"""What people of many countries answered to a survey's question, as a row tells it."""

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pluralign.errors import InputError
from pluralign.records.row import Row, require, text, texts

COLUMNS = ("question", "options", "selections")
RECORDED = ("question", "options", "answered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """A question, its `options`, the `names` of the samples that answered, and of each the share for every option.

    `people` lacks those whose shares are not one for each option; it is None where only similarities were recorded.
    """

    question: str
    options: tuple[str, ...]
    names: tuple[str, ...]
    people: Mapping[str, tuple[float, ...]] | None


def read_opinions(row: Row, number: int) -> Opinions:
    """The opinions of one row: with the column `selections`, or with `answered` where there are no distributions.

    A question that is not told, as one of the hub's, is empty.
    Raises `InputError` with the row's number where a column is missing or unfit.
    """
    require(row, number, RECORDED if "answered" in row else COLUMNS)
    options = _options(row, number)
    question = "" if row["question"] is None else text(row, "question", number, may_be_empty=True)
    if "answered" in row:
        return Opinions(question=question, options=options, names=texts(row, "answered", number), people=None)
    given = _selections(row, number)
    people = {name: shares for name, shares in given.items() if len(shares) == len(options)}
    return Opinions(question=question, options=options, names=tuple(given), people=people)


def _options(row: Row, number: int) -> tuple[str, ...]:
    """The options, numbers as their digits."""
    given = _literal(row["options"], "options", number)
    if not isinstance(given, list | tuple) or not all(isinstance(each, str | int | float) for each in given):
        raise InputError(f'row {number}: column "options" is {row["options"]!r}; it must be a list of texts')
    return tuple(str(each) for each in cast("Sequence[object]", given))


def _selections(row: Row, number: int) -> dict[str, tuple[float, ...]]:
    given = _literal(row["selections"], "selections", number)
    if not isinstance(given, Mapping):
        raise InputError(f'row {number}: column "selections" is {given!r}; it must give each country its shares')
    found: dict[str, tuple[float, ...]] = {}
    for name, shares in cast("Mapping[str, Any]", given).items():
        if not isinstance(shares, list | tuple) or not all(isinstance(each, float | int) for each in shares):
            raise InputError(
                f'row {number}: column "selections" gives "{name}" {shares!r}; it must be a list of shares'
            )
        found[name] = tuple(float(each) for each in shares)
        if any(each < 0 or math.isinf(each) for each in found[name]):
            raise InputError(
                f'row {number}: column "selections" gives "{name}" {shares!r}; no share is below 0 or infinite'
            )
    return found


def _literal(value: Any, column: str, number: int) -> Any:
    """A value that may be spelt in Python, be it as `defaultdict(<class 'list'>, {…})`; nothing of it is run."""
    if not isinstance(value, str):
        return value
    start, end = value.find("{"), value.rfind("}")
    written = value[start : end + 1] if value.startswith("defaultdict(") else value
    try:
        return ast.literal_eval(written)
    except (ValueError, SyntaxError) as error:
        raise InputError(
            f'row {number}: column "{column}" is {value[:60]!r}; it must be a list or a mapping'
        ) from error
