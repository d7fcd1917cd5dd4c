"""What became of each group between two stages, over all seeds: what sentences are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from pluralign.records.across_seeds import AcrossSeeds
from pluralign.records.estimate import ALL, Change, Verdict
from pluralign.report.names import display
from pluralign.stats.spread import ALPHA

NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One group's change.

    `verdict` is of these models: what every seed says, "inconclusive" where they differ; `method` is the verdict on the
    method that makes such models, None with fewer than three seeds. `gain`, and `against`, the gain less the reference
    group's, are means over the seeds; `changed` and `moved` say whether each of them differs from zero in every seed,
    in one direction, after adjustment; `method_moved` whether the latter does by the method. `bounded`: whether the
    uncertainty of the gain is known. `detectable` is the largest of the minimum detectable gains, NaN where one is not
    known.
    """

    slice: str
    group: str
    name: str
    verdict: Verdict
    method: Verdict | None
    gain: float
    bounded: bool
    changed: bool
    detectable: float
    reference: str
    against: float
    moved: bool
    method_moved: bool
    unit: str


def outcomes(changes: Sequence[Change], seeds: Sequence[AcrossSeeds]) -> list[Outcome]:
    """One outcome per slice and group, without `all`; `changes` and `seeds` are of one measure and transition."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        if change.group != ALL:
            groups.setdefault((change.slice, change.group), []).append(change)
    codes = {key: rows[0].code for key, rows in groups.items()}
    over = {(row.slice, row.group): row for row in seeds}
    return [_outcome(rows, codes, over.get(key)) for key, rows in groups.items()]


def by_slice(found: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes slice by slice, in their order: the same people stand in every slice, so that slices never add up."""
    slices: dict[str, list[Outcome]] = {}
    for outcome in found:
        slices.setdefault(outcome.slice, []).append(outcome)
    return slices


def on_method(found: Sequence[Outcome]) -> list[Verdict]:
    """The verdicts on the method, group by group; empty where there are too few training seeds for any."""
    if all(outcome.method is None for outcome in found):
        return []
    return [outcome.method or "inconclusive" for outcome in found]


def _outcome(seeds: Sequence[Change], codes: Mapping[tuple[str, str], str], over: AcrossSeeds | None) -> Outcome:
    first = seeds[0]
    verdicts = {seed.verdict for seed in seeds}
    reference = "" if first.relative_to in ("", first.group) else first.relative_to
    return Outcome(
        slice=first.slice,
        group=first.group,
        name=display(first.slice, first.group, first.code),
        verdict=first.verdict if len(verdicts) == 1 else "inconclusive",
        method=None if over is None else over.method_verdict,
        gain=_mean([seed.gain for seed in seeds]),
        bounded=not any(isnan(seed.low) for seed in seeds),
        changed=_sure([seed.gain for seed in seeds], [seed.p_adjusted for seed in seeds]),
        detectable=NAN if any(isnan(s.minimum_detectable) for s in seeds) else max(s.minimum_detectable for s in seeds),
        reference=display(first.slice, reference, codes.get((first.slice, reference), reference)),
        against=_mean([seed.relative_gain for seed in seeds]),
        moved=_sure([seed.relative_gain for seed in seeds], [seed.relative_p_adjusted for seed in seeds]),
        method_moved=over is not None and over.relative_p_adjusted < ALPHA,
        unit=first.unit,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _sure(values: Sequence[float], p: Sequence[float]) -> bool:
    """Whether every seed is sure, and all in one direction."""
    return all(x < ALPHA for x in p) and len({x > 0 for x in values}) == 1


def worst(found: Sequence[Outcome]) -> Outcome | None:
    """The group with the lowest gain among those whose uncertainty is known; the first of several."""
    known = [outcome for outcome in found if outcome.bounded]
    return min(known, key=lambda outcome: outcome.gain, default=None)
