from math import inf, isnan, log, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from pluralign.scorers.distributions import similarity, softmax

shares = st.lists(st.floats(0.001, 1.0) | st.just(0.0), min_size=2, max_size=6).filter(lambda each: sum(each) > 0)


@given(one=shares, other=shares)
def test_it_is_1_less_scipys_distance(one: list[float], other: list[float]) -> None:
    count = min(len(one), len(other))
    one, other = one[:count], other[:count]
    if sum(one) and sum(other):
        assert similarity(one, other) == pytest.approx(1 - jensenshannon(one, other), abs=1e-7)
        assert similarity(one, other) == pytest.approx(similarity(other, one))


def test_the_ends() -> None:
    assert similarity([2.0, 6.0], [0.25, 0.75]) == 1
    assert similarity([1.0, 0.0], [0.0, 1.0]) == pytest.approx(1 - sqrt(log(2)))


@pytest.mark.parametrize("other", [[0.0, 0.0], [nan, 0.5], [nan, nan]])
def test_what_is_no_distribution_is_missing(other: list[float]) -> None:
    assert isnan(similarity([0.5, 0.5], other))
    assert isnan(similarity(other, [0.5, 0.5]))


def test_softmax() -> None:
    assert softmax((0.0, log(3.0))) == pytest.approx((0.25, 0.75))
    assert softmax((-inf, -1000.0)) == (0.0, 1.0)
    assert all(map(isnan, softmax((nan, 0.0))))
    assert all(map(isnan, softmax((-inf, -inf))))
    assert softmax(()) == ()
