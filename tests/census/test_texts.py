"""Every text of a row once, on its side, in each of TRL's formats."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.census.texts import Columns, Text, preference_texts, read_columns, row_texts
from pluralign.census.words import words
from pluralign.errors import InputError
from pluralign.records.preference import Message, Preference


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


ASKED, GOOD, BAD = said("user", "Why?"), said("assistant", "Because."), said("assistant", "Dunno.")
PAIR = [("prompt", "Why?"), ("chosen", "Because."), ("rejected", "Dunno.")]
DIALOGUE = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:"
FORMATS = {
    "explicit texts": ({"prompt": "Why?", "chosen": "Because.", "rejected": "Dunno."}, PAIR),
    "implicit texts": (
        {"chosen": "Why? Because.", "rejected": "Why? Dunno."},
        [("prompt", "Why?"), ("chosen", " Because."), ("rejected", " Dunno.")],
    ),
    "implicit texts that part within a word": (
        {"chosen": "Why? Gay people.", "rejected": "Why? Gamers."},
        [("prompt", "Why?"), ("chosen", " Gay people."), ("rejected", " Gamers.")],
    ),
    "implicit texts of which one goes on": (
        {"chosen": "A cat", "rejected": "A cats"},
        [("prompt", "A"), ("chosen", " cat"), ("rejected", " cats")],
    ),
    "implicit texts without spaces": (
        {"chosen": "我们说好", "rejected": "我们说不"},
        [("prompt", "我们说"), ("chosen", "好"), ("rejected", "不")],
    ),
    "explicit messages": ({"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]}, PAIR),
    "implicit messages": ({"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]}, PAIR),
    "a prompt as text and again in the messages": (
        {"prompt": "Why?", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        PAIR,
    ),
    "a prompt as text before messages": ({"prompt": "Why?", "chosen": [GOOD], "rejected": [BAD]}, PAIR),
    "a dialogue before texts": (
        {"prompt": DIALOGUE, "chosen": "Because.", "rejected": "Dunno."},
        [("prompt", "Hi"), ("prompt", "Hello"), *PAIR],
    ),
    "two dialogues": (
        {"chosen": f"{DIALOGUE} Because.", "rejected": f"{DIALOGUE} Dunno."},
        [("prompt", "Hi"), ("prompt", "Hello"), *PAIR],
    ),
    "messages": (
        {"messages": [said("system", "Be kind."), ASKED, GOOD, said("user", "Oh."), said("assistant", "Yes.")]},
        [("prompt", "Be kind."), *PAIR[:2], ("prompt", "Oh."), ("chosen", "Yes.")],
    ),
    "prompt and completion": ({"prompt": "Why?", "completion": "Because."}, PAIR[:2]),
    "prompt and completion as messages": ({"prompt": [ASKED], "completion": [GOOD]}, PAIR[:2]),
    "a completion that is good": ({"prompt": "Why?", "completion": "Because.", "label": True}, PAIR[:2]),
    "a completion that is bad": ({"prompt": "Why?", "completion": "Dunno.", "label": False}, [PAIR[0], PAIR[2]]),
    "a bad one as messages": ({"prompt": [ASKED], "completion": [BAD], "label": False}, [PAIR[0], PAIR[2]]),
    "a label that judges nothing": ({"prompt": "Why?", "completion": "Because.", "label": 0}, PAIR[:2]),
    "text": ({"text": "Because."}, PAIR[1:2]),
    "prompt alone": ({"prompt": "Why?"}, PAIR[:1]),
    "blank texts": ({"prompt": " ", "chosen": "Because.", "rejected": ""}, PAIR[1:2]),
    "equal completions": (
        {"prompt": "Why?", "chosen": "Because.", "rejected": "Because."},
        [*PAIR[:2], ("rejected", "Because.")],
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str) -> None:
    row, expected = FORMATS[name]
    found = [(text.side, text.content) for text in row_texts(row, Columns())]
    assert found == expected
    other = Columns(**{column: f"the {column}" for column in row})
    assert [(text.side, text.content) for text in row_texts({f"the {c}": v for c, v in row.items()}, other)] == expected


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            {"question": "Why?"},
            "the row has: question; --columns prompt=NAME,completion=NAME says what they are called",
        ),
        ({"prompt": "Why?", "chosen": None, "rejected": "no"}, 'column "chosen" is None; it must be text or messages'),
        ({"messages": [{"role": "tool", "content": "x"}]}, 'column "messages": unknown role "tool"'),
        ({"text": 3}, 'column "text" is 3'),
    ],
)
def test_what_cannot_be_read_is_named(row: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        row_texts(row, Columns())


def test_columns_of_the_command_line() -> None:
    assert read_columns("") == Columns()
    assert read_columns("prompt=question, completion=the answer") == Columns(prompt="question", completion="the answer")
    with pytest.raises(InputError, match='--columns: unknown column "promt"; did you mean "prompt"'):
        read_columns("promt=question")
    with pytest.raises(InputError, match='--columns "question": write NAME=COLUMN'):
        read_columns("question")


def test_a_preference_of_a_source_gives_the_texts_of_its_row() -> None:
    turns = (Message(role="user", content="Why?"),)
    made = Preference(prompt=turns, chosen="Because.", rejected="Dunno.", group="g", prompt_id="i", source="s")
    assert preference_texts(made) == row_texts({"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]}, Columns())
    demonstration = Preference(prompt="Why?", chosen="Because.", rejected="", group="g", prompt_id="i", source="s")
    assert preference_texts(demonstration) == (Text("prompt", "Why?"), Text("chosen", "Because."))


@settings(deadline=None)
@given(st.text("ab é日本กิ ,", max_size=8), st.text("ab é日本กิ ,", max_size=5), st.text("ab é日本กิ ,", max_size=5))
def test_no_word_is_cut_off_with_the_prompt(prompt: str, good: str, bad: str) -> None:
    chosen, rejected = prompt + good, prompt + bad
    found = row_texts({"chosen": chosen, "rejected": rejected}, Columns())
    of_prompt = [word for text in found if text.side == "prompt" for word in words(text.content)]
    for side, whole in (("chosen", chosen), ("rejected", rejected)):
        own = [word for text in found if text.side == side for word in words(text.content)]
        assert of_prompt + own == words(whole)
