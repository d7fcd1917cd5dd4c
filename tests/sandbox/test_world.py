"""The world is complete, and its English words bend as they should."""

import re
from collections import Counter
from random import Random

import pytest

from pluralign.sandbox.english import progressive, third_person, with_article
from pluralign.sandbox.game import play_freely
from pluralign.sandbox.passages import told_things
from pluralign.sandbox.raters import raters
from pluralign.sandbox.world import RELATIONS, dialects, languages, people, things


def test_there_are_about_150_things_with_enough_facts_to_hold_some_out():
    assert len(things()) >= 150
    for thing in things().values():
        assert len(thing.facts) >= 4, thing.key
        assert {fact.relation for fact in thing.facts} <= set(RELATIONS)


def test_a_dialect_calls_no_two_things_by_the_same_word():
    for dialect in dialects():
        counts = Counter(thing.words[dialect] for thing in things().values())
        assert [word for word, count in counts.items() if count > 1] == []


def test_every_kind_has_a_thing_and_five_others_to_confuse_it_with():
    counts = Counter(thing.kind for thing in things().values())
    assert min(counts.values()) >= 6


def test_each_dialect_has_words_of_its_own():
    for dialect in ("en_in", "en_ng"):
        own = [thing for thing in things().values() if thing.words[dialect] != thing.words["en_us"]]
        assert len(own) >= 40


def test_names_are_told_in_all_languages_or_in_none():
    tags = {language.tag for language in languages().values()}
    assert len(tags) >= 6
    for thing in things().values():
        assert set(thing.names) in (set(), tags), thing.key
    for tag in tags:
        names = [things()[key].names[tag] for key in told_things()]
        assert len(set(names)) == len(names)


def test_languages_say_the_same_things():
    english = languages()["eng_Latn"]
    told = {things()[key].kind for key in told_things()}
    for language in languages().values():
        assert language.sentences.keys() == english.sentences.keys()
        assert language.questions.keys() == english.questions.keys()
        assert language.places.keys() == english.places.keys()
        assert told <= language.kinds.keys()
        for texts in (language.kinds, language.places):
            assert len(set(texts.values())) == len(texts)


def test_hindi_is_written_in_devanagari():
    hindi = languages()["hin_Deva"]
    texts = [*hindi.kinds.values(), *hindi.places.values(), *(person["hi"] for person in people().values())]
    texts += [things()[key].names["hi"] for key in told_things()]
    for text in texts:
        assert re.fullmatch(r"[\u0900-\u097f ]+", text), text


@pytest.mark.parametrize("dialect", ["en_in", "en_ng", "en_us"])
def test_features_are_heard_in_their_dialect_and_in_no_other(dialect):
    rng = Random(dialect)
    heard = {}
    for key, spoken in dialects().items():
        games = [play_freely(thing, spoken, rng) for thing in things().values()]
        heard[key] = "\n".join(f"{game.transcript}\n{game.reply}\n{game.win}\n" for game in games)
    for feature in dialects()[dialect].features:
        assert feature.source
        for marker in feature.markers:
            found = {key: bool(re.search(marker, text)) for key, text in heard.items()}
            assert found == {key: key == dialect for key in heard}, marker


def test_likings_name_the_same_traits_for_all_groups_and_most_raters_are_from_one_country():
    groups = raters()
    assert len({frozenset(group.likes) for group in groups.values()}) == 1
    counts = {name: sum(group.rows.values()) for name, group in groups.items()}
    assert counts["united_states"] > counts["india"] > counts["nigeria"]
    assert 2000 <= sum(counts.values()) <= 3000
    for group in groups.values():
        assert sum(group.dialects.values()) == pytest.approx(1)
        assert sum(group.languages.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("phrase", "person", "ing"),
    [
        ("carry people", "carries people", "carrying people"),
        ("run fast", "runs fast", "running fast"),
        ("catch flies", "catches flies", "catching flies"),
        ("make honey", "makes honey", "making honey"),
        ("tie things", "ties things", "tying things"),
        ("see very far", "sees very far", "seeing very far"),
        ("open and close", "opens and closes", "opening and closing"),
        ("play songs", "plays songs", "playing songs"),
        ("fly", "flies", "flying"),
    ],
)
def test_verbs_bend(phrase, person, ing):
    assert third_person(phrase) == person
    assert progressive(phrase) == ing


def test_articles_fit_their_nouns():
    assert with_article("owl", mass=False) == "an owl"
    assert with_article("dress", mass=False) == "a dress"
    assert with_article("bus", mass=False) == "a bus"
    assert with_article("slippers", mass=False) == "slippers"
    assert with_article("rice", mass=True) == "rice"
