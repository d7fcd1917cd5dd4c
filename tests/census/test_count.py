"""Counts are a sum: however the rows are cut and in whatever order the pieces come, it is the same."""

import json
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluralign.census import count as counting
from pluralign.census.count import Unit, count
from pluralign.census.counts import Counts, merge, total
from pluralign.census.gauge import Instruments
from pluralign.census.texts import SIDES, Side, Text

SNIPPETS = [
    "I hate gay people from Nigeria",
    "wise Muslim women in Nigeria and Chad",
    "my favourite colour, abeg",
    "Все люди свободны",
    "我们说这个",
    "trans people are not evil",
    "42",
    " ",
]
sides = st.lists(st.tuples(st.sampled_from(SIDES), st.sampled_from(SNIPPETS)), min_size=1, max_size=4)
rows = st.lists(st.one_of(sides, sides, sides, st.sampled_from(["torn", "no text"])), max_size=12)
Drawn = list[list[tuple[Side, str]] | str]


def made(drawn: Drawn) -> list[Unit]:
    return [
        Unit(left_out=row, where=f"line {number}")
        if isinstance(row, str)
        else Unit(texts=tuple(Text(side, content) for side, content in row), columns="prompt")
        for number, row in enumerate(drawn)
    ]


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(drawn=rows, cuts=st.lists(st.integers(0, 12), max_size=4), seed=st.integers(0, 99))
def test_cutting_changes_nothing(instruments: Instruments, drawn: Drawn, cuts: list[int], seed: int) -> None:
    units = made(drawn)
    whole = count(units, instruments)
    edges = [0, *sorted(cuts), len(units)]
    parts = [count(units[a:b], instruments) for a, b in pairwise(edges)]
    assert total(parts) == whole
    Random(seed).shuffle(parts)
    assert total(parts).numbers == whole.numbers


@quick
@given(first=rows, second=rows, third=rows)
def test_counts_are_a_monoid(instruments: Instruments, first: Drawn, second: Drawn, third: Drawn) -> None:
    a, b, c = (count(made(drawn), instruments) for drawn in (first, second, third))
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == total([a, b, c])
    assert merge(a, Counts()) == merge(Counts(), a) == a
    assert Counts.from_json(json.loads(json.dumps(a.to_json()))) == a


@quick
@given(drawn=rows)
def test_nothing_is_lost(instruments: Instruments, drawn: Drawn) -> None:
    units = made(drawn)
    found = count(units, instruments)
    kept = [unit for unit in units if not unit.left_out]
    assert sum(found.under("rows").values()) == len(kept)
    assert sum(found.under("left out").values()) == len(units) - len(kept)
    assert sum(found.of("language", code, "rows") for code in found.names("language")) == len(kept)
    for side in SIDES:
        of_side = sum(text.side == side for unit in kept for text in unit.texts)
        assert found.of("total", "texts", side) == of_side
        assert sum(fact[2:] == ("texts", side) and fact[0] == "language" for fact in found.numbers) <= of_side
        for what in ("texts", "tokens"):
            each = [n for fact, n in found.numbers.items() if fact[0] == "language" and fact[2:] == (what, side)]
            assert sum(each) == found.of("total", what, side)


def unit(**sides: str) -> Unit:
    return Unit(texts=tuple(Text(side, sides[side]) for side in SIDES if side in sides), columns="all")


def test_a_row_by_hand(instruments: Instruments) -> None:
    found = count(
        [
            unit(
                prompt="Are gay men in Chad bad?",
                chosen="Gay people are good.",
                rejected="Все люди свободны в Chad, да",
            )
        ],
        instruments,
    )
    assert found.numbers == {
        ("rows", "all"): 1,
        ("pairs",): 1,
        **{("total", "texts", side): 1 for side in SIDES},
        ("total", "tokens", "prompt"): 6,
        ("total", "tokens", "chosen"): 4,
        ("total", "tokens", "rejected"): 6,
        **{(*kind, "texts", side): 1 for kind in [("english",), ("language", "en")] for side in SIDES[:2]},
        **{(*kind, "tokens", "prompt"): 6 for kind in [("english",), ("language", "en")]},
        **{(*kind, "tokens", "chosen"): 4 for kind in [("english",), ("language", "en")]},
        ("language", "ru", "texts", "rejected"): 1,
        ("language", "ru", "tokens", "rejected"): 6,
        ("language", "en", "rows"): 1,
        ("country", "TCD", "rows"): 1,
        ("country", "TCD", "texts", "prompt"): 1,
        ("country", "TCD", "texts", "rejected"): 1,
        ("identity", "gay", "rows"): 1,
        ("identity", "gay", "texts", "prompt"): 1,
        ("identity", "gay", "texts", "chosen"): 1,
        ("identity", "gay", "only", "chosen"): 1,
        ("identity", "gay", "negative", "prompt"): 1,
        ("identity", "gay", "positive", "chosen"): 1,
        ("identity", "man", "rows"): 1,
        ("identity", "man", "texts", "prompt"): 1,
        ("identity", "man", "negative", "prompt"): 1,
        ("category", "sexuality", "rows"): 1,
        ("category", "sexuality", "texts", "prompt"): 1,
        ("category", "sexuality", "texts", "chosen"): 1,
        ("category", "sexuality", "only", "chosen"): 1,
        ("category", "sexuality", "negative", "prompt"): 1,
        ("category", "sexuality", "positive", "chosen"): 1,
        ("category", "cisgender and binary", "rows"): 1,
        ("category", "cisgender and binary", "texts", "prompt"): 1,
        ("category", "cisgender and binary", "negative", "prompt"): 1,
    }


def test_swapping_chosen_and_rejected_swaps_the_sides(instruments: Instruments) -> None:
    one = count([unit(chosen="Muslims are wise", rejected="nobody is")], instruments)
    other = count([unit(rejected="Muslims are wise", chosen="nobody is")], instruments)
    assert one.of("identity", "Muslim", "only", "chosen") == other.of("identity", "Muslim", "only", "rejected") == 1
    assert one.of("identity", "Muslim", "only", "rejected") == other.of("identity", "Muslim", "only", "chosen") == 0


def test_the_language_of_a_row_is_that_of_most_tokens_and_foreign_texts_hold_no_english_words(
    instruments: Instruments,
) -> None:
    found = count([unit(prompt="Translate:", chosen="Все люди, gay и muslim, свободны abeg")], instruments)
    assert [found.of("language", code, "rows") for code in ("ru", "en")] == [1, 0]
    assert found.names("identity") == found.names("dialect") == []
    assert found.of("english", "texts", "prompt") == 1
    assert found.of("english", "texts", "chosen") == 0


def test_rows_in_batches_are_the_same(instruments: Instruments, monkeypatch: pytest.MonkeyPatch) -> None:
    units = [unit(prompt=SNIPPETS[place % 5], chosen=SNIPPETS[place % 3]) for place in range(30)]
    whole = count(units, instruments)
    monkeypatch.setattr(counting, "BATCH", 7)
    assert count(units, instruments) == whole
