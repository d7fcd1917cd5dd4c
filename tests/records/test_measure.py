"""What a measure means where it does not say more than its unit."""

import pytest

from pluralign.records.measure import Measure


@pytest.mark.parametrize(("unit", "margin", "bounds"), [("share", 0.02, (0.0, 1.0)), ("nats", None, None)])
def test_margin_and_bounds_follow_the_unit(unit: str, margin: float | None, bounds: tuple[float, float] | None) -> None:
    measure = Measure("m", unit=unit)
    assert (measure.margin, measure.bounds) == (margin, bounds)


@pytest.mark.parametrize("unit", ["share", "nats"])
def test_what_is_given_stays(unit: str) -> None:
    given = Measure("m", unit=unit, margin=0.3, bounds=(-1.0, 2.0))
    assert (given.margin, given.bounds) == (0.3, (-1.0, 2.0))
    none = Measure("m", unit=unit, margin=None, bounds=None)
    assert (none.margin, none.bounds) == (None, None)


def test_equal_measures_are_equal() -> None:
    assert Measure("m") == Measure("m", margin=0.02, bounds=(0.0, 1.0))
