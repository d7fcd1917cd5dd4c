"""Demonstrations and prompts alone: nothing is rejected, and a conversation is one prompt at every depth."""

from typing import Any

import pytest

from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Message, Preference
from pluralign.sources import demonstrations, prompts

ASKED = {"role": "user", "content": "Why?"}
SAID = {"role": "assistant", "content": "So."}
TALK = [ASKED, SAID, {"role": "user", "content": "Really?"}, {"role": "assistant", "content": "Yes."}]


def load(row: dict[str, Any], **options: Any) -> list[Preference | LeftOut]:
    return list(demonstrations.load([row], demonstrations.Options(**options), "x"))


def shown(row: dict[str, Any], **options: Any) -> list[tuple[object, str]]:
    found = load(row, **options)
    assert all(isinstance(each, Preference) and each.rejected == "" for each in found)
    return [(each.prompt, each.chosen) for each in found if isinstance(each, Preference)]


def test_every_format_is_read() -> None:
    asked = (Message(role="user", content="Why?"),)
    assert shown({"prompt": "Why?", "completion": " So."}) == [("Why?", " So.")]
    assert shown({"prompt": [ASKED], "completion": [SAID]}) == [(asked, "So.")]
    assert shown({"messages": [ASKED, SAID]}) == [(asked, "So.")]
    assert shown({"text": "Once upon a time."}) == [("", "Once upon a time.")]


def test_every_turn_of_the_assistant_or_the_last_is_learnt_as_one_prompt() -> None:
    every = load({"messages": TALK})
    assert [each.chosen for each in every if isinstance(each, Preference)] == ["So.", "Yes."]
    assert {each.prompt_id for each in every if isinstance(each, Preference)} == {"Why?"}
    ((prompt, completion),) = shown({"messages": TALK}, turns="last")
    assert isinstance(prompt, tuple)
    assert (len(prompt), completion) == (3, "Yes.")


def test_texts_are_prompts_of_their_own() -> None:
    one, other = (load({"text": text})[0] for text in ("Once.", "Twice."))
    assert isinstance(one, Preference)
    assert isinstance(other, Preference)
    assert one.prompt_id != other.prompt_id


def test_whose_they_are_is_a_column_or_a_name() -> None:
    row = {"text": "Once.", "who": "us", "language": "en", "prompt_id": 3}
    (column,) = load(row, group="who")
    (name,) = load(row, group_name="wiki")
    assert isinstance(column, Preference)
    assert isinstance(name, Preference)
    assert (column.group, name.group, column.language, column.prompt_id) == ("us", "wiki", "en", "3")


def test_what_shows_nothing_is_left_out() -> None:
    assert load({"messages": [ASKED]}) == [LeftOut(why="no turn of the assistant")]
    assert load({"prompt": "Why?", "completion": " "}) == [LeftOut(why="an empty completion")]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "Why?"}, 'needs the columns "messages", "prompt" and "completion", or "text"'),
        ({"messages": [SAID]}, 'column "messages" begins with a turn of the assistant'),
        ({"prompt": [ASKED], "completion": TALK}, 'column "completion" must be one turn of the assistant'),
        ({"text": None}, 'column "text" is None'),
    ],
)
def test_what_does_not_fit_is_named(row: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=f"^row 1: .*{expected}"):
        load(row)


def test_prompts_alone_have_no_completions() -> None:
    rows = [{"prompt": "Why?", "who": "us"}, {"prompt": [ASKED], "who": "in"}]
    found = list(prompts.load(rows, prompts.Options(group="who"), "x"))
    assert [(each.chosen, each.rejected, each.group, each.prompt_id) for each in found] == [
        ("", "", "us", "Why?"),
        ("", "", "in", "Why?"),
    ]
    with pytest.raises(InputError, match='row 1: no column "who"'):
        list(prompts.load([{"prompt": "Why?"}], prompts.Options(group="who"), "x"))


@pytest.mark.parametrize("blank", [" \n", [{"role": "user", "content": " "}]])
def test_a_blank_prompt_is_left_out(blank: object) -> None:
    rows = [{"prompt": blank}, {"prompt": blank, "prompt_id": 3}]
    assert list(prompts.load(rows, prompts.Options(), "x")) == [LeftOut(why="an empty prompt")] * 2
