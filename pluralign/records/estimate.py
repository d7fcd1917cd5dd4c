"""What the statistics say: a group's value at a stage, a group's gain between two stages, and the verdict.

The fields are the columns of the report's files, in order. Values are fractions, nats or ranks, never percentages; NaN
says that it cannot be known, and is an empty field in the files.
"""

from dataclasses import dataclass
from math import nan
from typing import Literal

Verdict = Literal["gain", "loss", "equivalent", "inconclusive"]
Adjustment = Literal["holm", "bh"]

ALL = "all"
"""The group that stands for everyone."""

SURVEY = "survey"
"""The measure of a survey, whose values by group stages are correlated with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A group's value at a stage, with its interval, and its gap to the reference group (own minus reference).

    Of intersections of slices `shrunk`, with its interval, is the value drawn towards `shrunk_to`: what the cell's
    groups alone would give ("additive"), or the mean of all cells. A cell with too few clusters is `suppressed`: it has
    no numbers, not even counts, and says here how many clusters it has at most ("<30").
    """

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
    n: int | None
    clusters: int | None
    missing: int | None
    unit: str
    relative_to: str
    gap: float
    gap_low: float
    gap_high: float
    gap_p: float
    shrunk: float = nan
    shrunk_low: float = nan
    shrunk_high: float = nan
    shrunk_to: Literal["additive", "mean", ""] = ""
    suppressed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A group's gain between two stages, signed so that positive is better, paired on items and clustered.

    `relative_gain` is the gain less that of the reference group `relative_to` (difference in differences).
    `p_adjusted` allows for all groups of one audit, measure and transition by the rule `adjustment`: Holm's, or that of
    Benjamini and Hochberg. `minimum_detectable` is the gain that 80% of such audits would have seen at the 5% level.

    `others_gain` is the gain less the unweighted mean of the other groups'. `p_max_t` is `p` adjusted by the largest
    statistic over the groups (Westfall and Young). `improved` and `worsened` count items, None for a measure that is
    no mean of readings; `exact_p` is McNemar's exact p, of right and wrong answers in clusters of one item. `effect`
    has no unit: Cohen's h of right and wrong answers, else the gain over the standard deviation of the earlier
    readings. `above_chance` is what the later stage has above chance over what the earlier one had, where that is
    surely above.
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
    others_gain: float
    others_low: float
    others_high: float
    others_p: float
    others_p_adjusted: float
    p_max_t: float
    adjustment: Adjustment
    improved: int | None
    worsened: int | None
    exact_p: float
    effect: float
    above_chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disparity:
    """How unlike the gains of a slice's groups are between two stages, with one seed.

    Only the `groups` whose uncertainty is known count. `equal_p` tests that all gained the same. `spread` is the
    standard deviation of their true gains: what is observed less what sampling adds. `worst_group` gained least,
    `best_group` most; `worst_low` to `worst_high` holds the gain of the worst in 95 of 100 audits although it was
    chosen for being lowest. `losing` is the share of groups whose true gain is below zero. `gap` is the largest gain
    less the smallest, `gap_if_equal` what chance alone would make of it, `gap_p` its p; `pairs_p` is the p of the two
    groups that lie furthest apart in standard errors, among all pairs. For measures that describe there is no worst
    group, no best and none that loses. NaN with fewer than two such groups.
    """

    slice: str
    seed: int
    groups: int
    equal_p: float
    spread: float
    spread_low: float
    spread_high: float
    worst_group: str
    worst_gain: float
    worst_low: float
    worst_high: float
    best_group: str
    losing: float
    losing_low: float
    losing_high: float
    gap: float
    gap_if_equal: float
    gap_p: float
    pairs_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCounts:
    """How many groups the method makes gain or lose, whatever the training seed, and of how many that is not known."""

    gain: int
    loss: int
    equivalent: int
    inconclusive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One audit, measure and transition in a line: how many groups gained, lost, are equivalent or inconclusive.

    Counts are of groups, without `all`, and speak of these models: where a stage has several training `seeds`, of what
    every one of them says. `method` speaks of the method that makes such models; None with fewer than 3 seeds, which
    say nothing of it. `omnibus_p` tests that all groups gained the same. `sentence` says it in words.
    `adjustment` is the rule of the p-values that the verdicts follow. `between` says how unlike the groups are,
    slice by slice and seed by seed.
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
    adjustment: Adjustment
    between: tuple[Disparity, ...]
    seeds: int
    method: MethodCounts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """How alike two stages, or a stage and a survey, order the groups of an audit: rank correlations of their means.

    `spearman` with its 95% interval over clusters, `low` to `high`, and the p of random orders; `kendall` is tau-b;
    `n` counts groups. A stage stands by a measure of its own; a survey stands on the right, by its name, and its
    measure is "survey".
    """

    audit: str
    left: str
    left_measure: str
    right: str
    right_measure: str
    spearman: float
    kendall: float
    low: float
    high: float
    p: float
    n: int
