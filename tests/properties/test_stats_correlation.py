"""Rank correlations in simulated audits: intervals hold the truth in 95 of 100, p below .05 in 5 of 100 without any."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from pluralign.stats import correlation
from pluralign.stats.correlation import correlate
from pluralign.stats.table import NO_STEP, Table, Words

REPLICATES = 200


@dataclass(frozen=True)
class Design:
    """An audit of two stages: the groups' means have variance 1, an answer `noise` beside it, whose variance is for a
    part `shared` that of the question, at both stages.
    """

    groups: int
    questions: int
    noise: float
    alike: float
    shared: float = 0.5

    def truth(self, random: np.random.Generator) -> np.ndarray:
        first, other = random.normal(size=(2, self.groups))
        return np.array([first, self.alike * first + np.sqrt(1 - self.alike**2) * other])

    def answers(self, random: np.random.Generator, truth: np.ndarray) -> np.ndarray:
        shape = self.questions, self.groups
        shared = random.normal(size=shape)
        own = random.normal(size=(2, *shape))
        return truth[:, None, :] + self.noise * (np.sqrt(self.shared) * shared + np.sqrt(1 - self.shared) * own)


DESIGNS = {
    "180 countries, 500 questions": Design(180, 500, 4.0, 0.6),
    "30 groups, 100 questions": Design(30, 100, 3.0, 0.8),
    "30 groups that differ little, 40 questions": Design(30, 40, 3.0, 0.7),
    "9 languages, 60 questions": Design(9, 60, 2.0, 0.5),
}


def table(values: np.ndarray) -> Table:
    """Readings `[stage, question, group]`."""
    stage, question, group = (index.ravel().astype(np.int32) for index in np.indices(values.shape))
    one = Words(np.zeros(values.size, np.int32), ("countries",))

    def words(codes: np.ndarray, prefix: str) -> Words:
        return Words(codes, tuple(f"{prefix}{code:04}" for code in range(int(codes.max()) + 1)))

    return Table(
        audit=one, measure=one, stage=words(stage, "s"), seed=np.zeros(values.size, np.int64),
        step=np.full(values.size, NO_STEP, np.int32), item=words(question, "q"), slice=one, group=words(group, "g"),
        cluster=words(question, "q"), value=values.ravel().astype(np.float64),
    )  # fmt: skip


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_the_true_order_is_covered(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlation, "PERMUTATIONS", 9)
    monkeypatch.setattr(correlation, "DRAWS", 300)
    replicates = 50 if design.groups > 100 else REPLICATES
    random = np.random.default_rng(11)
    covered = []
    for _ in range(replicates):
        truth = design.truth(random)
        rho = stats.spearmanr(*truth).statistic
        (found,) = correlate(table(design.answers(random, truth)), "countries", ("countries",))
        covered.append(found.low <= rho <= found.high)
    assert 0.95 - 4 * np.sqrt(0.95 * 0.05 / replicates) < np.mean(covered)


def test_percentiles_of_the_draws_would_lie_too_low() -> None:
    design, random = DESIGNS["30 groups that differ little, 40 questions"], np.random.default_rng(12)
    covered = []
    for _ in range(100):
        truth = design.truth(random)
        answers = design.answers(random, truth)
        weights = random.exponential(size=(200, design.questions))
        means = np.einsum("dq,sqg->sdg", weights, answers) / weights.sum(axis=1)[None, :, None]
        ranks = stats.rankdata(means, axis=2)
        ranks -= ranks.mean(axis=2, keepdims=True)
        drawn = (ranks[0] * ranks[1]).sum(axis=1) / np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
        low, high = np.quantile(drawn, (0.025, 0.975))
        covered.append(low <= stats.spearmanr(*truth).statistic <= high)
    assert np.mean(covered) < 0.85


@pytest.mark.parametrize("groups", [5, 30])
def test_orders_that_have_nothing_in_common_are_rarely_found_alike(
    groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation, "PERMUTATIONS", 199)
    monkeypatch.setattr(correlation, "DRAWS", 2)
    random = np.random.default_rng(13)
    design = Design(groups, 20, 1.0, 0.0, shared=0.0)
    p = [
        correlate(table(design.answers(random, design.truth(random))), "countries", ("countries",))[0].p
        for _ in range(300)
    ]
    assert np.mean(np.array(p) <= 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)
