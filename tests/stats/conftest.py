"""Small tables of readings, and panels of values, for tests of the statistics."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.stats.panel import Panel, Rung
from pluralign.stats.table import Table, TableBuilder

Value = float | int | np.floating


@pytest.fixture(scope="session")
def make_panel() -> Callable[..., Panel]:
    def make(group: Sequence[int] | np.ndarray, cluster: Sequence[int] | np.ndarray) -> Panel:
        """A panel for values that are handed over beside it: one unit per entry."""
        group, cluster = np.asarray(group, np.int64), np.asarray(cluster, np.int64)
        names = tuple(f"g{index}" for index in range(int(group.max()) + 1))
        rungs = (Rung("base", 0, None),)
        return Panel("language", rungs, names, group, cluster, int(cluster.max()) + 1, np.zeros((1, len(group))))

    return make


@pytest.fixture(scope="session")
def make_table() -> Callable[..., Table]:
    def make(stages: dict[str, dict[str, Sequence[Value]]], per_cluster: int = 1, parallel: bool = False) -> Table:
        """Readings of "score" by stage and group; `per_cluster` items in a row share a cluster."""
        builder = TableBuilder()
        for stage, groups in stages.items():
            for group, values in groups.items():
                for index, value in enumerate(values):
                    builder.append(
                        audit="reading",
                        measure="score",
                        stage=stage,
                        item=f"{index}" if parallel else f"{group}-{index}",
                        slice="language",
                        group=group,
                        cluster=f"{'' if parallel else group}{index // per_cluster}",
                        value=float(value),
                    )
        return builder.build()

    return make


@pytest.fixture(scope="session")
def make_audit() -> Callable[..., Audit]:
    def make(measure: Measure | None = None, **fields: object) -> Audit:
        measure = measure or Measure("share of right answers")
        return Audit(name="reading", uses="belebele", description="", measures={"score": measure}, **fields)  # pyright: ignore[reportArgumentType]

    return make
