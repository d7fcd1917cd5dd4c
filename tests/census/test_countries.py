"""Countries as texts write them: in full, shortened, and not where a name is a part of another's."""

from collections import defaultdict

import pytest

from pluralign.census.countries import Countries, phrases
from pluralign.census.words import words

COUNTRIES = Countries()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("the USA, the U.S. and the U.S.A.", {"USA"}),
        ("from the U.K. to the U.A.E.", {"GBR", "ARE"}),
        ("tell us; an American", set()),
        ("U.S. Virgin Islands", {"VIR"}),
        ("St. Lucia, St Helena", {"LCA", "SHN"}),
        ("Antigua & Barbuda", {"ATG"}),
        ("Cote d'Ivoire, Côte d'Ivoire", {"CIV"}),
        ("Réunion", {"REU"}),
        ("Family Reunion", set()),
        ("Northern Ireland", set()),
        ("Ireland", {"IRL"}),
        ("New Guinea", set()),
        ("Papua New Guinea", {"PNG"}),
        ("Inner Mongolia", set()),
        ("New Jersey", set()),
        ("turkey in Turkey", {"TUR"}),
    ],
)
def test_countries_of_a_text(text: str, codes: set[str]) -> None:
    assert COUNTRIES.find(words(text)) == codes


def test_the_same_words_are_one_country() -> None:
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for phrase, code in phrases().items():
        found[tuple(words(phrase))].add(code)
    assert [phrase for phrase, codes in found.items() if len(codes) > 1] == []
