"""What a census looks for, and how: settings that can be sent to another process, and the instruments made of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pluralign.census.countries import Countries
from pluralign.census.dialects import Dialects, Marker
from pluralign.census.identities import Identities
from pluralign.census.languages import DEFAULT, NOT_FOREIGN, Identifier, languages, load_identifier
from pluralign.census.sentiment import Tone
from pluralign.census.texts import Columns
from pluralign.census.tokens import Lengths, in_words, tokenizer_lengths
from pluralign.census.words import words

CHARACTERS = 1000
"""How much of a text its language is told by, unless said: its beginning, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """The settings of a census.

    `source`: the plug-in of `sources/` that reads the rows; without it `columns` tell which of TRL's formats they have.
    `identify`: what tells languages apart, by the first `characters` of a text. `tokenizer`: a `tokenizer.json`;
    without one, tokens are words. `beside`: the folder that the user's own files are looked for in.
    """

    columns: Columns = field(default_factory=Columns)
    source: str | None = None
    identify: str = DEFAULT
    characters: int = CHARACTERS
    tokenizer: Path | None = None
    beside: Path = Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is seen in one text. `mentions`: term and tone → how often."""

    language: str
    tokens: int
    countries: frozenset[str]
    markers: frozenset[Marker]
    mentions: Mapping[tuple[str, Tone], int]

    @property
    def english(self) -> bool:
        """Whether English markers and terms were looked for."""
        return self.language.split("-", 1)[0] in NOT_FOREIGN


class Instruments:
    """All that looks at texts, loaded."""

    def __init__(self, identifier: Identifier, lengths: Lengths, characters: int) -> None:
        self._identifier, self._lengths, self._characters = identifier, lengths, characters
        self._countries, self._dialects, self._identities = Countries(), Dialects(), Identities()

    @property
    def categories(self) -> Mapping[str, str]:
        """Term → category of identity terms."""
        return self._identities.categories

    def look(self, texts: Sequence[str]) -> list[Sight]:
        """What is seen in every text. Raises: RunError where a user's function for languages fails."""
        codes = languages(texts, self._identifier, self._characters)
        return [self._sight(*each) for each in zip(texts, codes, self._lengths(texts), strict=True)]

    def _sight(self, text: str, language: str, tokens: int) -> Sight:
        found = words(text)
        sight = Sight(
            language=language, tokens=tokens, countries=self._countries.find(found), markers=frozenset(), mentions={}
        )
        if not sight.english:
            return sight
        lowered = [word.lower() for word in found]
        return Sight(
            language=language,
            tokens=tokens,
            countries=sight.countries,
            markers=self._dialects.find(lowered),
            mentions=Counter(self._identities.find(lowered)),
        )


@lru_cache(maxsize=1)
def instruments(gauge: Gauge) -> Instruments:
    """The instruments of some settings, made once in a process.

    Raises: InputError where what tells languages apart, or the tokenizer, cannot be had.
    """
    lengths = in_words if gauge.tokenizer is None else tokenizer_lengths(gauge.tokenizer)
    return Instruments(load_identifier(gauge.identify, gauge.beside), lengths, gauge.characters)
