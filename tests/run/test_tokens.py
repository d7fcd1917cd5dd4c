"""Tokens are counted as the engine encodes them: a prompt once for all its completions, none where it is too long."""

import pytest

from pluralign.records.item import Choose, Item, Score, Write
from pluralign.run.forecast import Tokens
from pluralign.run.tokens import count_tokens
from pluralign.subjects.local import LocalSubject
from pluralign.subjects.recorded import RecordedSubject


@pytest.fixture(scope="module")
def subject(tiny, tmp_path_factory):
    return LocalSubject.load("base", tiny.save_model(tmp_path_factory.mktemp("llama"), "llama", bos=True), device="cpu")


def item(*asks):
    return Item(id="a", asks=asks, slices={}, cluster="a")


def test_a_prompt_counts_once_and_its_completions_each(subject):
    compared = item(Choose(prompt="xyz", options=("k", "lm")), Score(prompt="xy", completions=("klm",)))
    assert count_tokens(subject, [compared]) == {False: Tokens((1 + 3 + 1 + 2) + (1 + 2 + 3)), True: Tokens()}


def test_writing_counts_the_prompt_and_the_most_that_is_written(subject):
    assert count_tokens(subject, [item(Write(prompt="xyz", max_tokens=7))] * 2)[True] == Tokens(8, 14)


def test_what_is_too_long_for_the_model_costs_nothing(subject):
    long = item(Choose(prompt="x" * 300, options=("k",)), Write(prompt="x" * 155, max_tokens=7))
    assert count_tokens(subject, [long]) == {False: Tokens(), True: Tokens()}


def test_a_recorded_stage_has_no_tokens():
    with pytest.raises(TypeError, match="no model"):
        count_tokens(RecordedSubject(name="old", replies=lambda _: ()), [])
