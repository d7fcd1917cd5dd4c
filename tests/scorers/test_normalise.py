import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.scorers.normalise import script_aware, squad
from pluralign.scorers.overlap import f1

LANGUAGES = ("ar", "bn", "en", "fi", "id", "ko", "ru", "sw", "te", "th", "zh", "ja", "und")
DIGITS = "٠۰०০੦૦୦௦౦೦൦๐໐༠၀០０"
"""The digit zero in seventeen scripts, each followed by its own 1 to 9."""
words = st.text(st.characters(categories=["Ll", "Lo", "Nd", "Mn"]), min_size=1, max_size=8)
sentences = st.lists(words, max_size=6).map(" ".join)


def test_squad_follows_its_three_rules() -> None:
    assert squad("The  Eiffel-Tower, in\tParis (a city)!") == ("eiffeltower", "in", "paris", "city")


def test_articles_beside_punctuation_that_is_not_ascii_are_dropped_as_well() -> None:
    assert squad("\u201cThe Nile\u201d\u2014the river") == ("\u201c", "nile\u201d\u2014", "river")
    assert squad("Athens an\u00e1lisis") == ("athens", "an\u00e1lisis"), "letters of a word are no article"


@settings(deadline=None)
@given(st.text(max_size=60))
def test_squad_changes_nothing_the_second_time(text: str) -> None:
    assert squad(" ".join(squad(text))) == squad(text)


@settings(deadline=None)
@given(sentences, st.sampled_from(string.punctuation))
def test_ascii_punctuation_never_counts(text: str, mark: str) -> None:
    assert squad(f"{mark}{text}{mark}") == squad(text)
    assert script_aware(f"{mark}{text}{mark}", "en") == script_aware(text, "en")


@settings(deadline=None)
@given(sentences, st.sampled_from("،؟؛।॥。、！？「」《》·„“”«»…—¿¡๏។"), st.sampled_from(LANGUAGES))
def test_punctuation_of_every_script_never_counts(text: str, mark: str, language: str) -> None:
    assert script_aware(f"{mark} {text} {mark}", language) == script_aware(text, language)


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from(LANGUAGES))
def test_composed_and_decomposed_text_is_the_same(text: str, language: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert script_aware(composed, language) == script_aware(decomposed, language)


@settings(deadline=None)
@given(sentences, st.sampled_from(LANGUAGES))
def test_white_space_between_words_does_not_count(text: str, language: str) -> None:
    assert script_aware(f"\n {text.replace(' ', '   ')}\t", language) == script_aware(text, language)


@pytest.mark.parametrize(
    ("left", "right", "language"),
    [
        ("STRASSE", "straße", "de"),
        ("１９１４", "1914", "ja"),
        ("القاهرة", "قاهرة", "ar"),
        ("الهند؟", "هند", "ar"),
        ("১৯৭১।", "১৯৭১", "bn"),
        ("ﾄｳｷｮｳ", "トウキョウ", "ja"),
        ("the Nile", "Nile", "en"),
        ("the Nile", "Nile", "en-IN"),
        ("서울 시", "서울시", "ko"),
        ("ሰላም፡ልጅ", "ሰላም ልጅ", "am"),
        ("\u200fالنيل\u200f", "النيل", "ar"),
        ("كِتَابٌ", "كتاب", "ar"),
        ("كتـــاب", "كتاب", "ar"),
        ("رحمٰن", "رحمن", "ar"),
        ("১৯৭১", "1971", "bn"),
        ("౧౯౪౭ సంవత్సరం", "1947 సంవత్సరం", "te"),
        ("٢٠٬٠٠٠", "20000", "ar"),
        ("๒๕๖๗", "2567", "th"),
        ("राम॥", "राम", "hi"),
    ],
)
def test_what_a_script_takes_for_the_same(left: str, right: str, language: str) -> None:
    assert script_aware(left, language) == script_aware(right, language) != ()


def test_articles_are_dropped_only_where_the_language_has_them() -> None:
    assert script_aware("an", "vi") == ("an",)
    assert script_aware("القاهرة", "fa") == ("القاهرة",)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("東京都", ("東", "京", "都")),
        ("서울은", ("서", "울", "은")),
        ("東京 Tower2024年", ("東", "京", "tower2024", "年")),
        ("ที่นี่", ("ที่", "นี่")),
        ("తెలుగు భాష", ("తెలుగు", "భాష")),
        ("হিন্দি ভাষা", ("হিন্দি", "ভাষা")),
        ("Helsingin yliopisto", ("helsingin", "yliopisto")),
    ],
)
def test_scripts_without_spaces_are_cut_by_character_with_their_marks(text: str, tokens: tuple[str, ...]) -> None:
    assert script_aware(text, "und") == tokens


@settings(deadline=None)
@given(st.text(st.sampled_from("東京都서울に เมืองไทยabc1 "), max_size=30))
def test_cutting_by_character_loses_nothing(text: str) -> None:
    assert "".join(script_aware(text, "und")) == "".join(unicodedata.normalize("NFKC", text).split())


def test_a_korean_particle_costs_a_word_by_squad_and_a_syllable_by_script() -> None:
    assert f1(squad("서울에서"), squad("서울")) == 0
    assert f1(script_aware("서울에서", "ko"), script_aware("서울", "ko")) == pytest.approx(2 / 3)


@settings(deadline=None)
@given(sentences, st.sampled_from(DIGITS), st.sampled_from(LANGUAGES))
def test_digits_of_every_script_are_the_same(text: str, zero: str, language: str) -> None:
    other = "".join(chr(ord(zero) + int(digit)) if digit in "0123456789" else digit for digit in f"{text} 1907")
    assert script_aware(other, language) == script_aware(f"{text} 1907", language)


@settings(deadline=None)
@given(st.lists(st.text("ابتثجحدرسكلمن", min_size=1, max_size=6), max_size=5), st.text("ـًٌٍَُِّْ", max_size=3))
def test_vowel_signs_and_the_lengthening_stroke_never_count(words: list[str], signs: str) -> None:
    plain = " ".join(words)
    written = "".join(letter + (signs if letter != " " else "") for letter in plain)
    assert script_aware(written, "ar") == script_aware(plain, "ar")


def test_what_changes_a_word_counts() -> None:
    assert script_aware("أب", "ar") != script_aware("اب", "ar"), "the hamza is a letter's own"
    assert script_aware("والكتاب", "ar") != script_aware("كتاب", "ar"), "an article behind an attached word stays"
    assert f1(script_aware("Helsingissä", "fi"), script_aware("Helsinki", "fi")) == 0, "a case is another word"
    assert script_aware("हिंदी", "hi") != script_aware("हद", "hi"), "Indic vowel signs are not optional"
