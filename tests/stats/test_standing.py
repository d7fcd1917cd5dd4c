"""Where one group stands among all: the share of the others above it, for that group alone, with bounds."""

from collections.abc import Callable

import numpy as np
import pytest

from pluralign.records.findings import Audit
from pluralign.records.measure import Measure, Statistic
from pluralign.stats.audit import compare, estimate
from pluralign.stats.panel import Panel
from pluralign.stats.standing import share_above
from pluralign.stats.table import Table, TableBuilder

RANK = Measure("rank", unit="rank", better="lower", margin=None)
SHARE = Measure(
    "share above",
    better="neither",
    statistic=Statistic(kind="ranked_worse", of=("rank", "reward_rank")),
    changes=False,
)
AUDIT = Audit(
    name="countries",
    uses="countries",
    description="",
    measures={"rank": RANK, "reward_rank": RANK, "share": SHARE},
    reference={"country": "USA"},
)


def table_of(stages: dict[str, tuple[str, np.ndarray]], groups: list[str]) -> Table:
    """Readings of a measure by stage: values `[question, group]`."""
    builder = TableBuilder()
    for stage, (measure, values) in stages.items():
        for question, row in enumerate(values):
            for group, value in zip(groups, row, strict=True):
                builder.append(
                    audit="countries",
                    measure=measure,
                    stage=stage,
                    item=str(question),
                    slice="country",
                    group=group,
                    cluster=str(question),
                    value=float(value),
                )
    return builder.build()


def test_the_share_is_that_of_larger_means(make_panel: Callable[..., Panel]) -> None:
    values = np.random.default_rng(0).normal(size=(40, 9)) + np.linspace(0, 3, 9)
    panel = make_panel(np.tile(np.arange(9), 40), np.repeat(np.arange(40), 9))
    for reference in range(9):
        share, low, high = share_above(values.ravel(), panel, reference)
        others = np.delete(values.mean(axis=0), reference)
        assert share == (others > values.mean(axis=0)[reference]).mean()
        assert 0 <= low <= share <= high <= 1


def test_a_tie_is_not_above(make_panel: Callable[..., Panel]) -> None:
    panel = make_panel([0, 1, 2] * 6, np.repeat(np.arange(6), 3))
    assert share_above(np.array([1.0, 1.0, 2.0] * 6), panel, 0) == (0.5, 0.5, 0.5)


def test_what_is_missing_is_left_out(make_panel: Callable[..., Panel]) -> None:
    panel = make_panel([0, 1, 2] * 6, np.repeat(np.arange(6), 3))
    values = np.array([1.0, np.nan, 2.0] * 6)
    assert share_above(values, panel, 0)[0] == 1.0
    assert np.isnan(share_above(values, panel, 1)).all()


@pytest.mark.parametrize(("place", "least"), [(3, 52), (10, 52), (0, 43), (20, 43)])
def test_bounds_cover_the_share_of_the_questions_there_could_be(
    make_panel: Callable[..., Panel], place: int, least: int
) -> None:
    """95% of 60, less three standard errors; 86%, less as many, of the first and the last of all."""
    means = np.linspace(-1, 1, 21)
    panel = make_panel(np.tile(np.arange(21), 60), np.repeat(np.arange(60), 21))
    inside = 0
    for seed in range(60):
        values = means + np.random.default_rng(seed).normal(0, 2, (60, 21))
        _, low, high = share_above(values.ravel(), panel, place)
        inside += low - 1e-9 <= (20 - place) / 20 <= high + 1e-9
    assert inside >= least


def test_it_is_said_of_the_reference_group_alone_at_every_stage() -> None:
    draw = np.random.default_rng(1)
    groups = ["FRA", "Narnia", "USA", "MLI"]
    worse = draw.normal((0, 9, 3, 9), size=(30, 4))
    better = draw.normal((5, 9, 0, 9), size=(30, 4))
    table = table_of({"base": ("rank", worse), "tuned": ("rank", better), "reward": ("reward_rank", worse)}, groups)
    rows = [row for row in estimate(table, AUDIT) if row.measure == "share"]
    assert [(row.stage, row.group) for row in rows] == [("base", "USA"), ("tuned", "USA"), ("reward", "USA")]
    assert [row.value for row in rows] == pytest.approx([2 / 3, 1, 2 / 3])
    assert all(row.low - 1e-9 <= row.value <= row.high + 1e-9 for row in rows)
    assert all(row.n == row.clusters == 30 and not row.missing for row in rows)
    assert {row.measure for row in compare(table, AUDIT, [("base", "tuned")])} == {"rank"}


def test_without_the_reference_group_nothing_is_said() -> None:
    table = table_of({"base": ("rank", np.zeros((9, 2)))}, ["FRA", "MLI"])
    assert [row for row in estimate(table, AUDIT) if row.measure == "share"] == []
