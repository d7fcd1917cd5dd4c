"""Count rows: the facts of each, added up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from pluralign.census.counts import Counts, Fact
from pluralign.census.gauge import Instruments, Sight
from pluralign.census.texts import Text

BATCH = 1000
"""Rows that are looked at together; a text that several of them hold is looked at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What counts as a row: its texts and the columns that they were read from, or why it is left out.

    `where`: the row's place and what is wrong there.
    """

    texts: tuple[Text, ...] = ()
    columns: str = ""
    left_out: str = ""
    where: str = ""


def count(units: Iterable[Unit], instruments: Instruments) -> Counts:
    """The counts of some rows. Raises: RunError where a user's function for languages fails."""
    numbers: Counter[Fact] = Counter()
    first: dict[str, str] = {}
    waiting = iter(units)
    while batch := list(islice(waiting, BATCH)):
        contents = list(dict.fromkeys(text.content for unit in batch for text in unit.texts))
        sights = dict(zip(contents, instruments.look(contents), strict=True))
        for unit in batch:
            if unit.left_out:
                numbers["left out", unit.left_out] += 1
                first.setdefault(unit.left_out, unit.where)
                continue
            numbers["rows", unit.columns] += 1
            for fact, number in _facts(unit.texts, sights, instruments):
                numbers[fact] += number
    return Counts(dict(numbers), first)


def _facts(texts: Sequence[Text], sights: Mapping[str, Sight], instruments: Instruments) -> Iterator[tuple[Fact, int]]:
    """The facts of one row: those of its texts, and each thing that is seen in any of them once."""
    named: dict[Fact, set[str]] = {}
    spoken: Counter[str] = Counter()
    for text in texts:
        sight = sights[text.content]
        yield from _lengths(text.side, sight)
        spoken[sight.language] += sight.tokens
        seen = _seen(sight, instruments)
        for fact in seen:
            yield (*fact, "texts", text.side), 1
            named.setdefault(fact, set()).add(text.side)
        yield from (((("marker", *marker)), 1) for marker in sight.markers)
        yield from _tones(text.side, sight, instruments)
    if spoken:
        yield ("language", max(spoken, key=lambda code: spoken[code]), "rows"), 1
    compared = {"chosen", "rejected"} <= {text.side for text in texts}
    if compared:
        yield ("pairs",), 1
    for fact, sides in named.items():
        yield (*fact, "rows"), 1
        only = sides - {"prompt"}
        if compared and fact[0] in ("identity", "category") and len(only) == 1:
            yield (*fact, "only", *only), 1


def _lengths(side: str, sight: Sight) -> Iterator[tuple[Fact, int]]:
    kinds: list[Fact] = [("total",), ("language", sight.language)]
    for kind in [*kinds, ("english",)] if sight.english else kinds:
        yield (*kind, "texts", side), 1
        yield (*kind, "tokens", side), sight.tokens


def _seen(sight: Sight, instruments: Instruments) -> list[Fact]:
    """What a text mentions, each thing once."""
    terms = dict.fromkeys(term for term, _ in sight.mentions)
    return [
        *(("country", code) for code in sight.countries),
        *(("dialect", variety) for variety in {variety for variety, _ in sight.markers}),
        *(("identity", term) for term in terms),
        *(("category", category) for category in {instruments.categories[term] for term in terms}),
    ]


def _tones(side: str, sight: Sight, instruments: Instruments) -> Iterator[tuple[Fact, int]]:
    for (term, tone), number in sight.mentions.items():
        yield ("identity", term, tone, side), number
        yield ("category", instruments.categories[term], tone, side), number
