"""Where all groups gained the same, one test in twenty tells them apart and no more."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from pluralign.stats.contrast import against, against_others
from pluralign.stats.many import equal_means
from pluralign.stats.panel import Panel
from pluralign.stats.spread import take_spread

REPLICATES = 800
ERROR = 4 * np.sqrt(0.95 * 0.05 / REPLICATES)
"""Four standard errors of a simulated rate of 5%."""

Grouped = Callable[[np.ndarray, np.ndarray], Panel]


def separate(random: np.random.Generator, counts: tuple[int, ...], spreads: tuple[float, ...]) -> Iterator[Any]:
    """Groups with items of their own, in clusters of two."""
    cluster = np.repeat(np.arange(sum(counts)), 2)
    group = np.repeat(np.arange(len(counts)), 2 * np.array(counts))
    while True:
        noise = random.normal(size=sum(counts))[cluster] + random.normal(size=len(cluster))
        yield noise * np.array(spreads)[group], group, cluster


def parallel(random: np.random.Generator, clusters: int, groups: int, absent: float) -> Iterator[Any]:
    """The same items in every group, of which a share is absent; groups are unlike in their spread."""
    while True:
        shared = random.normal(size=(clusters, 1))
        values = shared + random.normal(size=(clusters, groups)) * np.linspace(0.5, 2, groups)
        cluster, group = np.nonzero(random.random((clusters, groups)) >= absent)
        yield values[cluster, group], group, cluster


DIFFERENCES = {
    "two small groups": (separate, ((12, 12), (1.0, 1.0))),
    "unequal groups": (separate, ((8, 60), (3.0, 1.0))),
    "five groups": (separate, ((20, 30, 20, 30, 40), (1.0, 2.0, 1.0, 3.0, 1.0))),
    "parallel items": (parallel, (12, 3, 0.0)),
    "parallel items in six groups": (parallel, (40, 6, 0.0)),
    "partly parallel items": (parallel, (60, 3, 0.3)),
}


@pytest.mark.parametrize(("make", "options"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_differences_in_differences_that_are_none(
    grouped: Grouped, make: Callable[..., Iterator[Any]], options: tuple[Any, ...]
) -> None:
    draws = make(np.random.default_rng(5), *options)
    rejected = covered = omnibus = others = 0
    for _ in range(REPLICATES):
        values, group, cluster = next(draws)
        spread = take_spread(values, grouped(group, cluster), None)
        found = against(spread, 0)
        others += against_others(spread).p[0] < 0.05
        rejected += found.p[1] < 0.05
        covered += found.low[1] <= 0 <= found.high[1]
        omnibus += equal_means(spread) < 0.05
    assert rejected / REPLICATES == pytest.approx(0.05, abs=ERROR)
    assert covered / REPLICATES == pytest.approx(0.95, abs=ERROR)
    assert omnibus / REPLICATES <= 0.05 + ERROR
    assert others / REPLICATES == pytest.approx(0.05, abs=ERROR)


def test_differences_fail_where_shared_items_are_taken_for_separate_ones(grouped: Grouped) -> None:
    """Items that change alike in two groups: taken as separate, the difference is hardly ever seen to be sure."""
    draws = parallel(np.random.default_rng(6), 30, 2, 0.0)
    rejected = 0
    for _ in range(REPLICATES):
        values, group, cluster = next(draws)
        values = values + 3 * np.sin(np.arange(30))[cluster]
        spread = take_spread(values, grouped(group, cluster + 30 * group), None)
        rejected += against(spread, 0).p[1] < 0.05
    assert rejected / REPLICATES < 0.05 - ERROR


def test_answers_that_rarely_change_do_not_set_groups_apart(grouped: Grouped) -> None:
    """Two groups of 30 and 60 items, of which one in twenty changes to or fro: cautious, never rash."""
    random = np.random.default_rng(8)
    group = np.repeat([0, 1], [30, 60])
    panel = grouped(group, np.arange(90))
    rejected = omnibus = 0
    for _ in range(REPLICATES):
        place = random.random(90)
        spread = take_spread((place < 0.025).astype(float) - (place > 0.975), panel, (-1.0, 1.0))
        found = against(spread, 0)
        assert found.low[1] < found.value[1] < found.high[1]
        rejected += found.p[1] < 0.05
        omnibus += equal_means(spread) < 0.05
    assert rejected / REPLICATES <= 0.05 + ERROR
    assert omnibus / REPLICATES <= 0.05 + ERROR
