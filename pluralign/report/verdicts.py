"""The verdict in words: one sentence per audit, measure and transition, and one for the whole ladder."""

from collections.abc import Mapping, Sequence

from pluralign.records.estimate import Change, Summary, Verdict
from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.report.outcomes import Outcome, outcomes, worst
from pluralign.report.sentences import against_reference, described, judged, listed, signed
from pluralign.report.wording import count
from pluralign.stats.audit import Transition, omnibus
from pluralign.stats.table import Table

Key = tuple[str, str, str, str]
"""Audit, measure, earlier stage, later stage."""

NOT_COMPARABLE = "levels cannot be compared between groups, because they answered different questions"


def summarise(table: Table, audit: Audit, changes: Sequence[Change]) -> list[Summary]:
    """One line per measure and transition of `audit`, in the order of `changes` (which may hold other audits too).

    Counts are of groups over all slices. Where a stage has several seeds, a group counts as gained or lost only if
    every seed says so. `worst_group` has the lowest gain among groups whose uncertainty is known; it is empty where
    there is none, and for measures that describe.
    """
    found = _by_key([change for change in changes if change.audit == audit.name])
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


def headline(findings: Findings) -> str:
    """The one sentence that stands first: what the whole way, from the first stage to the last, did to the groups.

    It counts verdicts on groups, names the group that came off worst, and claims nothing that no verdict claims.
    """
    ways = whole_ways(findings)
    if not ways:
        return "No verdict: no stage was compared with the one that it came from."
    audits = {audit.name: audit for audit in findings.audits}
    whole = {
        key: outcomes(rows)
        for key, rows in _by_key(findings.changes).items()
        if key[2:] in ways and audits[key[0]].measures[key[1]].better != "neither"
    }
    everyone = [outcome for found in whole.values() for outcome in found]
    start = _ways(ways)
    if any(audit.limit is not None for audit in findings.audits):
        start = f"in shortened audits, {start}"
    start = start[0].upper() + start[1:]
    if not everyone:
        return f"{start}: no verdict, because no audit was answered at both ends."
    claims = f"{_tallies(everyone)}{_fell_behind(whole, audits)}{_worst_of(whole, len(ways))}"
    return f"{start}, {_subject(whole)}: {claims}."


def whole_ways(findings: Findings) -> tuple[Transition, ...]:
    """The transitions from a ladder's first stage to its last; a reward model is no last stage."""
    climbing = [stage for stage in findings.stages if stage.kind != "reward"]
    below = {parent for stage in climbing for parent in stage.parents}
    first = {stage.name for stage in findings.stages if not stage.parents}
    last = {stage.name for stage in climbing if stage.name not in below}
    return tuple((start, end) for start, end in findings.transitions if start in first and end in last)


def label(audit: str, measure: str) -> str:
    """A measure's name in a sentence: `reading accuracy`."""
    return f"{audit} {measure}".replace("_", " ")


def _by_key(changes: Sequence[Change]) -> dict[Key, list[Change]]:
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
    return f"{start}{lead}; {NOT_COMPARABLE}; each for itself, {own}." if lead else f"{start}{own}; {NOT_COMPARABLE}."


def _ways(ways: Sequence[Transition]) -> str:
    if len(ways) > 2:
        return f"over {len(ways)} ladders from first stage to last"
    return listed([f"from {start} to {end}" for start, end in ways])


def _subject(whole: Mapping[Key, Sequence[Outcome]]) -> str:
    labels = list(dict.fromkeys(label(*key[:2]) for key in whole))
    audits = list(dict.fromkeys(key[0] for key in whole))
    what = listed(labels) if len(labels) < 4 else f"{len(labels)} measures of {listed(audits)}"
    return f"{count(sum(map(len, whole.values())), 'verdict')} on groups in {what}"


def _tallies(found: Sequence[Outcome]) -> str:
    lost = _tally(found, "loss")
    return listed(
        [
            count(_tally(found, "gain"), "gain"),
            f"{lost} loss" if lost == 1 else f"{lost} losses",
            f"{_tally(found, 'equivalent')} without a change that matters",
            f"{_tally(found, 'inconclusive')} that cannot be known yet",
        ]
    )


def _fell_behind(whole: Mapping[Key, Sequence[Outcome]], audits: Mapping[str, Audit]) -> str:
    """Where levels cannot be compared, how many groups surely fell behind their reference group."""
    apart = [found for key, found in whole.items() if not audits[key[0]].measures[key[1]].comparable]
    gaps = [outcome for found in apart for outcome in found if outcome.reference]
    behind = sum(outcome.moved and outcome.against < 0 for outcome in gaps)
    return f"; {behind} of {len(gaps)} gaps to a reference group widened against the group" if behind else ""


def _worst_of(whole: Mapping[Key, Sequence[Outcome]], ways: int) -> str:
    """The group with the lowest gain: among the losses if there are any, among shares if there are any."""
    known = [(key, outcome) for key, found in whole.items() for outcome in found if outcome.bounded]
    lost = [pair for pair in known if pair[1].verdict == "loss"] or known
    shares = [pair for pair in lost if pair[1].unit == "share"] or lost
    if not shares:
        return ""
    key, lowest = min(shares, key=lambda pair: pair[1].gain)
    chance = ", which may be chance" if lowest.verdict == "inconclusive" else ""
    where = f" to {key[3]}" if ways > 1 else ""
    return f"; lowest: {lowest.name} in {label(*key[:2])}{where} ({signed(lowest.gain, lowest.unit)}{chance})"
