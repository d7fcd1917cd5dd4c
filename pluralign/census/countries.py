"""Countries that a text names, by their English names.

Names are those of `data/countries.py`, as they are written there, capitals included: "Turkey" is a country, "turkey" is
not. People, states and products that are called like a country are taken for it, but for those in `HIDDEN`.
"""

from collections.abc import Mapping, Sequence

from pluralign.census.lexicon import Lexicon
from pluralign.data.countries import spellings

HIDDEN = (
    *("New Jersey", "Jersey City", "Jersey Shore", "New Mexico", "New England", "Atlanta Georgia"),
    *("Guinea pig", "Guinea pigs", "Guinea Pig", "Michael Jordan", "Air Jordan", "Jordan Peterson", "Jordan Peele"),
    *("North America", "South America", "Latin America", "Central America", "CAR", "AND", "ARE", "CAN", "US Open"),
)
"""What holds a country's name, or is spelt like one in capitals, and is none."""


def phrases() -> Mapping[str, str]:
    """Name → code, with "" for what is hidden."""
    return dict(spellings()) | dict.fromkeys(HIDDEN, "")


class Countries:
    """Finds the names of all countries."""

    def __init__(self) -> None:
        self._lexicon = Lexicon(phrases())

    def find(self, words: Sequence[str]) -> frozenset[str]:
        """The countries in a text, given as its words, by ISO 3166 alpha-3 code."""
        return frozenset(match.label for match in self._lexicon.find(words))
