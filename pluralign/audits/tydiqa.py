"""Questions that people asked in their own language, answered from a passage: TyDi QA's gold-passage task.

Rows: `id`, `title` (the article), `context`, `question`, `answers` (texts, or the hub's `{"text": [...]}`), and
`language` (BCP-47 or its English name; without it the name that begins the id, as in `swahili-1234-5`). Rows with
`split` = "train" are not asked: they serve as examples where `shots` asks for some.
Source: Clark et al. 2020, arXiv:2003.05002; Ryan et al. 2024, arXiv:2402.15018, section 4. Data: the hub's
google-research-datasets/tydiqa, Apache 2.0.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from pluralign.data.languages import bcp47
from pluralign.errors import InputError
from pluralign.records.item import Item, Write
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text, texts
from pluralign.scorers.normalise import script_aware, squad
from pluralign.scorers.overlap import exact_match, f1

VERSION = 1
DESCRIPTION = (
    "Questions asked by speakers of each language, answered from a passage of Wikipedia. Each language has its own "
    "questions, so levels cannot be compared between languages; their changes can."
)
MEASURES = {
    "f1": Measure("overlap with the best gold answer, English normalisation (SQuAD)", comparable=False),
    "exact_match": Measure("share of answers equal to a gold answer, English normalisation (SQuAD)", comparable=False),
    "f1_script": Measure("overlap with the best gold answer, normalised by the rules of the script", comparable=False),
    "exact_match_script": Measure(
        "share of answers equal to a gold answer, normalised by the rules of the script", comparable=False
    ),
}
REFERENCE = {"language": "en"}
ROWS = "google-research-datasets/tydiqa:secondary_task"

COLUMNS = ("id", "title", "context", "question", "answers")
MAX_TOKENS = 50
BLANK_LINE = "\n\n"
PROMPT = "Context: {context}\nQuestion: {question}\nExtracted Answer:"
LANGUAGES = {
    "arabic": "ar",
    "bengali": "bn",
    "english": "en",
    "finnish": "fi",
    "indonesian": "id",
    "japanese": "ja",
    "korean": "ko",
    "russian": "ru",
    "swahili": "sw",
    "telugu": "te",
    "thai": "th",
}
"""The data set's own names of its languages, and their BCP-47 codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`shots`: solved examples before each question, drawn with `example_seed` from its language's training rows."""

    shots: int = 0
    example_seed: int = 0

    def __post_init__(self) -> None:
        if self.shots < 0:
            raise ValueError(f"shots must be at least 0, not {self.shots}")


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a question, with one ask: write the answer.

    Raises `InputError` with the row's number where a column is missing or unfit, and where a language has fewer
    training rows than `shots`.
    """
    questions: list[tuple[int, Row, str]] = []
    examples: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate(rows, start=1):
        require(row, number, COLUMNS)
        language = _language(row, number)
        if row.get("split") != "train":
            questions.append((number, row, language))
        elif options.shots:
            examples[language].append(f"{_ask(row, number)} {_answers(row, number)[0]}")
    for number, row, language in questions:
        drawn = _draw(examples[language], language, text(row, "id", number), options)
        yield _item(number, row, language, drawn)


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """Overlap and equality with the best of the gold answers, by both normalisations.

    The answer is what stands before the first blank line.
    """
    reply = reply_to(replies, 0)
    if reply is None or reply.text is None:
        for measure in MEASURES:
            yield Reading(measure=measure, value=math.nan)
        return
    answer, golds, language = reply.text.split(BLANK_LINE)[0], item.gold["answers"], item.slices["language"]
    english = [(squad(answer), squad(gold)) for gold in golds]
    script = [(script_aware(answer, language), script_aware(gold, language)) for gold in golds]
    yield Reading(measure="f1", value=max(f1(*pair) for pair in english))
    yield Reading(measure="exact_match", value=max(exact_match(*pair) for pair in english))
    yield Reading(measure="f1_script", value=max(f1(*pair) for pair in script))
    yield Reading(measure="exact_match_script", value=max(exact_match(*pair) for pair in script))


def code(slice: str, group: str) -> str:
    """BCP-47 of a language, in its shortest form. What is no language tag stays as it is."""
    return bcp47(group)


def _item(number: int, row: Row, language: str, examples: Sequence[str]) -> Item:
    prompt = BLANK_LINE.join((*examples, _ask(row, number)))
    return Item(
        id=text(row, "id", number),
        asks=(Write(prompt=prompt, max_tokens=MAX_TOKENS, stop=(BLANK_LINE,)),),
        slices={"language": language},
        cluster=f"{language}:{text(row, 'title', number)}",
        gold={"answers": _answers(row, number)},
    )


def _ask(row: Row, number: int) -> str:
    return PROMPT.format(context=text(row, "context", number), question=text(row, "question", number))


def _answers(row: Row, number: int) -> tuple[str, ...]:
    given: Any = row["answers"]
    nested = isinstance(given, Mapping) and "text" in given
    answers = texts(given, "text", number) if nested else texts(row, "answers", number)
    if not answers:
        raise InputError(f'row {number}: column "answers" is empty; a question needs at least one gold answer')
    return answers


def _language(row: Row, number: int) -> str:
    if "language" in row:
        language = text(row, "language", number)
        return LANGUAGES.get(language.lower(), language)
    name = text(row, "id", number).split("-")[0]
    if name not in LANGUAGES:
        raise InputError(f'row {number}: no column "language", and the id "{row["id"]}" does not begin with one')
    return LANGUAGES[name]


def _draw(examples: Sequence[str], language: str, question: str, options: Options) -> list[str]:
    if options.shots > len(examples):
        raise InputError(
            f'shots = {options.shots}, but there are {len(examples)} training rows (split "train") for "{language}"'
        )
    return Random(f"{options.example_seed} {question}").sample(examples, options.shots)
