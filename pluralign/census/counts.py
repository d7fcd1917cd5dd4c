"""Counts: facts with a number each, and how two of them become one.

A fact is a path of words, such as ("language", "sw", "tokens", "chosen"):

    ("rows", COLUMNS)                                   rows that were read, by the columns that they were read by
    ("pairs",)                                          rows with a chosen and a rejected text
    ("left out", REASON)                                rows that were not counted
    ("total" | "english", "texts" | "tokens", SIDE)     texts; those in which English words were looked for
    ("language" | "dialect" | "country" | "identity" | "category", NAME, "rows")
    (            "            , NAME, "texts", SIDE)    texts of a language, or that mention NAME
    ("language", CODE, "tokens", SIDE)
    ("identity" | "category", NAME, "only", SIDE)       pairs of which one completion mentions NAME, and which
    ("identity" | "category", NAME, TONE, SIDE)         mentions by the tone around them
    ("marker", VARIETY, MARKER)                         texts that hold a marker
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Fact = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """A sum of facts. `first`: for every reason why rows were left out, the first of them and what was wrong there."""

    numbers: Mapping[Fact, int] = field(default_factory=dict[Fact, int])
    first: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, *fact: str) -> int:
        """The number of one fact, 0 where it was never seen."""
        return self.numbers.get(fact, 0)

    def under(self, *beginning: str) -> dict[str, int]:
        """The numbers of facts that are one word longer than `beginning`, by that word."""
        size = len(beginning)
        return {
            fact[size]: number
            for fact, number in self.numbers.items()
            if len(fact) == size + 1 and fact[:size] == beginning
        }

    def names(self, kind: str) -> list[str]:
        """What was seen of a kind (languages, countries ...), the most rows first, then the most texts."""
        rows: Counter[str] = Counter()
        texts: Counter[str] = Counter()
        for fact, number in self.numbers.items():
            if fact[0] == kind:
                rows[fact[1]] += number * (fact[2:] == ("rows",))
                texts[fact[1]] += number * (fact[2] == "texts")
        return sorted(rows, key=lambda name: (-rows[name], -texts[name], name))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data, sorted, so that equal counts are equal text."""
        return {
            "numbers": [[*fact, number] for fact, number in sorted(self.numbers.items())],
            "first": dict(self.first),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Counts":
        """What `to_json` made plain."""
        return cls({tuple(fact): number for *fact, number in value["numbers"]}, value["first"])


def merge(first: Counts, second: Counts) -> Counts:
    """The counts of two stretches of data as those of both, `first` standing first."""
    return total((first, second))


def total(parts: Iterable[Counts]) -> Counts:
    """The counts of stretches of data, in their order, as those of all; no stretch counts nothing."""
    numbers: Counter[Fact] = Counter()
    first: dict[str, str] = {}
    for part in parts:
        numbers.update(part.numbers)
        first = {**part.first, **first}
    return Counts(dict(numbers), first)
