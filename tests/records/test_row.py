import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.errors import InputError
from pluralign.records.row import require, text, texts


def test_a_missing_column_is_named_with_its_row_and_what_is_needed() -> None:
    with pytest.raises(
        InputError, match=r'row 7: no column "answer"; columns needed: question, answer; .*: question, ans'
    ):
        require({"question": "?", "ans": "!"}, 7, ("question", "answer"))


@pytest.mark.parametrize("value", ["", None, 1.5, True, float("nan"), ["a"]])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(InputError, match='row 3: column "question"'):
        text({"question": value}, "question", 3)


def test_whole_numbers_are_text_and_empty_text_only_where_allowed() -> None:
    assert text({"n": 12}, "n", 1) == "12"
    assert text({"n": ""}, "n", 1, may_be_empty=True) == ""


@settings(deadline=None)
@given(st.lists(st.text(min_size=1)))
def test_a_list_and_its_spelling_are_the_same(words: list[str]) -> None:
    assert texts({"words": words}, "words", 1) == texts({"words": repr(words)}, "words", 1) == tuple(words)


@pytest.mark.parametrize("value", ["['torn", "pen", "{'a': 1}", "__import__('os')", ["pen", ""], ["pen", 3], None, 4])
def test_what_is_no_list_of_texts_is_refused(value: object) -> None:
    with pytest.raises(InputError, match='row 2: column "words"'):
        texts({"words": value}, "words", 2)
