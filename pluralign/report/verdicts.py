"""The verdict in words: one sentence per audit, measure and transition."""

from collections.abc import Sequence
from typing import TypeVar

from pluralign.records.across_seeds import AcrossSeeds
from pluralign.records.estimate import Change, MethodCounts, Summary, Verdict
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.report.outcomes import Outcome, by_slice, on_method, outcomes, worst
from pluralign.report.seeds import method_sentence
from pluralign.report.sentences import against_reference, described, judged
from pluralign.stats.audit import disparities, omnibus
from pluralign.stats.table import Table

Key = tuple[str, str, str, str]
"""Audit, measure, earlier stage, later stage."""
Row = TypeVar("Row", Change, AcrossSeeds)


def summarise(table: Table, audit: Audit, changes: Sequence[Change], seeds: Sequence[AcrossSeeds]) -> list[Summary]:
    """One line per measure and transition of `audit`, in the order of `changes`; these and `seeds` may hold others too.

    Counts are of groups over all slices: people who stand in several slices (a language, a country) count in each, so
    that a total is no number of people, and the sentence goes slice by slice. Where a stage has several seeds, a group
    counts as gained or lost only if every seed says so; what `seeds` says of the method stands beside it. `worst_group`
    has the lowest gain among groups whose uncertainty is known; it is empty where there is none, and for measures that
    describe.
    """
    found = by_key([change for change in changes if change.audit == audit.name])
    over = by_key([row for row in seeds if row.audit == audit.name])
    between = disparities(table, audit, list(dict.fromkeys(key[2:] for key in found)))
    summaries: list[Summary] = []
    for key, rows in found.items():
        measure, groups = audit.measures[key[1]], outcomes(rows, over.get(key, ()))
        lowest = None if measure.better == "neither" else worst(groups)
        summaries.append(
            Summary(
                audit=audit.name,
                measure=key[1],
                from_stage=key[2],
                to_stage=key[3],
                gain=_tally(groups, "gain"),
                loss=_tally(groups, "loss"),
                equivalent=_tally(groups, "equivalent"),
                inconclusive=_tally(groups, "inconclusive"),
                worst_group=lowest.group if lowest else "",
                omnibus_p=omnibus(between[key[1:]]),
                sentence=_sentence(key, rows, measure, groups),
                adjustment=audit.adjustment,
                between=tuple(between[key[1:]]),
                seeds=len({row.seed for row in rows}),
                method=_method(groups),
            )
        )
    return summaries


def label(audit: str, measure: str) -> str:
    """A measure's name in a sentence: `reading accuracy`."""
    return spaced(f"{audit} {measure}")


def spaced(name: str) -> str:
    """A name in a sentence: spaces for underscores."""
    return name.replace("_", " ")


def by_key(rows: Sequence[Row]) -> dict[Key, list[Row]]:
    """The rows of each audit, measure and transition, in their order."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault((row.audit, row.measure, row.from_stage, row.to_stage), []).append(row)
    return found


def _tally(found: Sequence[Outcome], verdict: Verdict) -> int:
    return sum(outcome.verdict == verdict for outcome in found)


def _method(found: Sequence[Outcome]) -> MethodCounts | None:
    verdicts = on_method(found)
    if not verdicts:
        return None
    return MethodCounts(
        gain=verdicts.count("gain"),
        loss=verdicts.count("loss"),
        equivalent=verdicts.count("equivalent"),
        inconclusive=verdicts.count("inconclusive"),
    )


def _sentence(key: Key, rows: Sequence[Change], measure: Measure, found: Sequence[Outcome]) -> str:
    audit, name, before, after = key
    seeds = len({row.seed for row in rows})
    over = f" in every one of {seeds} seeds" if seeds > 1 else ""
    lower = " (lower is better)" if measure.better == "lower" else ""
    slices = by_slice(found)
    what = f"{label(audit, name)}{lower}{over}"
    if not slices:
        return f"From {before} to {after}, {what}: no group was answered at both stages."
    told = {slice: f"{_told(part, measure, len(found), seeds)}." for slice, part in slices.items()}
    first, *others = told
    by = f" by {spaced(first)}" if others else ""
    start = f"From {before} to {after}, {what}{by}: {told[first]}"
    said = [start, *(f"By {spaced(slice)}: {told[slice]}" for slice in others)]
    of_method = "" if measure.better == "neither" else method_sentence(found, seeds, comparable=measure.comparable)
    return " ".join([*said, of_method] if of_method else said)


def _told(found: Sequence[Outcome], measure: Measure, family: int, seeds: int) -> str:
    """What became of the groups of one slice; the gaps lead where levels cannot be compared."""
    own = described(found) if measure.better == "neither" else judged(found, measure, family, seeds)
    lead = "" if measure.comparable else against_reference(found)
    return f"{lead}; each for itself, {own}" if lead else own
