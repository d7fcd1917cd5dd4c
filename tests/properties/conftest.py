"""Simulated audits: many replicates at once, each a group of one panel."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jaxtyping
import numpy as np
import pytest

from pluralign.stats.panel import Panel, Rung


@dataclass(frozen=True)
class Design:
    """`sizes`: items per cluster; `together`: the share of the variance that a cluster's items have in common."""

    sizes: tuple[int, ...]
    together: float = 0.0

    @property
    def cluster(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def noise(self, random: np.random.Generator, replicates: int) -> np.ndarray:
        """Standard normal `[replicate, item]`."""
        shared = random.normal(size=(replicates, len(self.sizes)))[:, self.cluster]
        own = random.normal(size=(replicates, len(self.cluster)))
        return np.sqrt(self.together) * shared + np.sqrt(1 - self.together) * own

    def shares(self, random: np.random.Generator, replicates: int, share: float) -> np.ndarray:
        """Right or wrong `[replicate, item]`; a cluster's own share is a beta of variance `together` p (1 - p)."""
        if self.together == 0:
            return (random.random((replicates, len(self.cluster))) < share).astype(float)
        precision = (1 - self.together) / self.together
        own = random.beta(share * precision, (1 - share) * precision, (replicates, len(self.sizes)))
        return (random.random((replicates, len(self.cluster))) < own[:, self.cluster]).astype(float)


@pytest.fixture(scope="module", autouse=True)
def _types_unchecked() -> Iterator[None]:
    """Simulations call the same functions thousands of times: checking shapes anew would take most of their time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def panel(group: np.ndarray, cluster: np.ndarray, groups: int) -> Panel:
    names = tuple(f"g{index}" for index in range(groups))
    rungs = (Rung("base", 0, None),)
    return Panel("language", rungs, names, group, cluster, int(cluster.max()) + 1, np.zeros((1, len(group))))


@pytest.fixture(scope="session")
def replicated() -> Callable[[Design | np.ndarray, int], Panel]:
    """A panel whose groups are replicates of one design (or of one array of clusters)."""

    def make(design: Design | np.ndarray, replicates: int) -> Panel:
        cluster = design if isinstance(design, np.ndarray) else design.cluster
        group = np.repeat(np.arange(replicates), len(cluster))
        return panel(group, np.tile(cluster, replicates), replicates)

    return make


@pytest.fixture(scope="session")
def grouped() -> Callable[[np.ndarray, np.ndarray], Panel]:
    """A panel of some groups and clusters, one unit per entry."""

    def make(group: np.ndarray, cluster: np.ndarray) -> Panel:
        return panel(group, cluster, int(group.max()) + 1)

    return make


@pytest.fixture(scope="session")
def design() -> type[Design]:
    return Design
