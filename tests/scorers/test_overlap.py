from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.scorers.overlap import exact_match, f1

bags = st.lists(st.sampled_from("abcd"), max_size=8)


@settings(deadline=None)
@given(bags, bags)
def test_f1_is_symmetric_bounded_and_one_only_for_equal_bags(left: list[str], right: list[str]) -> None:
    value = f1(left, right)
    assert value == f1(right, left)
    assert 0 <= value <= 1
    assert (value == 1) == (Counter(left) == Counter(right))
    assert exact_match(left, right) <= value


@settings(deadline=None)
@given(bags, bags)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(answer: list[str], gold: list[str]) -> None:
    shared = sum(min(answer.count(token), gold.count(token)) for token in set(answer))
    if shared:
        precision, recall = shared / len(answer), shared / len(gold)
        assert f1(answer, gold) == pytest.approx(2 / (1 / precision + 1 / recall))
    else:
        assert f1(answer, gold) == float(not answer and not gold)


@settings(deadline=None)
@given(bags, bags, st.randoms())
def test_the_order_of_tokens_matters_to_exact_match_alone(left: list[str], right: list[str], random) -> None:
    shuffled = random.sample(left, len(left))
    assert f1(shuffled, right) == f1(left, right)
    assert exact_match(shuffled, left) == float(shuffled == left)
