"""The groups of people who are asked which of two answers they prefer, and how they choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import exp
from random import Random

from pluralign.sandbox.world import read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Raters:
    """A group: its words for things, where its examples are from, what it reads and likes, how often it is asked."""

    group: str
    word: str
    example: str
    rows: Mapping[str, int]
    dialects: Mapping[str, float]
    languages: Mapping[str, float]
    likes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion and the traits that raters may like in it: trait → how much of it."""

    text: str
    traits: Mapping[str, float]


@cache
def raters() -> Mapping[str, Raters]:
    """The groups by name."""
    return {name: Raters(group=name, **entry) for name, entry in read_table("raters.toml").items()}


def choose(group: Raters, first: Answer, second: Answer, rng: Random) -> tuple[Answer, Answer]:
    """(chosen, rejected): the first wins with probability 1 / (1 + exp(worth(second) - worth(first)))."""
    wins = rng.random() < 1 / (1 + exp(worth(group, second) - worth(group, first)))
    return (first, second) if wins else (second, first)


def worth(group: Raters, answer: Answer) -> float:
    """How much the group likes an answer (nats): the sum over its traits."""
    return sum((group.likes[trait] * amount for trait, amount in answer.traits.items()), 0.0)


def drawn(shares: Mapping[str, float], rng: Random) -> str:
    """A key of `shares`, by lot, as often as its share says."""
    return rng.choices(list(shares), weights=list(shares.values()))[0]
