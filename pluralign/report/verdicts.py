"""The verdict in words: one sentence per audit, measure and transition."""

from collections.abc import Sequence

from pluralign.records.estimate import Change, Summary, Verdict
from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.report.outcomes import Outcome, outcomes, worst
from pluralign.report.sentences import against_reference, described, judged
from pluralign.stats.audit import omnibus
from pluralign.stats.table import Table

Key = tuple[str, str, str, str]
"""Audit, measure, earlier stage, later stage."""


def summarise(table: Table, audit: Audit, changes: Sequence[Change]) -> list[Summary]:
    """One line per measure and transition of `audit`, in the order of `changes` (which may hold other audits too).

    Counts are of groups over all slices. Where a stage has several seeds, a group counts as gained or lost only if
    every seed says so. `worst_group` has the lowest gain among groups whose uncertainty is known; it is empty where
    there is none, and for measures that describe.
    """
    found = by_key([change for change in changes if change.audit == audit.name])
    p = omnibus(table, audit, list(dict.fromkeys(key[2:] for key in found)))
    summaries: list[Summary] = []
    for key, rows in found.items():
        measure, groups = audit.measures[key[1]], outcomes(rows)
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
                omnibus_p=p[key[1:]],
                sentence=_sentence(key, rows, measure, groups),
            )
        )
    return summaries


def label(audit: str, measure: str) -> str:
    """A measure's name in a sentence: `reading accuracy`."""
    return f"{audit} {measure}".replace("_", " ")


def by_key(changes: Sequence[Change]) -> dict[Key, list[Change]]:
    """The changes of each audit, measure and transition, in their order."""
    found: dict[Key, list[Change]] = {}
    for change in changes:
        found.setdefault((change.audit, change.measure, change.from_stage, change.to_stage), []).append(change)
    return found


def _tally(found: Sequence[Outcome], verdict: Verdict) -> int:
    return sum(outcome.verdict == verdict for outcome in found)


def _sentence(key: Key, rows: Sequence[Change], measure: Measure, found: Sequence[Outcome]) -> str:
    audit, name, before, after = key
    seeds = len({row.seed for row in rows})
    over = f" in every one of {seeds} seeds" if seeds > 1 else ""
    lower = " (lower is better)" if measure.better == "lower" else ""
    start = f"From {before} to {after}, {label(audit, name)}{lower}{over}: "
    if not found:
        return f"{start}no group was answered at both stages."
    own = described(found) if measure.better == "neither" else judged(found, measure)
    if measure.comparable:
        return f"{start}{own}."
    lead = against_reference(found)
    return f"{start}{lead}; each for itself, {own}." if lead else f"{start}{own}."
