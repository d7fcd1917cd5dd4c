from math import isnan, nan

from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.scorers.ranking import ranks


@settings(deadline=None)  # the first call imports scipy
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_a_rank_counts_what_is_smaller_and_half_of_what_ties(values: list[int]) -> None:
    wanted = [sum(other < value for other in values) + (values.count(value) + 1) / 2 for value in values]
    assert ranks([float(value) for value in values]) == wanted


def test_nothing_is_known_of_a_list_with_a_hole() -> None:
    assert all(map(isnan, ranks([1.0, nan, 3.0])))
