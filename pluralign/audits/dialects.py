"""A guessing game in dialects of English: who is understood? One player describes a word, the model names it.

Rows: `dialect`, `transcript` (cut before the first line that says the answer, so perhaps empty), `answer`,
`distractors` (five words, a list or its spelling in Python), and where known `clip_id`, the dialogue that a row was
taken from; without it every row is a dialogue of its own. An item's id is the number of its row, counted from 1.
Source: Eisenstein et al. 2023 (MD3), arXiv:2305.11355; Ryan et al. 2024, arXiv:2402.15018, section 3.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from langcodes import standardize_tag

from pluralign.errors import InputError
from pluralign.records.item import Choose, Item, Write
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text, texts
from pluralign.scorers.choice import credit, preferences

VERSION = 1
DESCRIPTION = (
    "A word-guessing game between speakers of English dialects: the model reads what was said and names the secret "
    "word. Each dialect played different rounds, so levels cannot be compared between dialects; their changes can."
)
MEASURES = {
    "accuracy": Measure("share of games where what the model wrote names the word and no distractor", comparable=False),
    "answered": Measure("share of games where what the model wrote names any of the six words", comparable=False),
    "forced_choice": Measure(
        "share of games where the word is the most probable of the six (ties share)", chance=1 / 6, comparable=False
    ),
}
REFERENCE = {"dialect": "en_us"}
ROWS = None  # the corpus has no release that can be loaded as it is: the run file says where the rows are
SANDBOX = "dialects"

COLUMNS = ("dialect", "transcript", "answer", "distractors")
DISTRACTORS = 5
MAX_TOKENS = 10
PROMPT = 'What follows is the transcript of a game of Taboo.\n\nTranscript: "{transcript}"\n\nSecret Word:'


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """None yet."""


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a row, with two asks: 0 writes the word freely, 1 chooses among the answer (first) and distractors.

    Raises `InputError` with the row's number where a column is missing or unfit, or the transcript says the answer
    as a word of its own.
    """
    for number, row in enumerate(rows, start=1):
        require(row, number, COLUMNS)
        transcript, answer = text(row, "transcript", number, may_be_empty=True), text(row, "answer", number)
        distractors = texts(row, "distractors", number)
        if len(distractors) != DISTRACTORS:
            raise InputError(f"row {number}: {len(distractors)} distractors; the game has {DISTRACTORS}")
        if _says(transcript, answer):
            raise InputError(
                f'row {number}: the transcript says the answer "{answer}"; cut it before the first line that does'
            )
        prompt = PROMPT.format(transcript=transcript)
        words = tuple(f" {word}" for word in (answer, *distractors))
        yield Item(
            id=str(number),
            asks=(Write(prompt=prompt, max_tokens=MAX_TOKENS), Choose(prompt=prompt, options=words)),
            slices={"dialect": text(row, "dialect", number)},
            cluster=text(row, "clip_id", number) if "clip_id" in row else str(number),
            gold={"answer": answer, "distractors": distractors},
        )


def _says(transcript: str, answer: str) -> bool:
    """Whether the transcript says the answer as a word of its own: "pen" is not said in "happening"."""
    return re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", transcript, re.IGNORECASE) is not None


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """Did the model name the word, name any of the six, and prefer the word to the five others?

    A word is named where what was written contains it, be it within another word: the authors' rule.
    """
    written, chosen = reply_to(replies, 0), reply_to(replies, 1)
    accuracy = answered = math.nan
    if written is not None and written.text is not None:
        said = written.text.lower()
        right = item.gold["answer"].lower() in said
        wrong = any(word.lower() in said for word in item.gold["distractors"])
        accuracy, answered = float(right and not wrong), float(right or wrong)
    yield Reading(measure="accuracy", value=accuracy)
    yield Reading(measure="answered", value=answered)
    yield Reading(measure="forced_choice", value=credit(preferences(chosen, 1 + DISTRACTORS), 0))


def code(slice: str, group: str) -> str:
    """BCP-47 of a dialect: `en_in` → `en-IN`. What is no language tag stays as it is."""
    try:
        return standardize_tag(group)
    except ValueError:
        return group
