"""Countries as answers, by a model's log-probabilities and a reward model's rewards: audit "countries"."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pluralign.errors import InputError
from pluralign.records.item import Item
from pluralign.records.reply import Reply
from pluralign.records.row import Row

from .places import common_rows, read_number, read_table, visible

PERPLEXITIES, REWARDS = "ask-reddit-perplexity-testing", "ask-reddit-reward-testing"
PLACE = f"{PERPLEXITIES}/*.csv"
SHARED = ("Question", "Sentiment", "Response Format")
ABOUT = {
    *SHARED,
    *("Full Prompt", "model", "reward_model", "Search Query", "Category", "seed", "add_article", "use_chat_template"),
}
"""All columns that are no country's."""
LISTS = {"countries": "population_over_250k.csv", "survey": "usa_favourability_order_2023.csv"}
WITHOUT = {
    "countries": "all countries of the outputs are ranked",
    "survey": "their ranks are held against no survey",
}


def found(root: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """The model and the file of everyone's values."""
    for folder in (PERPLEXITIES, REWARDS):
        for file in visible((root / "outputs" / folder).glob("*.csv")):
            yield file.stem, (file,)


def rewards(root: Path) -> list[str]:
    """The models that reward."""
    return [file.stem for file in visible((root / "outputs" / REWARDS).glob("*.csv"))]


def lists(root: Path) -> Mapping[str, Path]:
    """The audit's options that can be found: which countries to rank, and a survey to hold their ranks against."""
    known = {option: root / "data" / "countries" / name for option, name in LISTS.items()}
    return {option: path for option, path in known.items() if path.is_file()}


def notices(root: Path) -> Iterator[str]:
    """Which of the options cannot be found."""
    if next(found(root), None) is None:
        return
    for option, name in LISTS.items():
        if option not in lists(root):
            path = root / "data" / "countries" / name
            yield f'countries: there is no "{path}"; unless the run file gives "{option}", {WITHOUT[option]}'


def rows(root: Path) -> Iterator[Row]:
    """The questions, with the countries that there are values for. A question's item is the number of its row."""
    files = [file for _, (file,) in found(root)]
    if not files:
        raise InputError(f'data_root: "{root / "outputs" / PERPLEXITIES}" holds no CSV files')
    for row in common_rows(files, _asked):
        yield {**row, "Questions": row["Question"]}


def replies(files: Sequence[Path], items: Sequence[Item]) -> Iterator[Reply]:
    """One model's log-probabilities per token, or rewards, of every country."""
    for file in files:
        for place, row in enumerate(read_table(file, SHARED), start=1):
            yield _reply(row, place, file)


def _asked(file: Path) -> list[Row]:
    table = read_table(file, SHARED)
    countries = _countries(table[0])
    if not countries:
        raise InputError(f"{file}, line 1: no column is a country's")
    for place, row in enumerate(table, start=1):
        _reply(row, place, file)  # what is damaged is found before anything is computed
    return [{column: row[column] for column in SHARED} | {"countries": countries} for row in table]


def _countries(row: Mapping[str, str]) -> list[str]:
    return [column for column in row if column not in ABOUT]


def _reply(row: dict[str, str], place: int, file: Path) -> Reply:
    where = f"{file}, row {place}"
    if file.parent.name == REWARDS:
        values = tuple(read_number(row[name], f'{where}, column "{name}"', "reward") for name in _countries(row))
        return Reply(item=str(place), ask=0, rewards=values)
    values = tuple(-_loss(row[name], f'{where}, column "{name}"') for name in _countries(row))
    return Reply(item=str(place), ask=0, logprobs=values)


def _loss(text: str, place: str) -> float:
    """Mean negative log-likelihood of a token, nats."""
    value = read_number(text, place, "loss")
    if math.isinf(value) or value < 0:
        raise InputError(f"{place}: {value} is no loss")
    return value
