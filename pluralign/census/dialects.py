"""Markers of English from several places: signs of a dialect, not its identification.

`lexicons/dialects.toml` lists them by variety (a BCP-47 tag). Most texts of a place hold none, and quotations hold
those of others: shares compare data sets and sides, they do not say how many texts are in a dialect.
"""

import tomllib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pluralign.census.lexicon import Lexicon

FILE = Path(__file__).parent / "lexicons" / "dialects.toml"
Marker = tuple[str, str]
"""A variety, and one of its markers."""


class Dialects:
    """Finds the markers of all varieties."""

    def __init__(self) -> None:
        varieties: dict[str, list[str]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
        self._of: dict[str, list[str]] = defaultdict(list)
        for variety, markers in varieties.items():
            for marker in markers:
                self._of[marker.lower()].append(variety)
        self._lexicon = Lexicon({marker: marker for marker in self._of})

    def find(self, lowered: Sequence[str]) -> frozenset[Marker]:
        """The markers in a text, given as its words in lower case."""
        return frozenset(
            (variety, match.label) for match in self._lexicon.find(lowered) for variety in self._of[match.label]
        )
