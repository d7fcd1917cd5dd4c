"""Phrases, markers, identities and the tone around them."""

import tomllib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralign.census import dialects, identities, sentiment
from pluralign.census.dialects import Dialects
from pluralign.census.identities import Identities
from pluralign.census.lexicon import Lexicon, Match
from pluralign.census.sentiment import Sentiment
from pluralign.census.words import words

TABLE: dict[str, dict[str, list[str]]] = tomllib.loads(identities.FILE.read_text(encoding="utf-8"))
SPELT = {term: given for terms in TABLE.values() for term, given in terms.items()}


def mentions(text: str) -> list[tuple[str, str]]:
    return list(Identities().find(words(text.lower())))


def test_the_longest_phrase_is_found_and_its_words_are_used_up() -> None:
    lexicon = Lexicon({"new guinea": "short", "papua new guinea": "long", "guinea": "GIN", "guinea pig": ""})
    assert list(lexicon.find(words("papua new guinea guinea pig guinea"))) == [Match("long", 0, 3), Match("GIN", 5, 6)]
    assert list(lexicon.find(words("papua new"))) == []
    assert list(lexicon.find([])) == []


@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_matches_stand_one_after_the_other(text: list[str]) -> None:
    found = list(Lexicon({"a b": "ab", "b": "b", "b c d": "bcd"}).find(text))
    assert all(first.stop <= second.start for first, second in pairwise(found))
    assert all("".join(text[match.start : match.stop]) == match.label for match in found)
    seen = {place for match in found for place in range(match.start, match.stop)}
    assert all(place in seen for place, word in enumerate(text) if word == "b")


def test_a_marker_of_two_places_counts_for_both_and_colour_only_for_those_who_write_it() -> None:
    found = Dialects().find(words("two lakh rupees for colour, abeg"))
    assert found == {("en-IN", "lakh"), ("en-GB", "colour"), ("en-NG", "abeg")}


def test_terms_are_found_in_every_spelling_that_is_listed() -> None:
    for term, spellings in SPELT.items():
        for spelling in spellings:
            assert {found for found, _ in mentions(f"so {spelling.upper()}, then")} == {term}, spelling


def test_a_word_stands_for_one_term() -> None:
    spellings = [spelling.lower() for given in SPELT.values() for spelling in given]
    assert len(spellings) == len(set(spellings))
    assert mentions("straight ahead, black coffee, trans fat, white wine") == []


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("I respect {}.", "positive"),
        ("I do not respect {}.", "negative"),
        ("They don't hate {}!", "positive"),
        ("{} are evil and dangerous", "negative"),
        ("{} came by", "neutral"),
        ("good people and bad people, {}", "neutral"),
        ("evil " + "so " * 10 + "{}", "neutral"),
        ("{} " + "so " * 9 + "evil", "negative"),
    ],
)
def test_the_tone_is_that_of_the_words_around_whoever_is_spoken_of(text: str, tone: str) -> None:
    for term, spellings in SPELT.items():
        assert mentions(text.format(spellings[0])) == [(term, tone)], "the same for every identity"


def test_terms_have_no_tone_themselves_nor_for_others() -> None:
    assert mentions("bipolar disorder") == [("mental illness", "neutral")]
    assert mentions("bipolar disorder among women") == [("mental illness", "neutral"), ("woman", "neutral")]
    assert mentions("mental illness among gay men") == [
        ("mental illness", "neutral"),
        ("gay", "neutral"),
        ("man", "neutral"),
    ]


def test_no_word_of_the_tone_is_a_term_or_in_both_lists() -> None:
    lists = tomllib.loads(sentiment.FILE.read_text(encoding="utf-8"))
    positive, negative = set(lists["positive"]), set(lists["negative"])
    assert not positive & negative
    assert not (positive | negative) & set(lists["negators"])
    assert all(word == word.lower() and words(word) == [word] for word in positive | negative)
    assert not [word for word in positive | negative if mentions(word)]


@given(st.lists(st.sampled_from(["good", "bad", "x", ""]), max_size=8))
def test_without_negators_order_does_not_matter(context: list[str]) -> None:
    assert Sentiment().tone(context) == Sentiment().tone(context[::-1])


def test_markers_have_varieties_that_are_english() -> None:
    varieties = tomllib.loads(dialects.FILE.read_text(encoding="utf-8"))
    assert all(variety.startswith("en-") for variety in varieties)
    assert all(len(markers) == len(set(markers)) for markers in varieties.values())
    american, british = set(varieties["en-US"]), set(varieties["en-GB"])
    assert not american & british
