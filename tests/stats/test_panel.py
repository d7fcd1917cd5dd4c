"""Readings that contradict each other are refused by name; order and names of readings do not matter."""

from collections.abc import Callable

import numpy as np
import pytest

from pluralign.errors import InputError
from pluralign.records.estimate import Estimate
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.stats.audit import estimate
from pluralign.stats.panel import Rung, panels
from pluralign.stats.table import TableBuilder

MEASURE = Measure("share of right answers")
ROW = {
    "audit": "reading",
    "measure": "score",
    "stage": "base",
    "item": "q7",
    "slice": "language",
    "group": "sw",
    "cluster": "p1",
    "value": 0.5,
}


def refusal(*rows: dict[str, object]) -> str:
    builder = TableBuilder()
    for row in rows:
        builder.append(**(ROW | row))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError) as caught:
        list(panels(builder.build(), "reading", "score", MEASURE))
    return str(caught.value)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{}, {}], "read twice"),
        ([{"value": float("inf")}], "infinite"),
        ([{"value": 1.01}], "outside the measure's bounds 0 to 1"),
        ([{}, {"stage": "dpo", "cluster": "p2"}], "two clusters"),
        ([{"group": "all"}], "stands for everyone"),
    ],
)
def test_impossible_readings_are_refused(rows: list[dict[str, object]], problem: str) -> None:
    message = refusal(*rows)
    assert problem in message
    assert 'audit "reading", measure "score"' in message
    assert "\n" not in message


def test_the_refused_reading_is_named() -> None:
    message = refusal({"item": "q1"}, {"item": "q2", "value": -3.0, "stage": "sft"})
    assert 'stage "sft", item "q2", group "sw", value -3' in message


def test_a_missing_reading_is_not_out_of_bounds() -> None:
    builder = TableBuilder()
    builder.append(**(ROW | {"value": float("nan")}))  # pyright: ignore[reportArgumentType]
    (panel,) = panels(builder.build(), "reading", "score", MEASURE)
    assert np.isnan(panel.values).all()


def test_rungs_stand_in_ladder_order_and_a_finished_stage_after_its_steps() -> None:
    builder = TableBuilder()
    for stage, seed, step in (("zero", 1, None), ("zero", 0, None), ("early", 0, None), ("early", 0, 20)):
        builder.append(**(ROW | {"stage": stage, "seed": seed, "step": step}))  # pyright: ignore[reportArgumentType]
    (panel,) = panels(builder.build(), "reading", "score", MEASURE)
    assert panel.rungs == (Rung("zero", 0, None), Rung("zero", 1, None), Rung("early", 0, 20), Rung("early", 0, None))


def test_estimates_do_not_depend_on_the_order_of_readings(make_audit: Callable[..., Audit]) -> None:
    random = np.random.default_rng(0)
    rows = [
        ROW | {"item": f"{group}{index}", "group": group, "cluster": f"{index // 2}", "value": float(random.random())}
        for group in ("sw", "de", "fi")
        for index in range(12)
    ]
    audit = make_audit(reference={"language": "de"})

    def found(order: list[int]) -> list[Estimate]:
        builder = TableBuilder()
        for index in order:
            builder.append(**rows[index])  # pyright: ignore[reportArgumentType]
        return estimate(builder.build(), audit)

    first, second = found(list(range(36))), found(random.permutation(36).tolist())
    for one, other in zip(first, second, strict=True):
        assert one.group == other.group
        np.testing.assert_allclose(
            [one.value, one.low, one.high, one.gap, one.gap_low, one.gap_p],
            [other.value, other.low, other.high, other.gap, other.gap_low, other.gap_p],
            rtol=1e-12,
        )
