"""Answer "how many items do I need?" before anything runs, from guesses or from an earlier run's readings."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pluralign.errors import InputError
from pluralign.report.planning import Goal, Row, planned
from pluralign.report.wording import Unit, count
from pluralign.run.earlier import Earlier, arrows, look_up
from pluralign.run.question import GUESSES, OF_A_RUN, Question
from pluralign.stats.pilot import Pilot, pilots
from pluralign.stats.power import Design, Sample, Test

GAIN = "gain between two stages"
GAP = "gap between two groups"
CHANGE = "change of that gap"
SHARE, PAIRING = 0.5, 0.5
"""What is assumed of answers unless it is said: half of them right, two stages' answers alike at .5."""


def answer(question: Question) -> str:
    """The table and what it means, for the terminal. Raises: InputError for what cannot be planned with."""
    if question.gap is None and question.margin is None and question.items is None and question.like is None:
        raise InputError("say what is to be seen (--gap 0.03), or what there is (--items 400, --like RUN_FOLDER)")
    _check_numbers(question)
    return _guessed(question) if question.like is None else _measured(question, question.like)


def _check_numbers(question: Question) -> None:
    for name, value in (("power", question.power), ("alpha", question.alpha)):
        _check(0 < value < 1, f"--{name} {value:g}: must lie between 0 and 1, like 0.8")
    for name, value in (("share", question.share), ("icc", question.icc)):
        _check(value is None or 0 <= value <= 1, f"--{name} {value}: must lie from 0 to 1")
    for name, value in (("pairing", question.pairing), ("shared", question.shared)):
        _check(value is None or -1 <= value < 1, f"--{name} {value}: a correlation, from -1 to below 1")
    for name, value in (("sd", question.sd), ("gap", question.gap), ("margin", question.margin)):
        _check(value is None or (0 < value < math.inf), f"--{name} {value}: must be above 0")
    counts = (("items", question.items), ("groups", question.groups), ("reference-items", question.reference_items))
    for name, value in counts:
        _check(value is None or value >= 1, f"--{name} {value}: must be at least 1")
    lone = question.icc and question.cluster_size is None
    _check(not lone, f"--icc {question.icc}: with one item a cluster it means nothing; say --cluster-size")
    size, variation = question.cluster_size, question.size_variation
    _check(size is None or 1 <= size < math.inf, f"--cluster-size {size}: must be at least 1")
    _check(variation is None or 0 <= variation < math.inf, f"--size-variation {variation}: must be at least 0")
    alike = variation and (size is None or size == 1)
    _check(not alike, f"--size-variation {variation}: clusters of one item do not vary; say --cluster-size")
    _check(
        question.share is None or question.sd is None, "--share and --sd: a share has its deviation already; give one"
    )
    both = question.shared is not None and question.reference_items is not None
    _check(not both, "--shared and --reference-items: groups that share their items have as many; give one")


def _check(fine: bool, problem: str) -> None:
    if not fine:
        raise InputError(problem)


def _check_fractions(question: Question, unit: Unit) -> None:
    """Refuse points where a fraction is meant."""
    for name, value in (("gap", question.gap), ("margin", question.margin)):
        if unit.share and value is not None and value >= 1:
            raise InputError(f"--{name} {value:g}: a fraction below 1 is needed; {value:g} points are {value / 100:g}")


def _guessed(question: Question) -> str:
    for name in OF_A_RUN:
        if getattr(question, name) is not None:
            raise InputError(f"{_option(name)} names something of an earlier run; say which by --like RUN_FOLDER")
    unit = Unit("share" if question.sd is None else "")
    _check_fractions(question, unit)
    share = SHARE if question.share is None else question.share
    pairing = PAIRING if question.pairing is None else question.pairing
    deviation = math.sqrt(share * (1 - share)) if question.sd is None else question.sd
    _check(deviation > 0, f"--share {share:g}: answers that are all alike leave nothing to plan; give a share between")
    size, variation, icc = question.cluster_size or 1.0, question.size_variation or 0.0, question.icc or 0.0
    level, gain = (
        Sample(deviation=each, size=size, variation=variation, icc=icc)
        for each in (deviation, deviation * math.sqrt(2 * (1 - pairing)))
    )
    theirs = {"shared": question.shared, "reference_items": question.reference_items}
    designs = {
        GAIN: Design(group=gain),
        GAP: Design(group=level, reference=level, **theirs),
        CHANGE: Design(group=gain, reference=gain, **theirs),
    }
    test = Test(alpha=question.alpha, power=question.power, groups=question.groups or 1)
    rows = [Row(what=what, design=design, items=question.items) for what, design in designs.items()]
    told = [
        f"a share of {share:g}" if question.sd is None else f"a standard deviation of {deviation:g}",
        f"two stages' answers to an item correlate at {pairing:g}",
        "every item in a cluster of its own"
        if size == 1
        else f"{size:g} items a cluster (sizes vary by {variation:g}), which correlate at {icc:g}",
        "groups have items of their own"
        if question.shared is None
        else f"groups share items, and correlate at {question.shared:g}",
    ]
    return f"{_assumed('; '.join(told), test)}\n\n{planned(rows, _goal(question, unit, test))}"


