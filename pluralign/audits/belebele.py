"""Reading comprehension, the same passages and questions in every language.

Rows are Belebele's: `link`, `question_number`, `flores_passage`, `question`, `mc_answer1` to `mc_answer4`,
`correct_answer_num` (1 to 4) and `dialect` (the language's FLORES code).
Source: Bandarkar et al. 2024, arXiv:2308.16884.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from langcodes import standardize_tag

from pluralign.errors import InputError, unknown
from pluralign.records.item import Choose, Item
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text
from pluralign.scorers.choice import credit, preferences

VERSION = 1
DESCRIPTION = (
    "A passage, a question and four answers, the same in every language: how much of what is written does the model "
    "understand in each?"
)
MEASURES = {"accuracy": Measure("share of questions answered correctly (ties share)", chance=0.25)}
REFERENCE = {"language": "eng_Latn"}
ROWS = "facebook/belebele"
SANDBOX = "reading"

ANSWERS = ("mc_answer1", "mc_answer2", "mc_answer3", "mc_answer4")
COLUMNS = ("link", "question_number", "flores_passage", "question", *ANSWERS, "correct_answer_num", "dialect")
LETTERS = ("(A)", "(B)", "(C)", "(D)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`formulation`: choose among letters after seeing the answers, or among the answers themselves (small models).

    `languages`: FLORES codes to ask; all of them where empty.
    """

    formulation: Literal["letters", "answers"] = "letters"
    languages: tuple[str, ...] = ()


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a question and language, with one ask: choose among four. One passage is one cluster in all languages.

    Raises `InputError` with the row's number where a column is missing or unfit, and where a language of
    `options.languages` has no rows.
    """
    languages: set[str] = set()
    for number, row in enumerate(rows, start=1):
        require(row, number, COLUMNS)
        language = text(row, "dialect", number)
        languages.add(language)
        if options.languages and language not in options.languages:
            continue
        yield _item(row, number, language, options)
    for language in options.languages:
        if language not in languages:
            raise InputError(unknown("language", language, languages))


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """Was the right answer preferred, by log-probability per token or by reward?"""
    preferred = preferences(reply_to(replies, 0), len(ANSWERS))
    yield Reading(measure="accuracy", value=credit(preferred, item.gold["right"]))


def code(slice: str, group: str) -> str:
    """BCP-47 of a FLORES code, in its shortest form: `swh_Latn` → `sw`. What is no language tag stays as it is.

    FLORES writes Korean's script `Hang`; BCP-47 takes it for granted as `Kore`.
    """
    try:
        return standardize_tag(group.replace("_Hang", "_Kore"), macro=True)
    except ValueError:
        return group


def _item(row: Row, number: int, language: str, options: Options) -> Item:
    link = text(row, "link", number)
    answers = tuple(text(row, column, number) for column in ANSWERS)
    passage, question = text(row, "flores_passage", number), text(row, "question", number)
    if options.formulation == "letters":
        prompt, choices = _letters_prompt(passage, question, answers), LETTERS
    else:
        prompt, choices = f"{passage}\n\nQuestion: {question}\nAnswer:", answers
    return Item(
        id=f"{language}:{link}#{text(row, 'question_number', number)}",
        asks=(Choose(prompt=prompt, options=tuple(f" {choice}" for choice in choices)),),
        slices={"language": language},
        cluster=link,
        gold={"right": _right(row, number)},
    )


def _letters_prompt(passage: str, question: str, answers: Sequence[str]) -> str:
    choices = "\n".join(f"{letter} {answer}" for letter, answer in zip(LETTERS, answers, strict=True))
    asked = f"Context: {passage}\n\nQuestion: {question}\n\nChoices:\n{choices}"
    return f"{asked}\n\nBased on the choices, the right answer is:"


def _right(row: Row, number: int) -> int:
    given = text(row, "correct_answer_num", number)
    if given not in ("1", "2", "3", "4"):
        raise InputError(f'row {number}: column "correct_answer_num" is {given!r}; it must be 1, 2, 3 or 4')
    return int(given) - 1
