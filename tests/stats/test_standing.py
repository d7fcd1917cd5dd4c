"""Where one group stands among all: the share of the others above it, for that group alone, with bounds."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

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
    """Six clusters are too few to be sure of anything; of twelve that all say the same, the third surely is above."""
    for clusters, bounds in ((6, (0.0, 1.0)), (12, (0.5, 1.0))):
        panel = make_panel([0, 1, 2] * clusters, np.repeat(np.arange(clusters), 3))
        assert share_above(np.array([1.0, 1.0, 2.0] * clusters), panel, 0) == (0.5, *bounds)


def test_bounds_of_two_others_are_those_of_paired_tests(make_panel: Callable[..., Panel]) -> None:
    """With two others, one is surely above where the smaller p lies below .0125, or both below .025 (Simes)."""
    panel, found = make_panel(np.tile(np.arange(3), 30), np.repeat(np.arange(30), 3)), set[tuple[float, float]]()
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(30, 3)) + np.array([0.0, 0.5, -0.5])
        up, down = (
            sorted(stats.ttest_rel(values[:, other], values[:, 0], alternative=side).pvalue for other in (1, 2))
            for side in ("greater", "less")
        )
        surely_up, surely_down = (p[0] <= 0.0125 or p[1] <= 0.025 for p in (up, down))
        _, low, high = share_above(values.ravel(), panel, 0)
        assert (low > 0, high < 1) == (surely_up, surely_down)
        found.add((low, high))
    assert found == {(0.0, 1.0), (0.5, 1.0), (0.0, 0.5), (0.5, 0.5)}


def test_what_is_missing_is_left_out(make_panel: Callable[..., Panel]) -> None:
    panel = make_panel([0, 1, 2] * 6, np.repeat(np.arange(6), 3))
    values = np.array([1.0, np.nan, 2.0] * 6)
    assert share_above(values, panel, 0)[0] == 1.0
    assert np.isnan(share_above(values, panel, 1)).all()


EVEN = np.linspace(-1, 1, 21)
CLUMP = np.concatenate((np.linspace(-0.2, 0.2, 30), np.linspace(1, 3, 11)))
"""Thirty groups that lie close together, and others far off."""


@pytest.mark.parametrize("place", [0, 1, 10, -1])
@pytest.mark.parametrize("means", [EVEN, CLUMP], ids=["even", "clump"])
def test_bounds_cover_the_share_of_the_questions_there_could_be(
    make_panel: Callable[..., Panel], means: np.ndarray, place: int
) -> None:
    """At least 95% of 60 less three standard errors, wherever the group stands, first and last among near ones too."""
    groups, place = len(means), place % len(means)
    panel = make_panel(np.tile(np.arange(groups), 60), np.repeat(np.arange(60), groups))
    inside, width = 0, 0.0
    for seed in range(60):
        values = means + np.random.default_rng(seed).normal(0, 2, (60, groups))
        _, low, high = share_above(values.ravel(), panel, place)
        inside += low - 1e-9 <= (means > means[place]).sum() / (groups - 1) <= high + 1e-9
        width += (high - low) / 60
    assert inside >= 52
    assert width < 0.95, "bounds say something"


def test_a_group_that_is_first_in_every_question_is_surely_first(make_panel: Callable[..., Panel]) -> None:
    """Its own rank never varies; the others' do."""
    random = np.random.default_rng(0)
    ranks = np.array([[1, *random.permutation(np.arange(2, 9))] for _ in range(40)], float)
    panel = make_panel(np.tile(np.arange(8), 40), np.repeat(np.arange(40), 8))
    assert share_above(ranks.ravel(), panel, 0) == (1.0, 1.0, 1.0)


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
