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

VERBAL = ("does", "use", "take", "go")


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
        assert {"brief", "courteous", "own_example"}.isdisjoint(group.likes)
        assert sum(group.dialects.values()) == pytest.approx(1)
        assert sum(group.languages.values()) == pytest.approx(1)


@pytest.mark.parametrize("dialect", ["en_in", "en_ng"])
def test_marked_features_are_occasional(dialect):
    rng = Random(dialect)
    spoken = dialects()[dialect]
    games = [play_freely(thing, spoken, rng) for thing in things().values()]
    lines = [f"{line}\n" for game in games for line in game.lines]
    markers = [marker for feature in spoken.features for marker in feature.markers]
    marked = sum(any(re.search(marker, line) for marker in markers) for line in lines)
    assert 0.05 < marked / len(lines) < 0.3


def test_no_line_talks_down_to_its_hearers():
    for dialect in dialects().values():
        for line in (line for lines in (*dialect.parts.values(), *dialect.clues.values()) for line in lines):
            assert "you people" not in line.lower()


def test_no_fact_ties_a_thing_to_a_sex_or_an_age():
    kin = {"girls", "boys", "women", "men", "mothers", "fathers", "grandmothers", "grandfathers", "young people"}
    assert {
        fact.value for thing in things().values() for fact in thing.facts if fact.relation == "people"
    } & kin == set()


APART = (
    ("sari", "shawl"),
    ("sari", "wrapper"),
    ("vada", "donut"),
    ("puff-puff", "donut"),
    ("cricket bat", "baseball bat"),
    ("table tennis bat", "cricket bat"),
    ("harmonium", "piano"),
    ("keyboard", "piano"),
    ("sickle", "machete"),
    ("whot card", "card"),
    ("garden egg", "eggplant"),
    ("alligator", "crocodile"),
    ("okada", "motorcycle"),
    ("danfo", "bus"),
    ("dhaba", "buka"),
    ("dhaba", "restaurant"),
    ("canoe", "boat"),
)
"""Words for different things."""

BRANDS = {"maggi", "indomie", "bisleri", "pure water", "ramen"}


def test_no_two_words_of_a_thing_name_different_things():
    for thing in things().values():
        said = set(thing.words.values())
        assert [pair for pair in APART if said >= set(pair)] == [], thing.key
        assert not said & BRANDS, thing.key


def test_a_proper_adjective_keeps_its_capital():
    assert things()["food.potato"].words["en_ng"] == "Irish potato"


def test_what_can_be_counted_takes_an_article():
    candy = things()["food.candy"]
    assert with_article(candy.words["en_ng"], mass=candy.mass) == "a sweet"


@pytest.mark.parametrize(
    ("key", "tag", "name"),
    [
        ("garment.purse", "id", "tas tangan"),
        ("food.coconut", "sw", "nazi"),
        ("play.flute", "sw", "filimbi"),
        ("food.bread", "hi", "ब्रेड"),
        ("play.playing_card", "hi", "ताश का पत्ता"),
        ("garment.sneaker", "hi", "स्नीकर"),
        ("garment.skirt", "hi", "स्कर्ट"),
        ("animal.chicken", "es", "la gallina"),
    ],
)
def test_names_mean_the_same_thing(key, tag, name):
    assert things()[key].names[tag] == name


def test_a_hospital_is_no_clinic():
    assert languages()["ind_Latn"].places["hospital"] == "di rumah sakit"


def test_every_told_thing_has_the_swahili_verb_of_place_that_its_noun_takes():
    for key in told_things():
        assert things()[key].agreed["sw"] in {"yuko", "uko", "liko", "yako", "kiko", "iko"}, key
    for key, thing in things().items():
        if thing.kind == "animal":
            assert thing.agreed["sw"] == "yuko", key
    agreed = {things()[key].names["sw"]: things()[key].agreed["sw"] for key in told_things()}
    expected = {"kamba": "iko", "kisu": "kiko", "gari": "liko", "mkate": "uko", "maziwa": "yako"}
    assert {noun: agreed[noun] for noun in expected} == expected


def test_verbs_of_one_syllable_double_their_last_consonant():
    phrases = [fact.value for thing in things().values() for fact in thing.facts if fact.relation in VERBAL]
    verbs = {phrase.split()[0] for phrase in phrases}
    short = {verb for verb in verbs if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", verb)}
    assert {"dip", "stir", "run", "swim"} <= short
    assert {verb: progressive(verb) for verb in short} == {verb: f"{verb}{verb[-1]}ing" for verb in short}


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
