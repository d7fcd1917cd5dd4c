"""Terms for people's identities, and the tone of what is said around them.

`lexicons/identities.toml` lists terms by category, in English. The tone is that of the ten words to either side of a
term, without the term itself and other terms, so that no identity is negative by its name.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pluralign.census.lexicon import Lexicon
from pluralign.census.sentiment import Sentiment, Tone

FILE = Path(__file__).parent / "lexicons" / "identities.toml"
CONTEXT = 10
"""Words to either side of a term whose tone is heard."""


class Identities:
    """Finds the terms of all categories. `categories`: term → category, in the file's order."""

    def __init__(self) -> None:
        table: dict[str, dict[str, list[str]]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
        self.categories: Mapping[str, str] = {term: category for category, terms in table.items() for term in terms}
        spellings = {
            spelling.lower(): term for terms in table.values() for term, given in terms.items() for spelling in given
        }
        self._lexicon = Lexicon(spellings)
        self._sentiment = Sentiment()

    def find(self, lowered: Sequence[str]) -> Iterator[tuple[str, Tone]]:
        """Every mention of a term in a text, given as its words in lower case, with the tone around it."""
        matches = list(self._lexicon.find(lowered))
        if not matches:
            return
        others = list(lowered)
        for match in matches:
            others[match.start : match.stop] = [""] * (match.stop - match.start)
        for match in matches:
            yield match.label, self._sentiment.tone(others[max(0, match.start - CONTEXT) : match.stop + CONTEXT])
