"""What a user may ask of `pluralign power`: the options of its command line."""

from dataclasses import dataclass
from pathlib import Path

GUESSES = ("share", "sd", "pairing", "cluster_size", "size_variation", "icc", "shared", "reference_items")
"""Options that guess how answers vary, in place of an earlier run."""
OF_A_RUN = ("audit", "measure", "from_stage", "to_stage")
"""Options that name something of an earlier run."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be seen, of how many items, and how answers vary: guessed, or as in an earlier run.

    Parameters
    ----------
    gap
        The gain or gap to be seen, a fraction: 0.03 for 3 points.
    margin
        To show that nothing changed by more than this.
    items
        Items of a group at hand: says what they can see.
    share
        Level of the measure, a share; 0.5 unless said.
    sd
        Standard deviation of an item's value, of what is no share.
    pairing
        Correlation of two stages' answers to an item; 0.5 unless said.
    cluster_size
        Mean number of items in a cluster; 1 unless said.
    size_variation
        Coefficient of variation of the clusters' sizes; 0 unless said.
    icc
        Intra-cluster correlation; 0 unless said.
    shared
        Groups answer the same items: correlation of their means, cluster by cluster.
    reference_items
        Items of the reference group; as many as of the group unless said.
    groups
        Groups that p-values are adjusted for (Holm's worst case); 1, or those of the earlier run.
    power
        How often a true gap is to be seen.
    alpha
        How often a gap is seen where there is none.
    like
        The folder of an earlier run, whose readings say how answers vary.
    audit
        With --like: which audit of that run.
    measure
        With --like: which measure of that audit.
    from_stage
        With --like: the earlier of the two stages to plan by; that run's first ladder unless said.
    to_stage
        With --like: the later of the two.

    """

    gap: float | None = None
    margin: float | None = None
    items: int | None = None
    share: float | None = None
    sd: float | None = None
    pairing: float | None = None
    cluster_size: float | None = None
    size_variation: float | None = None
    icc: float | None = None
    shared: float | None = None
    reference_items: int | None = None
    groups: int | None = None
    power: float = 0.8
    alpha: float = 0.05
    like: Path | None = None
    audit: str | None = None
    measure: str | None = None
    from_stage: str | None = None
    to_stage: str | None = None
