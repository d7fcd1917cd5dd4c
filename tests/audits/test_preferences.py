import math
from dataclasses import asdict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.audits import belebele, kl, preferences
from pluralign.audits.preferences import COMPARED, MEASURES, Options, code, compare, items, measures, read
from pluralign.data.template import PLAIN
from pluralign.engine.logprobs import logprobs
from pluralign.errors import InputError
from pluralign.records.item import Item
from pluralign.records.preference import Message, Preference, Prompt
from pluralign.records.reply import Reply
from pluralign.subjects.local import LocalSubject
from pluralign.train.examples import Renderer

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
    found = values(logprobs=(-4.0, -3.0), tokens=(4, 1))
    assert (found["accuracy"], found["margin"], found["score"]) == (0.0, -1.0, -3.5)


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
        (["What?"], 'column "prompt": a turn is .What\\?.'),
        ([{"role": "user"}], 'column "prompt": a turn is .* must have a role and content'),
        ([{"role": "robot", "content": "What?"}], 'column "prompt": unknown role "robot"; known: '),
    ],
)
def test_what_is_no_prompt_is_refused(prompt: object, message: str) -> None:
    with pytest.raises(InputError, match=f"row 1: {message}"):
        item(prompt=prompt)


@settings(deadline=None)
@given(scores, scores)
def test_a_margin_stands_for_the_probability_of_what_people_preferred(chosen: float, rejected: float) -> None:
    found = values(rewards=(chosen, rejected))
    probability = 1 / (1 + math.exp(rejected - chosen))
    assert math.exp(-found["nll"]) == pytest.approx(probability)
    assert found["brier"] == pytest.approx((1 - probability) ** 2, abs=1e-12)


def test_a_guess_has_the_losses_of_chance() -> None:
    found = values(rewards=(2.0, 2.0))
    for name in ("accuracy", "nll", "brier"):
        assert found[name] == pytest.approx(MEASURES[name].chance)


def test_an_endless_margin_is_a_number() -> None:
    found = values(logprobs=(-1e4, -10.0))
    assert (found["nll"], found["brier"]) == (9990.0, 1.0)


def test_the_implicit_reward_is_what_was_gained_over_the_reference() -> None:
    reference, policy = (Reply(item="1", ask=0, logprobs=pair) for pair in ((-4.0, -3.0), (-2.0, -2.5)))
    found = {one.measure: one.value for one in compare(item(), [reference], [policy], Options())}
    assert found == {"implicit_accuracy": 1.0, "implicit_margin": 1.5, "shift": 1.25}
    assert list(found) == [name for name, one in COMPARED.items() if one.statistic is None]
    same = {one.measure: one.value for one in compare(item(), [policy], [policy], Options())}
    assert same == {"implicit_accuracy": 0.5, "implicit_margin": 0.0, "shift": 0.0}
    assert all(math.isnan(one.value) for one in compare(item(), [], [policy], Options()))


def test_the_bins_are_an_option_and_never_odd() -> None:
    found = measures(Options(ece_bins=20))
    assert {one.statistic.bins for one in found.values() if one.statistic and "ece" in one.statistic.kind} == {20}
    assert "10 bins from .5 to 1" in found["ece"].description
    for bins in (5, 0):
        with pytest.raises(ValueError, match="ece_bins must be an even number"):
            Options(ece_bins=bins)


def test_a_statistic_is_made_of_readings_that_there_are() -> None:
    sources = {one.statistic.of for one in (*MEASURES.values(), *COMPARED.values()) if one.statistic}
    assert sources <= {name for name, one in MEASURES.items() if one.statistic is None}


def test_a_demonstration_is_no_preference() -> None:
    rows = [asdict(pair()), {**asdict(pair()), "rejected": ""}, asdict(pair())]
    assert [one.id for one in items(rows, Options())] == ["1", "3"]


def test_answers_are_scored_to_their_end_as_in_training(tiny: Any, tmp_path: Any) -> None:
    subject = LocalSubject.load("policy", tiny.save_model(tmp_path, "llama", bos=True), device="cpu")
    renderer = Renderer(
        completions=lambda one: (one.chosen, one.rejected), tokenizer=subject.tokenizer, template=PLAIN, max_length=160
    )
    ((example,), _) = renderer.render([pair()])
    with torch.no_grad():
        expected = logprobs(subject.model, [example.fork]).table()[0]
    (reply,) = subject.answer([item()])
    assert reply.logprobs == pytest.approx(expected.tolist(), abs=1e-4)
    assert reply.tokens == tuple(map(len, example.fork.completions))


@pytest.mark.parametrize("own", [preferences, kl])
def test_languages_have_the_codes_that_they_have_in_other_audits(own: Any) -> None:
    """Codes are there to join on."""
    for group in belebele.known_words():
        assert own.code("language", group) == belebele.code("language", group)
