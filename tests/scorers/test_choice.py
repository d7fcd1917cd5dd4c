import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.scorers.choice import credit

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


def test_two_winners_share_and_losers_get_nothing() -> None:
    assert [credit((1.0, 2.0, 2.0, -math.inf), right) for right in range(4)] == pytest.approx([0, 0.5, 0.5, 0])
