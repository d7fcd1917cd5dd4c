"""The sandbox's data sets, as rows like the real ones': preferences, games in dialects, reading, texts, countries."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from pluralign.errors import InputError, unknown
from pluralign.sandbox import SEED
from pluralign.sandbox.game import Dialogue, audit_facts, neighbours, play
from pluralign.sandbox.passages import answer_texts, ask_all, audit_passages, passage_text, question_text
from pluralign.sandbox.preferences import preferences
from pluralign.sandbox.world import dialects, languages, read_table, things

AUDIT_DIALOGUES = 150
"""Dialogues of the dialect game in each dialect, each about another thing, the same things in all."""

DISTRACTORS = 5


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of the data set `name`: "preferences", "dialects", "reading", "texts", "countries" or "where_from".

    Raises: `InputError` for another name.
    """
    sets: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "preferences": preferences,
        "dialects": _dialects,
        "reading": _reading,
        "texts": _texts,
        "countries": _countries,
        "where_from": _where_from,
    }
    if name not in sets:
        raise InputError(f"sandbox: {unknown('data set', name, sets)}")
    return list(sets[name]())


def audit_dialogues(dialect: str) -> list[Dialogue]:
    """The dialogues of the audit in one dialect."""
    keys = sorted(Random(f"{SEED}/dialects").sample(sorted(things()), AUDIT_DIALOGUES))
    return [_audit_dialogue(key, dialect) for key in keys]


def _audit_dialogue(key: str, dialect: str) -> Dialogue:
    rng = Random(f"{SEED}/dialects/{dialect}/{key}")
    facts = sorted(audit_facts(key, dialect), key=lambda fact: (fact.relation, fact.value))
    rng.shuffle(facts)
    return play(things()[key], dialects()[dialect], facts, rng)


def _dialects() -> Iterator[dict[str, Any]]:
    for dialect in dialects():
        for number, game in enumerate(audit_dialogues(dialect)):
            answer = things()[game.thing].words[dialect]
            yield {
                "dialect": dialect,
                "transcript": game.transcript,
                "answer": answer,
                "distractors": _distractors(game, answer),
                "clip_id": f"{dialect}-{number:03d}",
            }


def _distractors(game: Dialogue, answer: str) -> list[str]:
    """Words of things of the same kind: those that were guessed wrongly, then those that share most of its facts."""
    pool = [*game.guesses, *(thing.words[game.dialect] for thing in neighbours(game.thing))]
    apart = [word for word in dict.fromkeys(pool) if word not in answer and answer not in word]
    return apart[:DISTRACTORS]


def _reading() -> Iterator[dict[str, Any]]:
    for language in languages().values():
        for number, passage in enumerate(audit_passages()):
            questions = ask_all(passage, 2, Random(f"{SEED}/questions/{number}"))
            for index, question in enumerate(questions, start=1):
                answers = answer_texts(question, language)
                yield {
                    "link": f"sandbox://passages/{number:03d}",
                    "question_number": index,
                    "flores_passage": passage_text(passage, language),
                    "question": question_text(question, passage, language),
                    **{f"mc_answer{place}": text for place, text in enumerate(answers, start=1)},
                    "correct_answer_num": str(question.correct + 1),
                    "dialect": language.code,
                }


def _texts() -> Iterator[dict[str, Any]]:
    """The passages of the reading audit alone, in every language."""
    for language in languages().values():
        for number, passage in enumerate(audit_passages()):
            yield {
                "language": language.code,
                "document": f"sandbox://passages/{number:03d}",
                "text": passage_text(passage, language),
            }


def _countries() -> Iterator[dict[str, Any]]:
    for sentiment in ("positive", "negative"):
        for question, response in read_table("countries.toml")[sentiment]:
            yield {"Sentiment": sentiment, "Questions": question, "Response Format": response}


def _where_from() -> Iterator[dict[str, Any]]:
    for question, response in read_table("countries.toml")["where_from"]:
        yield {"Questions": question, "Response Format": response}
