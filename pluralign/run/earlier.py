"""What an earlier run's report has of one measure: readings, unit, reference groups, and which stages it compares."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pluralign.errors import InputError, unknown
from pluralign.report.tables import read_readings
from pluralign.report.wording import Unit
from pluralign.run.ladder import Transition
from pluralign.run.question import Question
from pluralign.stats.table import Table

OF_ESTIMATES = ("audit", "measure", "slice", "unit", "relative_to")
OF_CHANGES = ("audit", "measure", "from_stage", "to_stage")
"""Columns that are read of the report's files."""
WRITTEN_AGAIN = "`pluralign report` writes it again"


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """One measure of an earlier run.

    `reference`: the reference group by slice. `way`: the two stages to plan by, `others`: the other two stages that the
    run compares.
    """

    table: Table
    audit: str
    measure: str
    unit: Unit
    reference: Mapping[str, str]
    way: Transition
    others: tuple[Transition, ...]


def look_up(question: Question, folder: Path) -> Earlier:
    """The measure and the stages that a question names, or the stages furthest apart on the run's first ladder.

    Raises: InputError in one line where the folder or a name in it is not there.
    """
    path = folder / "report" / "readings.parquet"
    if not path.is_file():
        raise InputError(f"--like {folder}: no report/readings.parquet there; give the folder of a run")
    table = read_readings(path)
    audit = _named("audit", question.audit, table.audit.words)
    here = np.unique(table.measure.codes[table.audit.equals(audit)]).tolist()
    measure = _named("measure", question.measure, [table.measure.words[code] for code in here])
    estimates = _rows(path.with_name("estimates.csv"), OF_ESTIMATES, audit, measure)
    if not estimates:
        raise InputError(f"{path.with_name('estimates.csv')}: no row of {audit} {measure}; {WRITTEN_AGAIN}")
    changes = _rows(path.with_name("changes.csv"), OF_CHANGES, audit, measure)
    ways = list(dict.fromkeys((row["from_stage"], row["to_stage"]) for row in changes))
    codes: list[int] = np.unique(table.view(audit, measure).stage.codes).tolist()
    stages = [table.stage.words[code] for code in codes]
    if len(stages) == 1:
        raise InputError(f"--like {folder}: {audit} {measure} was read at one stage alone; a gain takes two")
    way = _way(question, ways, stages)
    return Earlier(
        table=table,
        audit=audit,
        measure=measure,
        unit=Unit(estimates[0]["unit"]),
        reference={row["slice"]: row["relative_to"] for row in estimates if row["relative_to"]},
        way=way,
        others=tuple(other for other in ways if other != way),
    )


def _named(what: str, given: str | None, known: Sequence[str]) -> str:
    if given is None:
        raise InputError(f"--{what} is missing beside --like; the run has {', '.join(sorted(known))}")
    if given not in known:
        raise InputError(f"--{what}: {unknown(what, given, known)}")
    return given


def _rows(path: Path, needed: Sequence[str], audit: str, measure: str) -> list[dict[str, str]]:
    """The rows of one measure in a file of the report."""
    if not path.is_file():
        raise InputError(f"{path}: not there; {WRITTEN_AGAIN}")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        lacking = [name for name in needed if name not in (reader.fieldnames or ())]
        if lacking:
            raise InputError(f'{path}, line 1: no column "{lacking[0]}"; {WRITTEN_AGAIN}')
        return [row for row in reader if (row["audit"], row["measure"]) == (audit, measure)]


def _way(question: Question, ways: Sequence[Transition], stages: Sequence[str]) -> Transition:
    """The stages that are named, be they compared in the run or not; of what is left open, the longest way there is."""
    start, end = question.from_stage, question.to_stage
    for option, name in (("from-stage", start), ("to-stage", end)):
        if name is not None and name not in stages:
            raise InputError(f"--{option}: {unknown('stage', name, stages)}")
    if start is not None and end is not None:
        if start == end:
            raise InputError(f"--from-stage and --to-stage are both {start}; name two of {', '.join(stages)}")
        return start, end
    fitting = [way for way in ways if start in (None, way[0]) and end in (None, way[1])]
    if not fitting:
        known = f"its transitions are {arrows(ways)}" if ways else f"its stages are {', '.join(stages)}"
        raise InputError(f"{_open(start, end)}; {known}; name both by --from-stage and --to-stage")
    starts, ends = {way[0] for way in ways}, {way[1] for way in ways}
    return min(fitting, key=lambda way: (way[0] in ends) + (way[1] in starts))


def _open(start: str | None, end: str | None) -> str:
    """What was asked of the transitions, and is not among them."""
    if start is not None:
        return f"--from-stage {start}: no later stage is compared with it in that run"
    if end is not None:
        return f"--to-stage {end}: it is compared with no earlier stage in that run"
    return "--like: no two stages are compared in that run"


def arrows(ways: Sequence[Transition]) -> str:
    """Transitions as `base → sft, sft → dpo`."""
    return ", ".join(" → ".join(way) for way in ways)
