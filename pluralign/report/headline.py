"""The one sentence that stands first in the report and last on the terminal."""

from collections.abc import Mapping, Sequence

from pluralign.records.across_seeds import FEWEST_SEEDS
from pluralign.records.findings import Audit, Findings
from pluralign.report.ladders import whole_ways
from pluralign.report.outcomes import Outcome, by_slice, on_method, outcomes
from pluralign.report.sentences import listed, signed, tallied
from pluralign.report.verdicts import Key, by_key, label, spaced
from pluralign.report.wording import count

Whole = Mapping[Key, Sequence[Outcome]]


def headline(findings: Findings) -> str:
    """What the whole way, from the first stage to the last, did to the groups of every audit.

    It counts verdicts by the first judged measure of an audit along its first slice, names who fell behind where only
    gaps can be compared, and names the hardest hit among those whose loss is sure, be it by whatever measure and slice;
    it claims nothing that no verdict claims. Verdicts are of these models; those of the method stand beside them, or
    that there are none.
    """
    climbing = [stage for stage in findings.stages if stage.kind != "reward"]
    ways = whole_ways(climbing, findings.transitions)
    if len({stage.name for stage in findings.stages}) == 1:
        return "No verdict: there is one stage, and none to compare it with; see where each group stands."
    if not ways:
        return "No verdict: no stage was compared with the one that it came from."
    over = by_key(findings.seeds)
    changes = {key: rows for key, rows in by_key(findings.changes).items() if key[2:] in ways}
    found = {key: outcomes(rows, over.get(key, ())) for key, rows in changes.items()}
    leads = [(audit, whole) for audit in findings.audits if (whole := _lead(audit, found))]
    clauses = [_clause(audit, whole) for audit, whole in leads]
    measures = {(audit.name, name): measure for audit in findings.audits for name, measure in audit.measures.items()}
    judged = {key: rows for key, rows in found.items() if measures[key[:2]].better != "neither"}
    start = f"From {ways[0][0]} to {ways[0][1]}" if len(ways) == 1 else f"Over {len(ways)} ladders, first stage to last"
    if any(audit.limit is not None for audit in findings.audits):
        start += ", in shortened audits"
    if not clauses:
        return f"{start}: no verdict, because no audit was answered at both ends."
    trained = {stage.name for stage in climbing if stage.method is not None}
    unsaid = _unsaid({key: rows for _, whole in leads for key, rows in whole.items() if key[3] in trained})
    return f"{start}: {'; '.join(clauses)}; {_hardest_hit(judged, len(ways))}{unsaid}."


def _lead(audit: Audit, found: Whole) -> dict[Key, Sequence[Outcome]]:
    """The outcomes of the audit's first measure that is judged and has any."""
    for name, measure in audit.measures.items():
        whole = {key: rows for key, rows in found.items() if key[:2] == (audit.name, name) and rows}
        if whole and measure.better != "neither":
            return whole
    return {}


def _clause(audit: Audit, whole: Whole) -> str:
    """`reading accuracy: of 6 groups 3 gained, 1 lost and 2 not known yet`; of several slices, by the first."""
    key = next(iter(whole))
    slices = by_slice([outcome for rows in whole.values() for outcome in rows])
    first, everyone = next(iter(slices.items()))
    number = count(len(everyone), "group" if len(whole) == 1 else "verdict")
    by = f" by {spaced(first)}" if len(slices) > 1 else ""
    tally = f"{label(*key[:2])}{by}: of {number} {tallied([outcome.verdict for outcome in everyone])}"
    if on_method(everyone):
        tally += f" for these models, {tallied(on_method(everyone))} for the method"
    return tally + ("" if audit.measures[key[1]].comparable else _fell_behind(everyone))


def _unsaid(trained: Whole) -> str:
    """That nothing is said of the method, or not everywhere; empty where all that was trained has verdicts on it."""
    lacking = [key for key, rows in trained.items() if not on_method(rows)]
    if not lacking:
        return ""
    if len(lacking) == len(trained):
        return f"; nothing is said of the method, which takes {FEWEST_SEEDS} training seeds"
    return f"; where there are fewer than {FEWEST_SEEDS} training seeds nothing is said of the method"


def _fell_behind(everyone: Sequence[Outcome]) -> str:
    """Who surely fell behind the reference group, where levels cannot be compared: these models, the method."""
    gaps = [outcome for outcome in everyone if outcome.reference]
    models = [outcome for outcome in gaps if outcome.moved and outcome.against < 0]
    method = [outcome for outcome in gaps if outcome.method_moved and outcome.against < 0]
    if not models and not method:
        return ""
    said = f", while {_names(models, len(gaps))} fell behind {gaps[0].reference}"
    return f"{said} in these models, {_names(method, len(gaps))} by the method" if on_method(everyone) else said


def _names(behind: Sequence[Outcome], gaps: int) -> str:
    names = list(dict.fromkeys(outcome.name for outcome in behind))
    few = len(names) < 4 and len(names) == len(behind)
    return (listed(names) or "nobody") if few else f"{len(behind)} of {gaps} compared"


def _hardest_hit(judged: Whole, ways: int) -> str:
    """The largest sure loss, of these models or of the method, among shares if there are any."""
    lost = [(key, one) for key, rows in judged.items() for one in rows if "loss" in (one.verdict, one.method)]
    candidates = [pair for pair in lost if pair[1].unit == "share"] or lost
    if not candidates:
        return "no loss of any group is sure"
    key, worst = min(candidates, key=lambda pair: pair[1].gain)
    where = f", {key[2]} to {key[3]}" if ways > 1 else ""
    return f"hardest hit: {worst.name} ({signed(worst.gain, worst.unit)} in {label(*key[:2])}{where}{_of_whom(worst)})"


def _of_whom(worst: Outcome) -> str:
    """Whose loss is sure, where several training seeds tell the two apart."""
    if worst.method is None:
        return ""
    if worst.verdict == worst.method:
        return ", these models and the method"
    return ", not in every one of these models" if worst.method == "loss" else ", these models, not surely the method"
