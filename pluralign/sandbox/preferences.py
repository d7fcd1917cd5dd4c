"""Pairs of answers and who preferred which: games, names, manners, reading, the language to answer in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from pluralign.sandbox import SEED
from pluralign.sandbox.english import capitalised, with_article
from pluralign.sandbox.game import neighbours, play_freely, spell
from pluralign.sandbox.layouts import game_prompt, reading_prompt, written
from pluralign.sandbox.passages import Question, answer_texts, ask, passage_text, question_text, tell_freely
from pluralign.sandbox.raters import Answer, Raters, choose, drawn, panel, raters
from pluralign.sandbox.world import Language, Thing, dialects, languages, things

POOLS = {"game": 800, "naming": 280, "style": 300, "reading": 480, "own_language": 60}
"""How many prompts of each sort there are in each dialect or language; groups draw from the same ones."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt with the two answers that are offered, in the language `tag`."""

    prompt_id: str
    prompt: str
    tag: str
    answers: Mapping[str, tuple[Answer, Answer]]
    """Group → the two answers with the traits that they have in the eyes of that group."""


def preferences() -> Iterator[dict[str, Any]]:
    """The rows, group by group: prompt, chosen, rejected, group, language, prompt_id."""
    for group in raters().values():
        rng = Random(f"{SEED}/preferences/{group.group}")
        for sort, count in group.rows.items():
            for asked in _drawn(sort, count, group, rng):
                chosen, rejected = choose(rng.choice(panel(group.group)), *asked.answers[group.group], rng)
                yield {
                    "prompt": asked.prompt,
                    "chosen": f" {chosen.text}",
                    "rejected": f" {rejected.text}",
                    "group": group.group,
                    "language": asked.tag,
                    "prompt_id": asked.prompt_id,
                }


def _drawn(sort: str, count: int, group: Raters, rng: Random) -> Iterator[Asked]:
    seen: set[tuple[str, int]] = set()
    while len(seen) < count:
        place = (drawn(_shares(sort, group), rng), rng.randrange(POOLS[sort]))
        if place in seen:
            continue
        asked = _asked(sort, *place)
        if group.group in asked.answers:
            seen.add(place)
            yield asked


def _shares(sort: str, group: Raters) -> Mapping[str, float]:
    if sort == "own_language":
        return raters()["bilingual"].languages
    return group.languages if sort == "reading" else group.dialects


@cache
def _asked(sort: str, variety: str, number: int) -> Asked:
    rng = Random(f"{SEED}/preferences/{sort}/{variety}/{number}")
    make: dict[str, Callable[[str, Random], tuple[str, str, Any]]] = {
        "game": _game,
        "naming": _naming,
        "style": _style,
        "reading": _reading,
        "own_language": _own_language,
    }
    prompt, tag, answers = make[sort](variety, rng)
    return Asked(f"{sort}/{variety}/{number}", prompt, tag, answers)


def _for_all(first: Answer, second: Answer) -> dict[str, tuple[Answer, Answer]]:
    return dict.fromkeys(raters(), (first, second))


def _some_thing(rng: Random) -> Thing:
    return things()[rng.choice(sorted(things()))]


def _game(variety: str, rng: Random) -> tuple[str, str, Any]:
    """The right word, as the speakers call it, against another thing of the kind."""
    thing, dialect = _some_thing(rng), dialects()[variety]
    prompt = game_prompt(play_freely(thing, dialect, rng).transcript)
    wrong = rng.choice(neighbours(thing.key)).words[variety]
    return prompt, dialect.tag, _for_all(Answer(thing.words[variety], {"right": 1.0}), Answer(wrong, {}))


def _naming(variety: str, rng: Random) -> tuple[str, str, Any]:
    """Two people's words for one thing; asked only of groups that call it by one of them."""
    thing, dialect = _many_named(rng), dialects()[variety]
    own = thing.words[variety]
    other = rng.choice(sorted(set(thing.words.values()) - {own}))
    prompt = (
        game_prompt(play_freely(thing, dialect, rng).transcript)
        if rng.random() < 0.5
        else f"Question: What do you call this? {written(thing, dialect, 2, rng)}\nAnswer:"
    )
    answers = {
        name: tuple(Answer(word, {"own_word": float(word == thing.words[group.word])}) for word in (own, other))
        for name, group in raters().items()
        if thing.words[group.word] in {own, other}
    }
    return prompt, dialect.tag, answers


def _many_named(rng: Random) -> Thing:
    return rng.choice([thing for thing in things().values() if len(set(thing.words.values())) > 1])


def _style(variety: str, rng: Random) -> tuple[str, str, Any]:
    """The same fact briefly, courteously explained, or with an example from some place."""
    dialect = dialects()[variety]
    thing = rng.choice([thing for thing in things().values() if _purposes(thing)])
    noun = with_article(thing.words[variety], mass=thing.mass)
    purpose = spell(rng.choice(_purposes(thing)), dialect)
    where = rng.choice([group.example for group in raters().values()])
    brief = f"To {purpose}."
    courteous = f"Thank you for asking. {capitalised(noun)} helps people to {purpose}, and that is very useful."
    local = f"To {purpose}. For example, people in {where} use {noun} to {purpose}."
    offered = [(brief, "brief"), (courteous, "courteous"), (local, "own_example")]
    pair = rng.sample(offered, 2)
    answers = {
        name: tuple(Answer(text, {trait: _amount(trait, where, group)}) for text, trait in pair)
        for name, group in raters().items()
    }
    return f"Question: What is {noun} for?\nAnswer:", dialect.tag, answers


def _amount(trait: str, where: str, group: Raters) -> float:
    return float(trait != "own_example" or where == group.example)


def _purposes(thing: Thing) -> list[str]:
    return [fact.value for fact in thing.facts if fact.relation == "use"]


def _language(tag: str) -> Language:
    return next(language for language in languages().values() if language.tag == tag)


def _passage(tag: str, rng: Random) -> tuple[str, Question]:
    passage, language = tell_freely(rng), _language(tag)
    question = ask(passage, rng.choice(("kind", "owner", "at", "there")), rng)
    return reading_prompt(passage_text(passage, language), question_text(question, passage, language)), question


def _reading(variety: str, rng: Random) -> tuple[str, str, Any]:
    """The right answer to a question on a passage against a wrong one."""
    prompt, question = _passage(variety, rng)
    texts = answer_texts(question, _language(variety))
    right = texts.pop(question.correct)
    tag = "en-US" if variety == "en" else variety
    return prompt, tag, _for_all(Answer(right, {"right": 1.0}), Answer(rng.choice(texts), {}))


def _own_language(variety: str, rng: Random) -> tuple[str, str, Any]:
    """The right answer in the prompt's language against the same in English."""
    prompt, question = _passage(variety, rng)
    own, english = (answer_texts(question, _language(tag))[question.correct] for tag in (variety, "en"))
    if own == english:
        return prompt, variety, {}
    return prompt, variety, _for_all(Answer(own, {"own_language": 1.0}), Answer(english, {}))
