"""Phrases that are looked for in a text, word by word."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pluralign.census.words import words


@dataclass(frozen=True, slots=True)
class Match:
    """Words `start` to `stop` (exclusive) of a text are a phrase of `label`."""

    label: str
    start: int
    stop: int


class Lexicon:
    """Finds phrases from left to right, the longest where several begin, each word in one phrase at most.

    `phrases`: phrase → label; phrases of the label "" hide what they hold ("New Jersey" is not Jersey). Words are
    compared as they are given: a caller that does not care about case gives both sides in lower case.
    """

    def __init__(self, phrases: Mapping[str, str]) -> None:
        found: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
        for phrase, label in phrases.items():
            first, *rest = words(phrase)
            found[first].append((tuple(rest), label))
        self._by_first = {first: sorted(each, key=_longest) for first, each in found.items()}

    def find(self, text: Sequence[str]) -> Iterator[Match]:
        """The matches in a text's words."""
        if self._by_first.keys().isdisjoint(text):
            return
        place = 0
        while place < len(text):
            match = self._at(text, place)
            if match is not None and match.label:
                yield match
            place = place + 1 if match is None else match.stop

    def _at(self, text: Sequence[str], place: int) -> Match | None:
        for rest, label in self._by_first.get(text[place], ()):
            stop = place + 1 + len(rest)
            if tuple(text[place + 1 : stop]) == rest:
                return Match(label, place, stop)
        return None


def _longest(entry: tuple[tuple[str, ...], str]) -> int:
    return -len(entry[0])
