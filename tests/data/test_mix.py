"""Shares hold, draws are without replacement and repeatable, and no prompt stands on both sides of a split."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralign.data.mix import card, mix, split
from pluralign.errors import InputError
from pluralign.records.preference import Preference


def voices(**counts: int) -> list[Preference]:
    return [
        Preference(
            prompt=f"p{number}",
            chosen="yes",
            rejected="no",
            group=group,
            prompt_id=f"p{number % 40}",
            source="test",
            language="en" if number % 2 else "sw",
        )
        for group, count in counts.items()
        for number in range(count)
    ]


def groups(preferences: list[Preference]) -> Counter[str]:
    return Counter(preference.group for preference in preferences)


def test_shares_hold_and_use_as_much_as_the_scarcest_group_allows() -> None:
    mixed = mix(voices(us=300, india=50, nigeria=80), shares={"us": 0.8, "india": 0.2}, size=None, seed=0, place="x")
    assert groups(mixed) == {"us": 200, "india": 50}
    assert len({(preference.group, preference.prompt) for preference in mixed}) == 250


def test_draws_depend_on_the_seed_alone() -> None:
    draw = [mix(voices(us=300), shares={"us": 1.0}, size=40, seed=seed, place="x") for seed in (0, 0, 1)]
    assert draw[0] == draw[1] != draw[2]


@pytest.mark.parametrize(
    ("shares", "size", "expected"),
    [
        ({"use": 1.0}, None, 'unknown group "use"; did you mean "us"'),
        ({"us": 0.0}, None, "a share must be above 0"),
        ({"us": 0.5, "india": 0.5}, 101, "these shares allow 100 at most"),
        ({}, 1000, "there are 350 preferences"),
    ],
)
def test_impossible_mixtures_are_refused(shares: dict[str, float], size: int | None, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        mix(voices(us=300, india=50), shares=shares, size=size, seed=0, place="x")


@given(st.floats(0, 0.9))
def test_no_prompt_stands_on_both_sides(held_out: float) -> None:
    train, test = split(voices(us=120, india=80), held_out)
    assert len(train) + len(test) == 200
    assert not {preference.prompt_id for preference in train} & {preference.prompt_id for preference in test}


def test_the_card_counts_everyone() -> None:
    counted = card(voices(us=30, india=10))
    assert counted["groups"] == {"us": 30, "india": 10}
    assert counted["languages"] == {"sw": 20, "en": 20}
