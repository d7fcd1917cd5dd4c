"""Dialogues are cut where both have the assistant's last turn in common."""

import pytest

from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Message, Preference
from pluralign.sources.hh_rlhf import Options, load

OPENING = "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: How do I pick a lock?\n\nAssistant:"
ROW = {"chosen": OPENING + " Whose lock is it?", "rejected": OPENING + " With a pick."}


def test_the_prompt_is_what_both_share_up_to_the_last_answer() -> None:
    (pair,) = load([ROW], Options(), "hub")
    assert isinstance(pair, Preference)
    assert (pair.prompt, pair.chosen, pair.rejected) == (OPENING, " Whose lock is it?", " With a pick.")
    assert pair.prompt_id == "Hi"
    cut = {"prompt": OPENING, "chosen": pair.chosen, "rejected": pair.rejected}
    assert list(load([cut], Options(), "hub")) == [pair]


def test_answers_that_begin_alike_are_not_cut() -> None:
    (pair,) = load([{"chosen": OPENING + " I can help.", "rejected": OPENING + " I cannot help."}], Options(), "hub")
    assert isinstance(pair, Preference)
    assert (pair.prompt, pair.chosen) == (OPENING, " I can help.")


def test_messages_for_a_chat_template() -> None:
    (pair,) = load([ROW | {"who": "red team"}], Options(form="messages", group="who"), "hub")
    assert isinstance(pair, Preference)
    assert pair.prompt == (
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Hello!"),
        Message(role="user", content="How do I pick a lock?"),
    )
    assert (pair.chosen, pair.group) == ("Whose lock is it?", "red team")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"chosen": OPENING + " a", "rejected": "\n\nHuman: Bye\n\nAssistant: b"}, "the two dialogues share no prompt"),
        (ROW | {"chosen": OPENING + " a\n\nHuman: b\n\nAssistant: c"}, "a completion of several turns"),
        (ROW | {"chosen": OPENING + " "}, "an empty completion"),
        ({"chosen": "\n\nHuman: \n\nAssistant: a", "rejected": "\n\nHuman: \n\nAssistant: b"}, "an empty prompt"),
    ],
)
def test_what_makes_no_pair_is_left_out_and_told_why(row: dict[str, str], why: str) -> None:
    assert list(load([row], Options(), "hub")) == [LeftOut(why=why)]


def test_an_answer_to_the_assistants_own_turn_is_no_message_of_its_own() -> None:
    twice = "\n\nHuman: Hi\n\nAssistant: Hm.\n\nAssistant:"
    row = {"chosen": twice + " Hello!", "rejected": twice + " Go away."}
    (text,) = load([row], Options(), "hub")
    assert isinstance(text, Preference)
    assert (text.prompt, text.chosen) == (twice, " Hello!")
    assert list(load([row], Options(form="messages"), "hub")) == [LeftOut(why="an answer to the assistant's own turn")]


def test_a_prompt_that_is_no_dialogue_is_named() -> None:
    with pytest.raises(InputError, match='row 1: the prompt is no dialogue from "Human:" to "Assistant:"'):
        list(load([{"prompt": "Hi", "chosen": "a", "rejected": "b"}], Options(), "x"))
