"""Survey questions, and how like each country's people a model answered them: audit "global_opinions"."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from pluralign.errors import InputError
from pluralign.records.item import Item
from pluralign.records.reply import Reply
from pluralign.records.row import Row

from .places import common_rows, logprob, read_number, read_table, visible

FOLDER = "globalopinionsqa"
PLACE = f"{FOLDER}/*.csv"
SHARED, ANSWERED = ("question", "options"), ("probs",)
ABOUT = {*SHARED, *ANSWERED, "model_id", "load_8bit", "max_choice", "chose_first", "chose_last", "chose_middle"}
"""All columns that are no country's."""
NOT_ASKED = {"-1.0", "-1"}


def found(root: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """The model and the file of everyone's similarities."""
    for file in visible((root / "outputs" / FOLDER).glob("*.csv")):
        yield file.stem, (file,)


def rows(root: Path) -> Iterator[Row]:
    """The questions and the countries that answered each. A question's item is its number among them."""
    files = [file for _, (file,) in found(root)]
    if not files:
        raise InputError(f'data_root: "{root / "outputs" / FOLDER}" holds no CSV files')
    yield from common_rows(files, _asked)


def replies(files: Sequence[Path], items: Sequence[Item]) -> Iterator[Reply]:
    """One model's option probabilities and similarities, to the questions that the audit asks."""
    asked = {item.id for item in items}
    for file in files:
        for number, (place, row) in enumerate(_questions(file), start=1):
            if str(number) in asked:
                yield _reply(row, str(number), f"{file}, row {place}")


def notices(root: Path) -> Iterator[str]:
    """Rows that ask nothing."""
    for _, (file,) in islice(found(root), 1):
        places = [str(place) for place, row in enumerate(_table(file), start=1) if not row["question"].strip()]
        if places:
            yield f"{FOLDER}: no question stands in row {', '.join(places)}, which is left out"


def _asked(file: Path) -> list[Row]:
    asked: list[Row] = []
    for place, row in _questions(file):
        reply = _reply(row, str(place), f"{file}, row {place}")  # what is damaged is found before anything is computed
        asked.append({column: row[column] for column in SHARED} | {"answered": list(reply.values or ())})
    return asked


def _table(file: Path) -> list[dict[str, str]]:
    return read_table(file, (*SHARED, *ANSWERED))


def _questions(file: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows that ask something, and their places in the file."""
    return [(place, row) for place, row in enumerate(_table(file), start=1) if row["question"].strip()]


def _reply(row: dict[str, str], item: str, where: str) -> Reply:
    chances = row["probs"].strip().removeprefix("[").removesuffix("]").split(",")
    given = {name: text for name, text in row.items() if name not in ABOUT and text not in NOT_ASKED}
    return Reply(
        item=item,
        ask=0,
        logprobs=tuple(logprob(chance, where) for chance in chances),
        values={name: _similarity(text, f'{where}, column "{name}"') for name, text in given.items()},
    )


def _similarity(text: str, place: str) -> float:
    value = read_number(text, place, "similarity")
    if not math.isnan(value) and not 0 <= value <= 1:
        raise InputError(f"{place}: {value} is no similarity")
    return value
