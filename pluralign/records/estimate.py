"""What the statistics say: a group's value at a stage, a group's gain between two stages, and the verdict.

The fields are the columns of the report's files, in order. Values are fractions, nats or ranks, never percentages; NaN
says that it cannot be known, and is an empty field in the files.
"""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["gain", "loss", "equivalent", "inconclusive"]

ALL = "all"
"""The group that stands for everyone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A group's value at a stage, with its interval, and its gap to the reference group (own minus reference)."""

    audit: str
    measure: str
    stage: str
    seed: int
    step: int | None
    slice: str
    group: str
    code: str
    value: float
    low: float
    high: float
    n: int
    clusters: int
    missing: int
    unit: str
    relative_to: str
    gap: float
    gap_low: float
    gap_high: float
    gap_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A group's gain between two stages, signed so that positive is better, paired on items and clustered.

    `relative_gain` is the gain less that of the reference group `relative_to` (difference in differences).
    `p_adjusted` is Holm's over the groups of one audit, measure and transition. `minimum_detectable` is the gain that
    80% of such audits would have seen at the 5% level.
    """

    audit: str
    measure: str
    from_stage: str
    to_stage: str
    seed: int
    slice: str
    group: str
    code: str
    gain: float
    low: float
    high: float
    p: float
    p_adjusted: float
    relative_to: str
    relative_gain: float
    relative_low: float
    relative_high: float
    relative_p: float
    relative_p_adjusted: float
    verdict: Verdict
    minimum_detectable: float
    n: int
    clusters: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One audit, measure and transition in a line: how many groups gained, lost, are equivalent or inconclusive.

    Counts are of groups, without `all`. `omnibus_p` tests that all groups gained the same. `sentence` says it in words.
    """

    audit: str
    measure: str
    from_stage: str
    to_stage: str
    gain: int
    loss: int
    equivalent: int
    inconclusive: int
    worst_group: str
    omnibus_p: float
    sentence: str
