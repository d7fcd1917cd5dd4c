"""What training seeds say, in words: of these models, and of the method, which takes three of them."""

from collections.abc import Sequence
from math import isnan

from markupsafe import Markup

from pluralign.records.across_seeds import FEWEST_SEEDS, AcrossSeeds
from pluralign.records.estimate import ALL, Summary
from pluralign.records.findings import Audit, Findings
from pluralign.records.stage import Stage
from pluralign.report.outcomes import Outcome, by_slice, on_method
from pluralign.report.sentences import WORDS, listed, tallied
from pluralign.report.wording import NOT_KNOWN, Unit, count, unit_of

LEVEL = 0.05
MOST_NAMED = 4
"""Stages or groups that a sentence names."""


def method_sentence(found: Sequence[Outcome], seeds: int, *, comparable: bool) -> str:
    """What so many training seeds say of the method, slice by slice; empty of a single one, or without groups.

    Where levels are not `comparable` between groups, the change of the gaps to the reference group leads.
    """
    if seeds < 2 or not found:
        return ""
    if not on_method(found):
        return f"Of the method nothing can be said: that takes at least {FEWEST_SEEDS} training seeds."
    slices = by_slice(found)
    told = [
        f"{'' if comparable else _gaps(part)}of {count(len(part), 'group')} "
        f"{tallied([outcome.method or 'inconclusive' for outcome in part])}"
        for part in slices.values()
    ]
    if len(slices) > 1:
        told = [f"by {name.replace('_', ' ')} {each}" for name, each in zip(slices, told, strict=True)]
    return f"The method, whatever the seed: {'; '.join(told)}."


def _gaps(found: Sequence[Outcome]) -> str:
    """Whose gap to the reference group changed; empty where there is no such group."""
    compared = [outcome for outcome in found if outcome.reference]
    if not compared:
        return ""
    moved = [outcome for outcome in compared if outcome.method_moved]
    behind, ahead = ([one.name for one in moved if (one.against > 0) == better] for better in (False, True))
    parts = [f"{_named(names)} {verb}" for names, verb in ((behind, "fell behind"), (ahead, "moved up")) if names]
    said = listed(parts) or "no change of a gap is sure"
    return f"compared with {compared[0].reference}, {said}; each for itself, "


def _named(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= MOST_NAMED else f"{len(names)} groups"


def method_tally(summary: Summary) -> str:
    """How many groups the method makes gain or lose, or that the seeds are too few to say; empty of a single seed."""
    if summary.seeds < 2:
        return ""
    if summary.method is None:
        return f"not known from {summary.seeds} seeds"
    return tallied([kind for kind in WORDS for _ in range(getattr(summary.method, kind))])


def too_few(stages: Sequence[Stage]) -> str:
    """That nothing is said of a method, naming the stages with too few training seeds; empty where there are none."""
    trained: dict[str, set[int]] = {}
    for stage in stages:
        if stage.method is not None:
            trained.setdefault(stage.name, set()).add(stage.seed)
    short = [name for name, seeds in trained.items() if len(seeds) < FEWEST_SEEDS]
    if not short:
        return ""
    whom = listed(short) if len(short) <= MOST_NAMED else f"{len(short)} stages"
    return (
        f"What is said of {whom} holds for these models, not for the method that makes them: that takes at least "
        f"{FEWEST_SEEDS} training seeds."
    )


def over_seeds(findings: Findings, audit: Audit, name: str) -> Markup:
    """A sentence for every transition of a measure that has several training seeds; empty without any."""
    found: dict[tuple[str, str], list[AcrossSeeds]] = {}
    for row in findings.seeds:
        if (row.audit, row.measure) == (audit.name, name):
            found.setdefault((row.from_stage, row.to_stage), []).append(row)
    judged = audit.measures[name].better != "neither"
    said = [seeds_sentence(rows, unit_of(audit.measures[name]), judged=judged) for rows in found.values()]
    entries = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in said)
    return Markup('<ul class="sentences seeds">{}</ul>').format(entries) if said else Markup("")


def seeds_sentence(rows: Sequence[AcrossSeeds], unit: Unit, *, judged: bool) -> str:
    """By how much everyone changed over the seeds of one transition, slice by slice.

    Of a measure that is not `judged`, which has no verdicts, also how many groups changed.
    """
    first = rows[0]
    start = f"From {first.from_stage} to {first.to_stage}, over {count(first.seeds, 'training seed')}: "
    slices = dict.fromkeys(row.slice for row in rows)
    told = [_of_slice([row for row in rows if row.slice == each], unit, judged=judged) for each in slices]
    if first.seeds < FEWEST_SEEDS:
        told.append(f"nothing is said of the method, which takes at least {FEWEST_SEEDS} seeds")
    return start + "; ".join(told) + "."


def _of_slice(rows: Sequence[AcrossSeeds], unit: Unit, *, judged: bool) -> str:
    everyone = next(row for row in rows if row.group == ALL)
    models = unit.interval(everyone.models_low, everyone.models_high, signed=True)
    told = f"everyone by {everyone.slice.replace('_', ' ')} {unit.change(everyone.gain)} {unit.of_changes}".rstrip()
    told += f", these models {models}"
    if everyone.seeds < FEWEST_SEEDS:
        return told
    method = unit.interval(everyone.method_low, everyone.method_high, signed=True)
    if method != NOT_KNOWN:
        told += f", the method {method} (from seed to seed an estimated ±{unit.change(everyone.seed_sd, signed=False)})"
    if judged:
        return told
    groups = [row for row in rows if row.group != ALL]
    sure = [row for row in groups if not isnan(row.method_p_adjusted) and row.method_p_adjusted < LEVEL]
    up, down = sum(row.gain > 0 for row in sure), sum(row.gain < 0 for row in sure)
    return f"{told}; whatever the seed, {up} of {count(len(groups), 'group')} rose and {down} fell for sure"
