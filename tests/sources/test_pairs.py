"""A pair keeps whose preference it is, in each of TRL's formats; a row that lacks a column is named."""

from dataclasses import replace
from typing import Any

import pytest

from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Message, Preference
from pluralign.sources.pairs import Options, load

ROW = {"prompt": "What do you call it?", "chosen": " torch", "rejected": " flashlight", "country": "India"}
SKY = {"role": "user", "content": "What colour is the sky?"}
BLUE, GREEN = ({"role": "assistant", "content": f"It is {colour}."} for colour in ("blue", "green"))
MORE = [BLUE, {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Light scatters."}]
FORMATS: dict[str, dict[str, Any]] = {
    "explicit texts": {"prompt": SKY["content"], "chosen": BLUE["content"], "rejected": GREEN["content"]},
    "explicit messages": {"prompt": [SKY], "chosen": [BLUE], "rejected": [GREEN]},
    "implicit messages": {"chosen": [SKY, BLUE], "rejected": [SKY, GREEN]},
    "prompt and whole conversations": {"prompt": [SKY], "chosen": [SKY, BLUE], "rejected": [SKY, GREEN]},
    "prompt as text and whole conversations": {"prompt": "…", "chosen": [SKY, BLUE], "rejected": [SKY, GREEN]},
    "prompt as text and messages": {"prompt": SKY["content"], "chosen": [BLUE], "rejected": [GREEN]},
}
US = Options(group_name="us")


def only(row: dict[str, Any], options: Options = US) -> Preference:
    (pair,) = load([row], options, "voices.csv")
    assert isinstance(pair, Preference)
    return pair


def left_out(row: dict[str, Any], options: Options = US) -> str:
    (pair,) = load([row], options, "voices.csv")
    assert isinstance(pair, LeftOut)
    return pair.why


def test_a_pair_keeps_whose_it_is() -> None:
    pair = only(ROW | {"language": "en-IN", "prompt_id": 7, "margin": 0.5}, Options(group="country"))
    assert (pair.group, pair.language, pair.prompt_id, pair.source) == ("India", "en-IN", "7", "voices.csv")
    assert pair.margin == 0.5


def test_without_language_and_prompt_id_the_prompt_stands_for_itself() -> None:
    pair = only(ROW, Options(group="country"))
    assert (pair.language, pair.prompt_id, pair.margin) == ("und", ROW["prompt"], 0.0)


@pytest.mark.parametrize("row", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_pair(row: dict[str, Any]) -> None:
    pair = only(row)
    assert (pair.chosen, pair.rejected) == ("It is blue.", "It is green.")
    assert pair.prompt in (SKY["content"], (Message(role="user", content=SKY["content"]),))
    assert pair.prompt_id == SKY["content"]
    assert pair.group == "us"


IMPLICIT = Options(prompt="", group_name="us")


def test_texts_that_begin_with_their_prompt_are_parted_where_asked_for() -> None:
    row = {"chosen": "The sky is blue.", "rejected": "The sky is green.", "prompt_id": "sky"}
    pair = only(row, IMPLICIT)
    assert (pair.prompt, pair.chosen, pair.rejected) == ("The sky is", " blue.", " green.")
    with pytest.raises(InputError, match=r'row 1: no column "prompt"; .* write prompt = ""'):
        only(row)


PROMPT = "### Question:\nWhat colour is the sky?\n### Response:"
DIALOGUE = "\n\nHuman: What colour is the sky?\n\nAssistant: Hm.\n\nHuman: Well?\n\nAssistant:"


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("longer", ["chosen", "rejected"])
def test_a_dialogue_whose_answer_goes_on_with_the_user_is_left_out(longer: str, implicit: bool) -> None:
    answers = {"chosen": " It is blue.", "rejected": " It is green."}
    answers[longer] += "\n\nHuman: Sure?\n\nAssistant: Yes."
    if not implicit:
        assert left_out({"prompt": DIALOGUE, **answers}) == "a completion of several turns"
        return
    row = {column: DIALOGUE + answer for column, answer in answers.items()}
    assert left_out(row, IMPLICIT) == "a completion of several turns"


@pytest.mark.parametrize(
    ("prompt", "options"), [(PROMPT, replace(IMPLICIT, prompt_end="### Response:")), (DIALOGUE, IMPLICIT)]
)
def test_one_prompt_is_one_however_alike_its_answers_begin(prompt: str, options: Options) -> None:
    answers = ["It is blue.", "It is bluish.", "It is green.", "Green."]
    rows = [
        {"chosen": f"{prompt} {one}", "rejected": f"{prompt} {other}"}
        for one in answers
        for other in answers
        if one != other
    ]
    pairs = [pair for pair in load(rows, options, "voices.csv") if isinstance(pair, Preference)]
    assert len(pairs) == len(rows)
    assert {pair.prompt for pair in pairs} == {prompt}
    assert len({pair.prompt_id for pair in pairs}) == 1


def test_texts_whose_prompt_has_no_end_that_can_be_seen_are_refused() -> None:
    row = {"chosen": "The sky is blue.", "rejected": "The sky is green."}
    with pytest.raises(InputError, match=r'^row 1: where the prompt ends cannot be seen.*prompt_end = .*"prompt_id"'):
        only(row, IMPLICIT)


def test_with_a_mark_the_prompt_ends_at_its_last_one() -> None:
    opening = "\n\nHuman: Why?\n\nAssistant: So.\n\nHuman: Really?\n\nAssistant:"
    marked = Options(prompt="", prompt_end="Assistant:", group_name="us")
    pair = only({"chosen": opening + " I think so.", "rejected": opening + " I doubt it."}, marked)
    assert (pair.prompt, pair.chosen, pair.rejected) == (opening, " I think so.", " I doubt it.")
    assert pair.prompt_id == "Why?"
    with pytest.raises(InputError, match=r'row 1: .*do not begin with one prompt up to "Assistant:"'):
        only({"chosen": "yes", "rejected": "no"}, marked)


def test_what_makes_no_pair_is_left_out_and_told_why() -> None:
    assert left_out(ROW | {"rejected": ROW["chosen"]}) == "both completions are the same"
    assert left_out(ROW | {"rejected": "  "}) == "an empty completion"
    assert left_out({"chosen": [SKY, *MORE], "rejected": [SKY, GREEN]}) == "a completion of several turns"


def test_a_missing_column_is_named_with_its_row() -> None:
    with pytest.raises(InputError, match='row 2: no column "country"'):
        list(load([ROW, {"prompt": "a", "chosen": "b", "rejected": "c"}], Options(group="country"), "x"))
    with pytest.raises(InputError, match=r'row 1: no column "group"; .* write group_name = "ITS NAME"'):
        list(load([ROW], Options(), "x"))


@pytest.mark.parametrize("value", [None, 1.5, True, ""])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(InputError, match='row 1: column "chosen"'):
        list(load([ROW | {"chosen": value}], Options(group="country"), "x"))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"chosen": [SKY, BLUE], "rejected": [GREEN]}, "have no turn of the user in common"),
        ({"prompt": [SKY], "chosen": [BLUE], "rejected": "green"}, "column \"rejected\" is 'green'; it must be a list"),
        ({"prompt": [SKY], "chosen": "blue", "rejected": [GREEN]}, r'column "rejected" is \[.*it must be text'),
        ({"prompt": [BLUE], "chosen": [SKY, BLUE], "rejected": [SKY, GREEN]}, "do not begin with the prompt"),
        ({"chosen": [SKY, SKY], "rejected": [SKY, GREEN]}, "a completion is a turn of user or assistant"),
        (ROW | {"margin": -1}, 'column "margin" is -1.0; it must be at least 0'),
        (ROW | {"margin": "much"}, "column \"margin\" is 'much'; it must be a number"),
    ],
)
def test_what_does_not_fit_is_named(row: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=f"^row 1: .*{expected}"):
        only(row)


def test_a_mark_without_a_prompt_in_the_texts_is_refused() -> None:
    with pytest.raises(ValueError, match='write prompt = "" as well'):
        Options(prompt_end="Assistant:")
