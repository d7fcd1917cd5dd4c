"""Countries that a text names, by their English names.

Names are those of `data/countries.py`, as they are written there, capitals included ("Turkey" is a country, "turkey" is
not), and as people shorten them: "U.S.", "St. Lucia", "Antigua & Barbuda", "Cote d'Ivoire". People, states and products
that are called like a country are taken for it, but for those in `HIDDEN`.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from pluralign.census.lexicon import Lexicon
from pluralign.data.countries import spellings

HIDDEN = (
    *("New Jersey", "Jersey City", "Jersey Shore", "New Mexico", "New England", "Atlanta Georgia"),
    *("Guinea pig", "Guinea pigs", "Guinea Pig", "Michael Jordan", "Air Jordan", "Jordan Peterson", "Jordan Peele"),
    *("North America", "South America", "Latin America", "Central America", "CAR", "AND", "ARE", "CAN", "US Open"),
    *("Northern Ireland", "Northern Cyprus", "New Guinea", "Inner Mongolia", "Reunion"),
)
"""What holds a country's name, or is spelt like one, and is none or another's part."""
SHORT = {"USA": "USA", "U.S.": "USA", "U.S.A.": "USA", "U.S. Virgin Islands": "VIR", "U.K.": "GBR", "U.A.E.": "ARE"}
"""Names in capitals that `data/countries.py` knows by its rules for full stops and by their codes."""


def phrases() -> Mapping[str, str]:
    """Name → code, with "" for what is hidden."""
    written = {form: code for name, code in spellings().items() for form in _forms(name)}
    return written | SHORT | dict.fromkeys(HIDDEN, "")


def _forms(name: str) -> Iterator[str]:
    """A name as it stands and without accents, also with "St." and "&", which parts words as a space does."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    for form in (name, bare):
        for saint in (form, form.replace("Saint ", "St. ")):
            yield from (saint, saint.replace(" and ", " & "))


class Countries:
    """Finds the names of all countries."""

    def __init__(self) -> None:
        self._lexicon = Lexicon(phrases())

    def find(self, words: Sequence[str]) -> frozenset[str]:
        """The countries in a text, given as its words, by ISO 3166 alpha-3 code."""
        return frozenset(match.label for match in self._lexicon.find(words))
