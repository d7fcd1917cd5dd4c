"""The text that the base model is trained on: games, descriptions, passages with questions, names of things.

What there is much of and what little of stands here as plain shares; they mirror, roughly, the web of today.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from random import Random

from pluralign.sandbox.game import play_freely
from pluralign.sandbox.layouts import described, finished_game, open_game, questioned
from pluralign.sandbox.passages import ask_all, passage_text, tell_freely, told_things
from pluralign.sandbox.raters import drawn
from pluralign.sandbox.world import Language, Thing, dialects, languages, things

LANGUAGES: Mapping[str, float] = {
    "eng_Latn": 0.7,
    "spa_Latn": 0.09,
    "deu_Latn": 0.07,
    "fra_Latn": 0.06,
    "ind_Latn": 0.035,
    "hin_Deva": 0.03,
    "swh_Latn": 0.015,
}
"""Share of the documents by language."""

DIALECTS: Mapping[str, float] = {"en_us": 0.8, "en_in": 0.14, "en_ng": 0.06}
"""Share of the English documents by the dialect of who wrote or spoke them."""

ENGLISH: Mapping[str, float] = {"game": 0.5, "open game": 0.01, "description": 0.12, "reading": 0.35, "words": 0.02}
"""Share of the English documents by sort. `open game` has the layout of the dialect audit."""

OTHERS: Mapping[str, float] = {"reading": 0.85, "words": 0.15}
"""Share of the documents in each other language by sort."""

ENGLISH_LABELS = 0.15
"""Share of the passages in other languages whose questions are labelled in English, as in the reading audit."""


def documents(seed: int) -> Iterator[str]:
    """Documents without end, the same for the same seed."""
    for number in count():
        yield document(Random(f"{seed}/text/{number}"))


def document(rng: Random) -> str:
    """One document by lot."""
    language = languages()[drawn(LANGUAGES, rng)]
    if language.code != "eng_Latn":
        sort = drawn(OTHERS, rng)
        return _reading(language, rng) if sort == "reading" else _words(language, rng)
    sorts: dict[str, Callable[[Random], str]] = {
        "game": _game,
        "open game": _open_game,
        "description": _description,
        "reading": lambda lot: _reading(language, lot),
        "words": _national_words,
    }
    return sorts[drawn(ENGLISH, rng)](rng)


def _game(rng: Random) -> str:
    return finished_game(play_freely(_thing(rng), dialects()[drawn(DIALECTS, rng)], rng), rng)


def _open_game(rng: Random) -> str:
    return open_game(play_freely(_thing(rng), dialects()[drawn(DIALECTS, rng)], rng), rng)


def _thing(rng: Random) -> Thing:
    return things()[rng.choice(list(things()))]


def _description(rng: Random) -> str:
    return described(_thing(rng), dialects()[drawn(DIALECTS, rng)], rng)


def _reading(language: Language, rng: Random) -> str:
    passage = tell_freely(rng)
    if rng.random() < 0.1:
        return passage_text(passage, language)
    english = rng.random() < ENGLISH_LABELS
    return questioned(passage, ask_all(passage, rng.choice((2, 3, 3)), rng), language, english=english)


def _words(language: Language, rng: Random) -> str:
    """A list of words in English and another language."""
    chosen = [things()[key].names for key in rng.sample(told_things(), 6)]
    return "\n".join((f"English - {language.name}", *(f"{names['en']} - {names[language.tag]}" for names in chosen)))


def _national_words(rng: Random) -> str:
    """What people of different countries call one thing."""
    first, second = rng.sample(sorted(dialects()), 2)
    thing = rng.choice([thing for thing in things().values() if thing.words[first] != thing.words[second]])
    here, there = dialects()[first], dialects()[second]
    return (
        f"What people in {here.people} call {thing.words[first]}, people in {there.people} call {thing.words[second]}."
    )
