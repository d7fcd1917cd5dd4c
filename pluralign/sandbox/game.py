"""The guessing game: one describes a thing without saying its word, the other guesses, in a dialect of English."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from random import Random

from pluralign.sandbox import SEED
from pluralign.sandbox.english import capitalised, progressive, third_person, with_article
from pluralign.sandbox.world import Dialect, Fact, Thing, dialects, languages, things

_TRIES = 200
AUDIT_CLUES = (2, 2, 3)
"""How many facts the audit's dialogues tell; one of these by lot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A game: `lines` up to the last clue, `reply` that names the thing, `win`, the describer's last line."""

    thing: str
    dialect: str
    facts: frozenset[Fact]
    lines: tuple[str, ...]
    reply: str
    win: str
    guesses: tuple[str, ...]

    @property
    def transcript(self) -> str:
        """The lines before the answer."""
        return "\n".join(self.lines)


@cache
def neighbours(key: str) -> tuple[Thing, ...]:
    """The other things of the same kind, those that share most facts first."""
    own = things()[key]
    others = [thing for thing in things().values() if thing.kind == own.kind and thing.key != key]
    return tuple(sorted(others, key=lambda thing: -len(set(thing.facts) & set(own.facts))))


@cache
def held_out(key: str) -> frozenset[frozenset[Fact]]:
    """The sets of facts of a thing of the audit's dialogues, one a dialect, that no other dialogue tells together."""
    return frozenset(audit_facts(key, dialect) for dialect in dialects())


@cache
def audit_facts(key: str, dialect: str) -> frozenset[Fact]:
    """The facts that the audit's dialogue about a thing tells in a dialect."""
    rng = Random(f"{SEED}/held out/{key}/{dialect}")
    size = rng.choice(AUDIT_CLUES)
    return frozenset(rng.choice(list(combinations(things()[key].facts, size))))


def play(thing: Thing, dialect: Dialect, facts: Sequence[Fact], rng: Random) -> Dialogue:
    """A dialogue about `thing` that tells `facts` in order and never says the thing's word."""
    word = thing.words[dialect.key].lower()
    for _ in range(_TRIES):
        dialogue = _Talk(thing, dialect, facts, rng).dialogue()
        if word not in dialogue.transcript.lower():
            return dialogue
    raise ValueError(f"{thing.key}: no dialogue of {dialect.key} does without the word {word!r}")


def play_freely(thing: Thing, dialect: Dialect, rng: Random) -> Dialogue:
    """A dialogue that tells two to four facts by lot, never all of a set that is held out for the audit."""
    for _ in range(_TRIES):
        size = min(rng.choice((2, 2, 3, 3, 4)), len(thing.facts))
        facts = rng.sample(thing.facts, size)
        if not any(held <= frozenset(facts) for held in held_out(thing.key)):
            return play(thing, dialect, facts, rng)
    raise ValueError(f"{thing.key}: too few facts to hold some out")


def spell(text: str, dialect: Dialect) -> str:
    """The text in the dialect's spelling."""
    for word, own in dialect.spelling.items():
        text = re.sub(rf"\b{word}\b", own, text)
    return text


class _Talk:
    """One dialogue while it is made: who describes, what was said, what was guessed."""

    def __init__(self, thing: Thing, dialect: Dialect, facts: Sequence[Fact], rng: Random) -> None:
        self.thing, self.dialect, self.facts, self.rng = thing, dialect, facts, rng
        self.describer = rng.randrange(2)
        self.lines: list[str] = []
        self.guesses: list[str] = []

    def dialogue(self) -> Dialogue:
        rng, own = self.rng, self.dialect
        if rng.random() < 0.6:
            self._describe(rng.choice(own.parts["openers"]))
        for number, fact in enumerate(self.facts):
            self._describe(self._clue(fact))
            if number + 1 < len(self.facts):
                self._respond(self.facts[: number + 1])
        if rng.random() < 0.3:
            self._describe(rng.choice(own.parts["hints"]))
        word = own.parts["answers"]
        return Dialogue(
            thing=self.thing.key,
            dialect=own.key,
            facts=frozenset(self.facts),
            lines=tuple(self.lines),
            reply=f"Speaker{1 - self.describer}: {self._with_word(rng.choice(word), self.thing)}",
            win=f"Speaker{self.describer}: {rng.choice(own.parts['wins'])}",
            guesses=tuple(self.guesses),
        )

    def _describe(self, text: str) -> None:
        self.lines.append(f"Speaker{self.describer}: {capitalised(text)}")

    def _answer(self, text: str) -> None:
        self.lines.append(f"Speaker{1 - self.describer}: {text}")

    def _clue(self, fact: Fact) -> str:
        rng, own = self.rng, self.dialect
        value = spell(fact.value, own)
        template = rng.choice(own.clues[fact.relation])
        said = template.format(value=value, base=value, s=third_person(value), ing=progressive(value))
        filler = f"{rng.choice(own.parts['fillers'])} " if rng.random() < 0.45 else ""
        tag = rng.choice(own.parts["tags"]) if rng.random() < 0.35 and not said.endswith("only") else ""
        return f"{filler}{said}{tag}{'' if tag.endswith('?') else '.'}"

    def _respond(self, told: Sequence[Fact]) -> None:
        rng, own = self.rng, self.dialect
        choice = rng.random()
        if choice < 0.3:
            guess = self._wrong_guess(told)
            self.guesses.append(guess.words[own.key])
            self._answer(self._with_word(rng.choice(own.parts["guesses"]), guess))
            self._describe(self._with_word(rng.choice(own.parts["rejections"]), guess))
        elif choice < 0.45:
            kind = languages()["eng_Latn"].kinds[self.thing.kind]
            self._answer(rng.choice(own.parts["asks"]).format(kind=kind))
            self._describe(rng.choice(own.parts["confirms"]))
        elif choice < 0.8:
            self._answer(rng.choice(own.parts["acknowledgements"]))

    def _wrong_guess(self, told: Sequence[Fact]) -> Thing:
        near = neighbours(self.thing.key)
        fitting = [thing for thing in near if set(told) & set(thing.facts)]
        return self.rng.choice(fitting or near)

    def _with_word(self, template: str, thing: Thing) -> str:
        noun = with_article(thing.words[self.dialect.key], mass=thing.mass)
        return template.format(a=noun, A=capitalised(noun))
