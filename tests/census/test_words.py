"""Words in any script: what is between them, and where a character is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralign.census.words import words


@given(st.text(), st.text())
def test_what_stands_apart_has_the_words_of_both(first: str, second: str) -> None:
    assert words(f"{first} {second}") == words(first) + words(second)


@given(st.text())
def test_words_are_what_is_written_without_what_is_between(text: str) -> None:
    rest = iter(text)
    assert all(character in rest for word in words(text) for character in word), "in order, nothing made up"
    assert sum(map(str.isalnum, text)) == sum(map(str.isalnum, "".join(words(text)))), "no letter or digit is lost"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Chad's non-binary friends, 42!", ["Chad", "s", "non", "binary", "friends", "42"]),
        ("हिन्दी में लिखो।", ["हिन्दी", "में", "लिखो"]),
        ("我们2024年", ["我", "们", "2024", "年"]),
        ("カップを", ["カ", "ッ", "プ", "を"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("서울에서 왔어요", ["서울에서", "왔어요"]),
        ("كيف حالك؟", ["كيف", "حالك"]),
        ("cafe\u0301 🎉", ["cafe\u0301"]),
        ("", []),
    ],
)
def test_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected
