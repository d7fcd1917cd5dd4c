"""Findings: everything a report is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pluralign.records.across_seeds import AcrossSeeds
from pluralign.records.estimate import Adjustment, Change, Correlation, Estimate, Summary
from pluralign.records.intersection import Intersection
from pluralign.records.measure import Measure
from pluralign.records.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit of a run, as the statistics and the report need it.

    `name` is unique in the run, `uses` the audit's module. `reference` names the reference group of each slice that has
    one; `codes` gives (slice, group) its BCP-47 or ISO 3166 code where it differs from the group's own id. `limit` is
    the number of items it was shortened to, None for all. `adjustment` is how p-values allow for the number of groups.
    `description` is one sentence for the reader. `against` names the stage that each stage's numbers are held against,
    where there is one of its kind.
    """

    name: str
    uses: str
    description: str
    measures: Mapping[str, Measure]
    reference: Mapping[str, str] = field(default_factory=dict[str, str])
    codes: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    items: int = 0
    limit: int | None = None
    adjustment: Adjustment = "holm"
    intersections: tuple[Intersection, ...] = ()
    against: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """How much each group counted at every optimiser step of a stage: group → weights, as many for each group."""

    stage: str
    weighting: str
    weights: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a run found. `transitions` are pairs of stage names; `notices` what a reader must know before believing.

    `traces` are those of the stages whose weighting is not uniform; `seeds` the gains over several training seeds.
    """

    title: str
    stages: tuple[Stage, ...]
    audits: tuple[Audit, ...]
    transitions: tuple[tuple[str, str], ...]
    estimates: tuple[Estimate, ...]
    changes: tuple[Change, ...]
    summaries: tuple[Summary, ...]
    correlations: tuple[Correlation, ...] = ()
    seeds: tuple[AcrossSeeds, ...] = ()
    notices: tuple[str, ...] = ()
    traces: tuple[Trace, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict[str, str])
