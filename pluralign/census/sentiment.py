"""The tone of the words around a term: a proxy for sentiment, in English only.

Words of `lexicons/sentiment.toml` count +1 or -1, the other way round after a negator among the three words before. The
sum's sign is the tone. It knows no irony, no grammar and no world; it is fit for comparing sides and terms, whose
errors are alike, and not for judging one text.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

FILE = Path(__file__).parent / "lexicons" / "sentiment.toml"
Tone = Literal["negative", "neutral", "positive"]
TONES: tuple[Tone, ...] = ("negative", "neutral", "positive")
REACH = 3
"""How many words a negator reaches."""


class Sentiment:
    """Hears the tone of words."""

    def __init__(self) -> None:
        lists: dict[str, list[str]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
        self._weights = dict.fromkeys(lists["positive"], 1) | dict.fromkeys(lists["negative"], -1)
        self._negators = frozenset(lists["negators"])

    def tone(self, lowered: Sequence[str]) -> Tone:
        """The tone of some words in lower case, of which those that are to be left aside are empty."""
        total = 0
        for place, word in enumerate(lowered):
            weight = self._weights.get(word, 0)
            if weight:
                turned = not self._negators.isdisjoint(lowered[max(0, place - REACH) : place])
                total += -weight if turned else weight
        return "positive" if total > 0 else "negative" if total < 0 else "neutral"
