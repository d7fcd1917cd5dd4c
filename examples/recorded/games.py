"""A game of Taboo in three dialects of English: audit "dialects"."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pluralign.errors import InputError
from pluralign.records.item import Item
from pluralign.records.reply import Reply
from pluralign.records.row import Row

from .places import common_rows, logprob, read_table, visible

FOLDER = "md3-game"
PLACE = f"{FOLDER}/*.csv"
SHARED = ("dialect", "transcript", "correct_answer", "distractors")
ANSWERED = ("generated_answer", "correct_answer_prob", "distractor_probs")


def found(root: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """The model and the file of everyone's games."""
    for file in visible((root / "outputs" / FOLDER).glob("*.csv")):
        yield file.stem, (file,)


def rows(root: Path) -> Iterator[Row]:
    """The games, in the columns that the audit needs. A game's item is the number of its row."""
    files = [file for _, (file,) in found(root)]
    if not files:
        raise InputError(f'data_root: "{root / "outputs" / FOLDER}" holds no CSV files')
    for row in common_rows(files, _asked):
        yield {**row, "answer": row["correct_answer"]}


def replies(files: Sequence[Path], items: Sequence[Item]) -> Iterator[Reply]:
    """What one model wrote (ask 0), and its probabilities of the six words (ask 1)."""
    for file in files:
        for place, row in enumerate(read_table(file, (*SHARED, *ANSWERED)), start=1):
            yield from _replies(row, place, file)


def _asked(file: Path) -> list[Row]:
    table = read_table(file, (*SHARED, *ANSWERED))
    for place, row in enumerate(table, start=1):
        list(_replies(row, place, file))  # what is damaged is found before anything is computed
    return [{column: row[column] for column in SHARED} for row in table]


def _replies(row: dict[str, str], place: int, file: Path) -> Iterator[Reply]:
    others = row["distractor_probs"].strip().removeprefix("[").removesuffix("]").split(",")
    six = (row["correct_answer_prob"], *others)
    yield Reply(item=str(place), ask=0, text=row["generated_answer"])
    yield Reply(item=str(place), ask=1, logprobs=tuple(logprob(each, f"{file}, row {place}") for each in six))
