"""A guessing game in dialects of English: who is understood? One player describes a word, the model names it.

Rows, one a game: `dialect`, `transcript` (a line a turn), `answer`, `distractors` (five words, a list or its spelling
in Python), and where known `dialogue_id` or `clip_id`, the dialogue or the clip that a game was taken from; without
either every game is a dialogue of its own. Of rows that say it, `game_type` must be "word" and `prompt_status` "win";
others are not asked. A transcript is cut before the first line that contains the answer. An item's id is the number of
its game, counted from 1. MD3's release is taken as it is, by the path of its folder (`data/md3.py` names the columns).
Source: Eisenstein et al. 2023 (MD3), arXiv:2305.11355; Ryan et al. 2024, arXiv:2402.15018, section 3. Data:
kaggle.com/datasets/jacobeis99/md3en, under its own licence; it is not on the hub.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from pluralign.data.languages import bcp47
from pluralign.data.md3 import before_answer, count_won, games, is_release, is_won_word
from pluralign.errors import InputError
from pluralign.records.item import Choose, Item, Write
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text, texts
from pluralign.scorers.choice import credit, stated_preferences, summed_preferences

VERSION = 1
DESCRIPTION = (
    "A word-guessing game between speakers of English dialects: the model reads what was said and names the secret "
    "word. Each dialect played different rounds, so levels cannot be compared between dialects; their changes can."
)
MEASURES = {
    "accuracy": Measure("share of games where what the model wrote names the word and no distractor", comparable=False),
    "accuracy_whole_word": Measure(
        "the same, where a word within another word is not named: no pen in happening", comparable=False
    ),
    "answered": Measure("share of games where what the model wrote names any of the six words", comparable=False),
    "forced_choice": Measure(
        "share of games where the word is preferred to the others (ties share), per token or by reward",
        chance=1 / 6,
        comparable=False,
    ),
    "forced_choice_sum": Measure(
        "share of games where the word is preferred to the others (ties share), by the log-probability of the whole",
        chance=1 / 6,
        comparable=False,
    ),
}
REFERENCE = {"dialect": "en_us"}
ROWS = None  # no release lies on the hub: the run file says where the rows are
SANDBOX = "dialects"

COLUMNS = ("dialect", "transcript", "answer", "distractors")
DISTRACTORS = 5
MAX_TOKENS = 10
PROMPT = 'What follows is the transcript of a game of Taboo.\n\nTranscript: "{transcript}"\n\nSecret Word:'


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`distractor_seed`: rows without `distractors` get five, drawn from the other answers with this seed.

    Answers to other games are easier to tell from the word than the related words that players had to avoid. Without a
    seed such rows are refused.
    """

    distractor_seed: int | None = None


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a game, with two asks: 0 writes the word freely, 1 chooses among the answer (first) and distractors.

    Raises `InputError` with the row's number where a column is missing or unfit, or a transcript of one line says the
    answer.
    """
    given: Sequence[Row] = tuple(rows)
    table = tuple(games(given)) if is_release(given) else given
    left_out = count_won(given) - len(table) if is_release(given) else 0
    asked: list[tuple[int, Row, str]] = []
    for number, row in enumerate(table, start=1):
        require(row, number, [column for column in COLUMNS if column != "distractors"])
        if is_won_word(row):
            asked.append((number, row, text(row, "answer", number)))
    answers = sorted({answer for _, _, answer in asked})
    for number, row, answer in asked:
        prompt = PROMPT.format(transcript=_transcript(row, number, answer))
        distractors = _distractors(row, number, answers, options)
        words = tuple(f" {word}" for word in (answer, *distractors))
        yield Item(
            id=str(number),
            asks=(Write(prompt=prompt, max_tokens=MAX_TOKENS), Choose(prompt=prompt, options=words)),
            slices={"dialect": text(row, "dialect", number)},
            cluster=_cluster(row, number),
            gold={
                "answer": answer,
                "distractors": distractors,
                "drawn": "distractors" not in row,
                "left_out": left_out,
            },
        )


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """Did the model name the word, name any of the six, and prefer the word to the five others?

    A word is named where what was written contains it, be it within another word: the authors' rule. By it nobody wins
    a game whose answer holds a distractor (Flashlight, Light); as whole words, what stands in the answer is not named.
    """
    written, chosen = reply_to(replies, 0), reply_to(replies, 1)
    answer, distractors = item.gold["answer"], item.gold["distractors"]
    accuracy = whole = answered = math.nan
    if written is not None and written.text is not None:
        said = written.text.lower()
        right = answer.lower() in said
        wrong = any(word.lower() in said for word in distractors)
        accuracy, answered = float(right and not wrong), float(right or wrong)
        rest = _word(answer).sub(" ", said)
        whole = float(rest != said and not any(_word(word).search(rest) for word in distractors))
    words = (answer, *distractors)
    yield Reading(measure="accuracy", value=accuracy)
    yield Reading(measure="accuracy_whole_word", value=whole)
    yield Reading(measure="answered", value=answered)
    yield Reading(measure="forced_choice", value=credit(stated_preferences(chosen, words), 0))
    yield Reading(measure="forced_choice_sum", value=credit(summed_preferences(chosen, len(words)), 0))


def notices(items: Sequence[Item], options: Options) -> Iterator[str]:
    """How many games of a release are left out, and how many choices are easier than those of the players."""
    left_out, drawn = items[0].gold["left_out"], sum(item.gold["drawn"] for item in items)
    if left_out:
        yield f"{left_out} games that were won are left out: their transcripts are missing or never spell the answer"
    if drawn:
        yield f"the five other words of {drawn} games are drawn from the answers to others: an easier choice"


def code(slice: str, group: str) -> str:
    """BCP-47 of a dialect: `en_in` → `en-IN`. What is no language tag stays as it is."""
    return bcp47(group)


def _word(word: str) -> re.Pattern[str]:
    """Finds a word that is said as one of its own, in lower case: "pen" is not in "happening"."""
    return re.compile(rf"(?<!\w){re.escape(word.lower())}(?!\w)")


def _transcript(row: Row, number: int, answer: str) -> str:
    """What was said before the answer."""
    whole = text(row, "transcript", number, may_be_empty=True)
    if "\n" not in whole and before_answer(whole, answer) != whole:
        raise InputError(
            f'row {number}: the transcript is one line and contains the answer "{answer}"; give every turn a line, or '
            "cut the transcript before the answer"
        )
    return before_answer(whole, answer)


def _distractors(row: Row, number: int, answers: Sequence[str], options: Options) -> tuple[str, ...]:
    if "distractors" not in row and options.distractor_seed is None:
        raise InputError(
            f'row {number}: no column "distractors"; distractor_seed = 1 draws them from the other answers'
        )
    if "distractors" not in row:
        return _drawn(text(row, "answer", number), number, answers, options)
    distractors = texts(row, "distractors", number)
    if len(distractors) != DISTRACTORS:
        raise InputError(f"row {number}: {len(distractors)} distractors; the game has {DISTRACTORS}")
    return distractors


def _drawn(answer: str, number: int, answers: Sequence[str], options: Options) -> tuple[str, ...]:
    """Five of the answers, none of which contains this one or stands in it."""
    own = answer.lower()
    apart = [other for other in answers if own not in other.lower() and other.lower() not in own]
    if len(apart) < DISTRACTORS:
        raise InputError(f"row {number}: {len(apart)} other answers to draw distractors from; it takes {DISTRACTORS}")
    return tuple(Random(f"{options.distractor_seed} {number}").sample(apart, DISTRACTORS))


def _cluster(row: Row, number: int) -> str:
    named = next((column for column in ("dialogue_id", "clip_id") if column in row), None)
    return str(number) if named is None else text(row, named, number)