def _assumed(told: str, test: Test) -> str:
    adjusted = "no allowance for several groups" if test.groups == 1 else f"Holm's worst case of {test.groups} groups"
    return f"Assumed: {told}. Power {100 * test.power:g}%, two-sided {100 * test.alpha:g}% level, {adjusted}."


def _goal(question: Question, unit: Unit, test: Test) -> Goal:
    return Goal(effect=question.gap, margin=question.margin, unit=unit, test=test)


def _measured(question: Question, folder: Path) -> str:
    """The answer from an earlier run's readings."""
    for name in GUESSES:
        if getattr(question, name) is not None:
            raise InputError(f"{_option(name)}: with --like it is taken from the run; leave it out")
    run = look_up(question, folder)
    _check_fractions(question, run.unit)
    found = list(pilots(run.table, run.audit, run.measure, run.reference, run.way))
    if not found:
        why = f"no group has two clusters with answers of {' and of '.join(run.way)}"
        raise InputError(f"--like {folder}: {run.audit} {run.measure}: {why}; name others by --from-stage, --to-stage")
    test = Test(alpha=question.alpha, power=question.power, groups=question.groups or len(found))
    by_group = {(pilot.slice, pilot.group): pilot for pilot in found}
    rows, slices = list[Row](), {pilot.slice for pilot in found}
    for pilot in found:
        beside = by_group.get((pilot.slice, run.reference.get(pilot.slice, "")))
        name = pilot.group if len(slices) == 1 else f"{pilot.slice} {pilot.group}"
        rows.extend(_rows(pilot, beside, question.items, name))
    told = f"{run.audit} {run.measure} as in {folder} from {' to '.join(run.way)}, {_varied(found)}"
    return f"{_assumed(told, test)}{_others(question, run)}\n\n{planned(rows, _goal(question, run.unit, test))}"


def _others(question: Question, run: Earlier) -> str:
    """A line that names what else could be planned by, where the stages were not named; empty without."""
    if not run.others or (question.from_stage is not None and question.to_stage is not None):
        return ""
    return f"\nThe run also compares {arrows(run.others)}; --from-stage and --to-stage choose."


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _rows(pilot: Pilot, beside: Pilot | None, items: int | None, name: str) -> Iterator[Row]:
    """What is seen of one group. More items are planned for the reference group too, as many as for the group."""
    at_hand = pilot.items if items is None else items
    yield Row(what=GAIN, design=Design(group=pilot.gain), group=name, items=at_hand)
    if beside is None or beside is pilot:
        return
    theirs = beside.items if items is None else items
    gap = Design(group=pilot.level, reference=beside.level, shared=pilot.shared_level)
    change = Design(group=pilot.gain, reference=beside.gain, shared=pilot.shared_gain)
    for what, design in ((f"gap to {beside.group}", gap), (CHANGE, change)):
        present = replace(design, reference_items=theirs)
        yield Row(what=what, design=design, group=name, items=at_hand, present=present)


def _varied(found: list[Pilot]) -> str:
    """How answers varied, over the groups."""
    spans = {
        "standard deviation": [pilot.level.deviation for pilot in found],
        "correlation of two stages' answers": [pilot.pairing for pilot in found],
        "intra-cluster correlation of gains": [pilot.gain.icc for pilot in found],
        "items a cluster": [pilot.level.size for pilot in found],
    }
    told = ", ".join(f"{name} {_span(values)}" for name, values in spans.items())
    return f"{count(len(found), 'group')}: {told}"


def _span(values: list[float]) -> str:
    low, high = f"{min(values):.2g}", f"{max(values):.2g}"
    return low if low == high else f"{low} to {high}"
