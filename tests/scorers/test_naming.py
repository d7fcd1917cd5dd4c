import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.scorers.naming import named_option

LETTERS = (" (A)", " (B)", " (C)", " (D)")
CITIES = (" York", " New York", " 北京", " القاهرة", " Los Angeles", " Paris", " Paris sur Mer")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("B", 1),
        (" b", 1),
        ("(B)", 1),
        ("**B**", 1),
        ("B. two", 1),
        ("B) two, not A) one", 1),
        ("Ｂ", 1),
        ("b\nbecause there are two", 1),
        ("I choose (b).", 1),
        ("I would say c) or d)", 2),
        ("It is B, since A is wrong", 1),
        ("Option C is right", 2),
        ("The answer is A.", 0),
        ("The answer is A", 0),
        ("A cat sat there, so D", 3),
        ("a cat sat there", None),
        ("the others did", None),
        ("D'accord", None),
        ("(in the lab)", None),
        ("答案是B", 1),
        ("答案是A。因为", 0),
        ("正解はAです", 0),
        ("정답은 D입니다", 3),
        ("คำตอบคือC", 2),
        ("उत्तर A।", 0),
        ("الإجابة A، لأن", 0),
        ("B。一", 1),
        ("Bien sûr", None),
        ("E", None),
        ("ABCD", None),
        ("", None),
    ],
)
def test_letters(text: str, place: int | None) -> None:
    assert named_option(text, LETTERS) == place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("york!", 0),
        ("It is New York.", 1),
        ("Yorkshire", None),
        ("首都是北京。", 2),
        ("هي القاهرة.", 3),
        ("los-angeles", None),
        ("Paris-sur-Mer; Paris sur Mer", 6),
        ("Paris sur Seine", 5),
        ("Los Angeles, not York", 4),
        ("York, or maybe New York", 0),
        ("none of them", None),
        ("", None),
    ],
)
def test_words(text: str, place: int | None) -> None:
    assert named_option(text, CITIES) == place


def test_digits_are_signs_as_letters_are() -> None:
    assert named_option("the answer is 3", ("1", "2", "3")) == 2
    assert named_option("13", ("1", "2", "3")) is None


words = st.lists(st.text(string.ascii_lowercase, min_size=2, max_size=6), min_size=1, max_size=5, unique=True)


@settings(deadline=None)
@given(words, st.data())
def test_an_option_names_itself_in_any_dress(options: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(options) - 1))
    word = options[place]
    for text in (word, word.upper(), f"{word}.", f"«{word}»", f"\n  {word} "):
        assert named_option(text, options) == place


@settings(deadline=None)
@given(words, st.text(string.ascii_letters + " \n", max_size=40))
def test_what_is_named_stands_in_the_text(options: list[str], text: str) -> None:
    place = named_option(text, options)
    assert place is None or options[place] in text.casefold().split()
