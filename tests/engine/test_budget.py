import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralign.engine.budget import Budget, encoded_tokens, fill
from pluralign.records.fork import Fork


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 80))
def test_bins_hold_everything_once_and_keep_to_the_budget(sizes, budget):
    bins = fill(sizes, budget)
    assert sorted(index for found in bins for index in found) == list(range(len(sizes)))
    for found in bins:
        assert len(found) == 1 or sum(sizes[index] for index in found) <= budget
    # No two bins could be one.
    totals = sorted(sum(sizes[index] for index in found) for found in bins)
    assert len(totals) < 2 or totals[0] + totals[1] > budget


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 80))
def test_bins_are_those_of_first_fit(sizes, budget):
    expected: list[list[int]] = []
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        room = (found for found in expected if sum(sizes[each] for each in [*found, index]) <= budget)
        found = next(room, None)
        if found is None:
            expected.append([index])
        else:
            found.append(index)
    assert fill(sizes, budget) == expected


@pytest.mark.parametrize(("kind", "expected"), [("llama", [2 + 3 + 1, 1 + 2]), ("mamba", [2 * (2 + 3), 1 + 2])])
def test_prompts_count_once_where_the_model_shares_them(tiny, kind, expected):
    forks = [Fork((1, 2), ((3, 4, 5), (6,))), Fork((1,), ((2, 3),))]
    model = tiny.make_model(kind)
    if kind == "mamba":
        with pytest.warns(RuntimeWarning, match="cannot share their prompt"):
            assert encoded_tokens(model, forks) == expected
    else:
        assert encoded_tokens(model, forks) == expected


def test_a_budget_is_halved_down_to_one():
    budget = Budget(5)
    found = []
    for _ in range(4):
        budget.halve()
        found.append(budget.tokens)
    assert found == [2, 1, 1, 1]
