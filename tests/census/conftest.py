"""Instruments that need no model: a language for every script."""

from collections.abc import Sequence

import pytest

from pluralign.census.gauge import Instruments
from pluralign.census.languages import Identifier
from pluralign.census.scripts import script
from pluralign.census.tokens import in_words

BY_SCRIPT = {"Latn": "en", "Cyrl": "ru", "Hani": "zh", "Deva": "hi"}


@pytest.fixture(scope="session")
def instruments() -> Instruments:
    def identify(texts: Sequence[str]) -> list[str]:
        return [BY_SCRIPT.get(script(text) or "", "und") for text in texts]

    return Instruments(Identifier(name="by script", version="1", identify=identify), in_words, 1000)
