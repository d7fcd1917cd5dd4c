"""What several training seeds say, in words: of these models, and of the method."""

from collections.abc import Sequence
from math import isnan

from markupsafe import Markup

from pluralign.records.across_seeds import FEWEST_SEEDS, AcrossSeeds
from pluralign.records.estimate import ALL
from pluralign.records.findings import Audit, Findings
from pluralign.report.wording import NOT_KNOWN, Unit, count, unit_of

LEVEL = 0.05


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
    """What the seeds of one transition say of everyone, slice by slice, and of how many groups."""
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
        told += f", the method {method} (from seed to seed ±{unit.change(everyone.seed_sd, signed=False)})"
    groups = [row for row in rows if row.group != ALL]
    sure = [row for row in groups if not isnan(row.method_p_adjusted) and row.method_p_adjusted < LEVEL]
    up, down = sum(row.gain > 0 for row in sure), sum(row.gain < 0 for row in sure)
    better, worse = ("gained", "lost") if judged else ("rose", "fell")
    return f"{told}; whatever the seed, {up} of {count(len(groups), 'group')} {better} and {down} {worse} for sure"
