import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.records.reply import Reply
from pluralign.scorers.choice import credit, preferences, stated_preferences, summed_preferences

values = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=6)


@settings(deadline=None)
@given(values)
def test_the_credits_of_all_options_sum_to_one(preferences: list[float]) -> None:
    assert math.isclose(sum(credit(preferences, right) for right in range(len(preferences))), 1)


@settings(deadline=None)
@given(values, st.data())
def test_only_the_order_of_preferences_matters(preferences: list[float], data: st.DataObject) -> None:
    right = data.draw(st.integers(0, len(preferences) - 1))
    assert credit(preferences, right) == credit([math.exp(value) for value in preferences], right)
    assert credit(preferences, right) == credit(preferences[::-1], len(preferences) - 1 - right)


@settings(deadline=None)
@given(values, st.data())
def test_nobody_knows_who_won_where_a_value_is_missing(preferences: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(preferences) - 1))
    holed = [*preferences[:place], math.nan, *preferences[place:]]
    assert math.isnan(credit(holed, data.draw(st.integers(0, len(preferences)))))


@pytest.mark.parametrize("values", [(), (0.0,), (0.0, -1.0, -2.0)])
@pytest.mark.parametrize("kind", ["logprobs", "rewards"])
def test_a_reply_without_a_value_for_every_option_wins_nothing(kind: str, values: tuple[float, ...]) -> None:
    found = preferences(Reply(item="x", ask=0, **{kind: values}), 2)
    assert len(found) == 2
    assert all(math.isnan(credit(found, right)) for right in range(2))


def test_preferences_are_rewards_or_log_probabilities_per_token() -> None:
    logprobs = (-4.0, -3.0)
    assert preferences(Reply(item="x", ask=0, logprobs=logprobs), 2) == logprobs
    assert preferences(Reply(item="x", ask=0, logprobs=logprobs, tokens=(4, 1)), 2) == (-1.0, -3.0)
    assert preferences(Reply(item="x", ask=0, logprobs=logprobs, rewards=(1.0, 2.0)), 2) == (1.0, 2.0)
    for nothing in (None, Reply(item="x", ask=0), Reply(item="x", ask=0, logprobs=logprobs, tokens=(1,))):
        assert all(map(math.isnan, preferences(nothing, 2)))


def test_two_winners_share_and_losers_get_nothing() -> None:
    assert [credit((1.0, 2.0, 2.0, -math.inf), right) for right in range(4)] == pytest.approx([0, 0.5, 0.5, 0])


def test_sums_are_known_only_with_the_counts_of_tokens() -> None:
    logprobs = (-4.0, -3.0)
    assert summed_preferences(Reply(item="x", ask=0, logprobs=logprobs, tokens=(4, 1)), 2) == logprobs
    for unknown in (
        None,
        Reply(item="x", ask=0, logprobs=logprobs),
        Reply(item="x", ask=0, rewards=logprobs, tokens=(4, 1)),
        Reply(item="x", ask=0, logprobs=logprobs, tokens=(4,)),
        Reply(item="x", ask=0, text="one"),
    ):
        assert all(map(math.isnan, summed_preferences(unknown, 2)))


def test_a_text_prefers_the_option_that_it_names_and_numbers_come_first() -> None:
    options, answers = ("(A)", "(B)"), ("one", "two")

    def credits(text: str | None, **numbers: tuple[float, ...]) -> list[float]:
        found = stated_preferences(Reply(item="x", ask=0, text=text, **numbers), options, answers)
        return [credit(found, right) for right in range(2)]

    assert credits("B") == credits("it is two") == [0, 1]
    assert credits("B, not one") == [0, 1]
    assert all(map(math.isnan, credits("three")))
    assert all(map(math.isnan, credits(None)))
    assert credits("B", rewards=(1.0, 0.0)) == [1, 0]
    assert credits(None, logprobs=(-1.0, -2.0)) == [1, 0]
    assert all(map(math.isnan, stated_preferences(None, options)))
