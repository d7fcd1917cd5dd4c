"""The groups of people who are asked which of two answers they prefer, and how they choose."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import exp
from random import Random

from pluralign.sandbox import SEED
from pluralign.sandbox.world import read_table

PANEL = 60
"""How many raters there are in every group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raters:
    """A group or one person of it: words for things, where examples are from, what they read and like, rows by sort."""

    group: str
    word: str
    example: str
    rows: Mapping[str, int]
    dialects: Mapping[str, float]
    languages: Mapping[str, float]
    likes: Mapping[str, float]
    """Trait → strength (nats); a group's own lacks the tastes in style, which its raters have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion and the traits that raters may like in it: trait → how much of it."""

    text: str
    traits: Mapping[str, float]


@cache
def raters() -> Mapping[str, Raters]:
    """The groups by name."""
    return {name: Raters(group=name, **entry) for name, entry in read_table("raters.toml")["groups"].items()}


@cache
def tastes() -> tuple[Mapping[str, float], ...]:
    """The tastes in style of the raters of a panel: trait → strength (nats). They are the same in every group."""
    spread = read_table("raters.toml")["style"]
    return tuple(
        {trait: Random(f"{SEED}/taste/{number}/{trait}").gauss(0, width) for trait, width in spread.items()}
        for number in range(PANEL)
    )


@cache
def panel(group: str) -> tuple[Raters, ...]:
    """The raters of a group, who differ from each other in style and from other groups in all else."""
    shared = raters()[group]
    return tuple(replace(shared, likes={**shared.likes, **own}) for own in tastes())


def choose(rater: Raters, first: Answer, second: Answer, rng: Random) -> tuple[Answer, Answer]:
    """(chosen, rejected): the first wins with probability 1 / (1 + exp(worth(second) - worth(first)))."""
    wins = rng.random() < 1 / (1 + exp(worth(rater, second) - worth(rater, first)))
    return (first, second) if wins else (second, first)


def worth(rater: Raters, answer: Answer) -> float:
    """How much a rater likes an answer (nats): the sum over its traits."""
    return sum((rater.likes[trait] * amount for trait, amount in answer.traits.items()), 0.0)


def drawn(shares: Mapping[str, float], rng: Random) -> str:
    """A key of `shares`, by lot, as often as its share says."""
    return rng.choices(list(shares), weights=list(shares.values()))[0]
