import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.audits.preferences import Options, code, items, read
from pluralign.errors import InputError
from pluralign.records.item import Item
from pluralign.records.preference import Message, Preference, Prompt
from pluralign.records.reply import Reply

scores = st.floats(-50, 50)


def pair(prompt: Prompt = "What is this?") -> Preference:
    return Preference(
        prompt=prompt, chosen=" a torch", rejected=" a flashlight", group="in", prompt_id="p", source="s", language="en"
    )


def item(**changes: Any) -> Item:
    return next(items([{**asdict(pair()), **changes}], Options()))


def values(**answer: Any) -> dict[str, float]:
    return {one.measure: one.value for one in read(item(), [Reply(item="1", ask=0, **answer)], Options())}


@settings(deadline=None)
@given(scores, scores)
def test_swapping_a_pair_negates_its_margin_and_turns_its_accuracy(chosen: float, rejected: float) -> None:
    one, other = values(rewards=(chosen, rejected)), values(rewards=(rejected, chosen))
    assert one["margin"] == -other["margin"] == chosen - rejected
    assert one["accuracy"] + other["accuracy"] == 1


def test_log_probabilities_are_summed_as_dpo_sees_them() -> None:
    assert values(logprobs=(-4.0, -3.0), tokens=(4, 1)) == {"accuracy": 0.0, "margin": -1.0}


def test_a_reward_comes_before_a_log_probability_and_a_tie_counts_half() -> None:
    assert values(rewards=(1.0, 1.0), logprobs=(-1.0, -2.0))["accuracy"] == 0.5


@pytest.mark.parametrize("answer", [{"rewards": (math.nan, 1.0)}, {"logprobs": (-1.0, math.nan)}, {}])
def test_what_is_missing_stays_missing(answer: dict[str, Any]) -> None:
    assert all(math.isnan(value) for value in values(**answer).values())


def test_a_conversation_comes_through_as_it_was() -> None:
    turns = (Message(role="system", content="Be brief."), Message(role="user", content="What is this?"))
    (ask,) = next(items([asdict(pair(turns))], Options())).asks
    assert ask.prompt == turns
    assert ask == item(prompt=list(turns)).asks[0]


def test_a_pair_stands_for_its_group_and_its_language() -> None:
    assert item().slices == {"group": "in", "language": "en"}
    assert item().cluster == "p"
    assert (code("group", "in"), code("language", "swh_Latn")) == ("in", "sw")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", 'column "prompt" is'),
        ([], 'column "prompt" is'),
        (3.5, 'column "prompt" is'),
        (["What?"], "a turn of the prompt is 'What\\?'"),
        ([{"role": "user"}], 'no column "content"'),
        ([{"role": "robot", "content": "What?"}], "a turn's role is 'robot'; known: system, user, assistant"),
    ],
)
def test_what_is_no_prompt_is_refused(prompt: object, message: str) -> None:
    with pytest.raises(InputError, match=f"row 1: {message}"):
        item(prompt=prompt)
