"""Outcomes in words. Shares become points here; every claim is one that the verdicts make."""

from collections.abc import Mapping, Sequence
from math import inf, isnan

from pluralign.records.estimate import Verdict
from pluralign.records.measure import Measure
from pluralign.report.outcomes import Outcome
from pluralign.report.wording import Unit

WORDS: Mapping[Verdict, str] = {
    "gain": "gained",
    "loss": "lost",
    "equivalent": "unchanged",
    "inconclusive": "not known yet",
}


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def tallied(verdicts: Sequence[Verdict]) -> str:
    """`3 gained, 1 lost and 2 not known yet`."""
    counts = {word: sum(each == verdict for each in verdicts) for verdict, word in WORDS.items()}
    return listed([f"{number} {word}" for word, number in counts.items() if number])


def judged(found: Sequence[Outcome], measure: Measure, family: int, seeds: int) -> str:
    """Who gained, who lost, who stayed the same, and for whom it cannot be known.

    `family`: how many groups the p-values were adjusted over; `seeds`: of how many every one must say so.
    """
    unclear = [outcome for outcome in found if outcome.verdict == "inconclusive"]
    if len(unclear) == len(found):
        who = f"whether {found[0].name}" if len(found) == 1 else f"which of the {len(found)} groups"
        return f"it cannot be known yet {who} gained or lost ({_seen(unclear, measure, family, seeds)})"
    parts: list[str] = []
    for outcomes, verb in (
        ([outcome for outcome in found if outcome.verdict == "gain"], "gained"),
        ([outcome for outcome in found if outcome.verdict == "loss"], "lost"),
    ):
        if outcomes:
            parts.append(_moved(outcomes, verb, of=0 if parts else len(found)))
    same = [outcome for outcome in found if outcome.verdict == "equivalent"]
    if same:
        parts.append(_same(same, measure, of=0 if parts else len(found)))
    sure = ", ".join(parts)
    if not unclear:
        return sure
    who = unclear[0].name if len(unclear) == 1 else str(len(unclear))
    return f"{sure}; {who} cannot be known yet ({_seen(unclear, measure, family, seeds)})"


def described(found: Sequence[Outcome]) -> str:
    """How a measure changed of which neither direction is better."""
    changed = [outcome for outcome in found if outcome.changed and outcome.verdict != "equivalent"]
    note = "it describes and is not judged"
    if not changed:
        return f"no sure change for {found[0].name if len(found) == 1 else f'any of the {len(found)} groups'} ({note})"
    top = max(changed, key=lambda outcome: abs(outcome.gain))
    most = "most: " if len(changed) > 1 else ""
    return f"it changed for {_of(changed, len(found))} ({most}{top.name}, {signed(top.gain, top.unit)}; {note})"


def against_reference(found: Sequence[Outcome]) -> str:
    """How the gaps to the reference group changed; empty where there is no reference group."""
    compared = [outcome for outcome in found if outcome.reference]
    if not compared:
        return ""
    parts = [
        *_gaps([outcome for outcome in compared if outcome.moved and outcome.against < 0], "fell behind"),
        *_gaps([outcome for outcome in compared if outcome.moved and outcome.against > 0], "moved up"),
    ]
    unclear = [outcome for outcome in compared if not outcome.moved]
    if unclear:
        names = [_with_change(outcome) for outcome in unclear]
        parts.append(f"no change of the gap is sure for {listed(names) if len(names) < 3 else f'{len(names)} groups'}")
    return f"compared with {compared[0].reference}, {', '.join(parts)}"


def signed(value: float, unit: str) -> str:
    """A change with its sign and unit: `−3.1 points`."""
    return f"{Unit(unit).change(value)} {Unit(unit).of_changes}"


def _size(value: float, unit: str) -> str:
    return f"{Unit(unit).change(abs(value), signed=False)} {Unit(unit).of_changes}"


def _of(some: Sequence[Outcome], groups: int) -> str:
    """`3 of 6 groups`, `all 6 groups`; a group's name where there is no other."""
    if groups == 1:
        return some[0].name
    return f"all {groups} groups" if len(some) == groups else f"{len(some)} of {groups} groups"


def _moved(some: Sequence[Outcome], verb: str, *, of: int) -> str:
    """Who gained or lost, and who did so most; `of` groups, 0 where their number has been said."""
    top = max(some, key=lambda outcome: abs(outcome.gain))
    if of == 1 or (not of and len(some) == 1):
        return f"{top.name} {verb} {_size(top.gain, top.unit)}"
    who = _of(some, of) if of else str(len(some))
    most = "most: " if len(some) > 1 else ""
    return f"{who} {verb} ({most}{top.name}, {signed(top.gain, top.unit)})"


def _same(same: Sequence[Outcome], measure: Measure, *, of: int) -> str:
    who = _of(same, of) if of else same[0].name if len(same) == 1 else str(len(same))
    margin = measure.margin or 0.0
    size = f"{100 * margin:.3g} points" if same[0].unit == "share" else f"{margin:.3g} {same[0].unit}"
    return f"{who} did not change by more than {size}"


def _gaps(some: Sequence[Outcome], verb: str) -> list[str]:
    if len(some) < 3:
        return [f"{outcome.name} {verb} by {_size(outcome.against, outcome.unit)}" for outcome in some]
    top = max(some, key=lambda outcome: abs(outcome.against))
    return [f"{len(some)} groups {verb} (most: {top.name}, by {_size(top.against, top.unit)})"]


def _with_change(outcome: Outcome) -> str:
    return outcome.name if isnan(outcome.against) else f"{outcome.name} ({signed(outcome.against, outcome.unit)})"


def _seen(unclear: Sequence[Outcome], measure: Measure, family: int, seeds: int) -> str:
    """What four of five such audits of one seed would have seen, had it been there, and had it been the only group."""
    span = measure.bounds[1] - measure.bounds[0] if measure.bounds else inf
    sizes = [outcome.detectable for outcome in unclear if outcome.detectable < span]
    if not sizes:
        return "too few answers, or too alike, to see any change"
    low, high = (_size(size, unclear[0].unit) for size in (min(sizes), max(sizes)))
    changes = f"a change of {high}" if low == high else f"changes of {low.split()[0]} to {high}"
    blind = len(unclear) - len(sizes)
    rest = f"; for {blind} there are too few answers, or too alike, to see any" if blind else ""
    several = f", before allowing for {family} groups" if family > 1 else ""
    each = " in any one seed" if seeds > 1 else ""
    return f"{changes} would most likely have been seen{each}{several}{rest}"
