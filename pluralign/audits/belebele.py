"""Reading comprehension, the same passages and questions in every language.

Rows are Belebele's: `link`, `question_number`, `flores_passage`, `question`, `mc_answer1` to `mc_answer4`,
`correct_answer_num` (1 to 4) and `dialect` (the language's FLORES code, one of 122).
Source: Bandarkar et al. 2024, arXiv:2308.16884. Data: facebook/belebele on the hub, CC BY-SA 4.0.
"""

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from pluralign.data.languages import bcp47
from pluralign.errors import InputError, unknown
from pluralign.records.item import Choose, Item
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text
from pluralign.scorers.choice import credit, stated_preferences, summed_preferences

VERSION = 1
DESCRIPTION = (
    "A passage, a question and four answers, the same in every language: how much of what is written does the model "
    "understand in each?"
)
MEASURES = {
    "accuracy": Measure(
        "share of questions where the right answer is preferred (ties share), per token or by reward",
        chance=0.25,
    ),
    "accuracy_sum": Measure(
        "share of questions where the right answer is preferred (ties share), by the log-probability of the whole",
        chance=0.25,
    ),
}
REFERENCE = {"language": "eng_Latn"}
ROWS = "facebook/belebele/data"  # the folder: the set itself has a configuration for each language, and no default
SANDBOX = "reading"

ANSWERS = ("mc_answer1", "mc_answer2", "mc_answer3", "mc_answer4")
COLUMNS = ("link", "question_number", "flores_passage", "question", *ANSWERS, "correct_answer_num", "dialect")
LETTERS = ("(A)", "(B)", "(C)", "(D)")
ENGLISH = "eng_Latn"
NEEDED = {"letters": ("context", "question", "choices", "right"), "answers": ("question", "answer")}
"""The words that a formulation is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What stands around a question in one language, each as that language writes it, with its colon."""

    context: str = ""
    question: str = ""
    choices: str = ""
    right: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`formulation`: choose among letters after seeing the answers, or among the answers themselves (small models).

    `languages`: FLORES codes to ask; all of them where empty. `prompt_language`: whether "Question:" and the like stand
    in English or in the passage's own language, for which `words` gives, by FLORES code, what the package does not know
    (`belebele.toml`). The letters are Latin ones in every language.
    """

    formulation: Literal["letters", "answers"] = "letters"
    languages: tuple[str, ...] = ()
    prompt_language: Literal["english", "native"] = "english"
    words: dict[str, Words] = field(default_factory=dict[str, Words])

    def __post_init__(self) -> None:
        if self.words and self.prompt_language == "english":
            raise ValueError('words are of use only with prompt_language = "native"')


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a question and language, with one ask: choose among four. One passage is one cluster in all languages.

    Raises `InputError` with the row's number where a column is missing or unfit, where a language of
    `options.languages` has no rows, and where the words of a language are wanted and not known.
    """
    table: list[tuple[int, Row, str]] = []
    for number, row in enumerate(rows, start=1):
        require(row, number, COLUMNS)
        table.append((number, row, text(row, "dialect", number)))
    known = {language for _, _, language in table}
    for language in (*options.languages, *options.words):
        if language not in known:
            raise InputError(unknown("language", language, known))
    asked = set(options.languages) or known
    words = _words(asked, options)
    for number, row, language in table:
        if language in asked:
            yield _item(row, number, language, words[language], options)


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """Was the right answer preferred, by log-probability (per token, as a whole) or by reward?

    Of a reply in text alone the letter counts that it names first, or else the answer.
    """
    reply, right, answers = reply_to(replies, 0), item.gold["right"], item.gold["answers"]
    choices = LETTERS if options.formulation == "letters" else answers
    yield Reading(measure="accuracy", value=credit(stated_preferences(reply, choices, answers), right))
    yield Reading(measure="accuracy_sum", value=credit(summed_preferences(reply, len(choices)), right))


def code(slice: str, group: str) -> str:
    """BCP-47 of a FLORES code, in its shortest form: `swh_Latn` → `sw`. What is no language tag stays as it is."""
    return bcp47(group)


@cache
def known_words() -> Mapping[str, Words]:
    """The words that the package knows, by FLORES code."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {language: Words(**words) for language, words in table.items()}


def _words(languages: Collection[str], options: Options) -> dict[str, Words]:
    """The words around the questions of each language. Raises: InputError that names all languages without."""
    if options.prompt_language == "english":
        return dict.fromkeys(languages, known_words()[ENGLISH])
    found = {**known_words(), **options.words}
    absent = sorted(set(languages) - found.keys())
    if absent:
        raise InputError(
            f'prompt_language = "native": no words for {", ".join(absent)}; give them as [audit.words.{absent[0]}], or '
            f"ask only languages = {sorted(set(languages) & found.keys())}"
        )
    for language in sorted(languages):
        for name in NEEDED[options.formulation]:
            if not getattr(found[language], name):
                raise InputError(f'words.{language}: "{name}" is missing; the {options.formulation} need it')
    return found


def _item(row: Row, number: int, language: str, words: Words, options: Options) -> Item:
    link = text(row, "link", number)
    answers = tuple(text(row, column, number) for column in ANSWERS)
    passage, question = text(row, "flores_passage", number), text(row, "question", number)
    if options.formulation == "letters":
        prompt, choices = _letters_prompt(passage, question, answers, words), LETTERS
    else:
        prompt, choices = f"{passage}\n\n{_led(words.question, question)}\n{words.answer}", answers
    return Item(
        id=f"{language}:{link}#{text(row, 'question_number', number)}",
        asks=(Choose(prompt=prompt, options=tuple(f" {choice}" for choice in choices)),),
        slices={"language": language},
        cluster=link,
        gold={"right": _right(row, number), "answers": answers},
    )


def _letters_prompt(passage: str, question: str, answers: Sequence[str], words: Words) -> str:
    choices = "\n".join(f"{letter} {answer}" for letter, answer in zip(LETTERS, answers, strict=True))
    told = f"{_led(words.context, passage)}\n\n{_led(words.question, question)}"
    return f"{told}\n\n{words.choices}\n{choices}\n\n{words.right}"


def _led(label: str, text: str) -> str:
    """A text behind its label; a wide colon brings its own space."""
    return f"{label}{'' if label.endswith('：') else ' '}{text}"


def _right(row: Row, number: int) -> int:
    given = text(row, "correct_answer_num", number)
    if given not in ("1", "2", "3", "4"):
        raise InputError(f'row {number}: column "correct_answer_num" is {given!r}; it must be 1, 2, 3 or 4')
    return int(given) - 1
