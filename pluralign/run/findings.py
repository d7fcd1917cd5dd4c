"""From replies to findings: read every reply by its audit, estimate, compare, put into words, and write."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pluralign.asking import ask
from pluralign.asking.ask import Replies
from pluralign.records.findings import Audit, Findings
from pluralign.records.item import Item
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply
from pluralign.report import page, tables, verdicts
from pluralign.report.headline import headline
from pluralign.run import environment, plan, text_choices
from pluralign.run.parts import Exam, Prepared, Rung
from pluralign.run.traces import traces
from pluralign.stats.audit import compare, estimate
from pluralign.stats.table import Table, TableBuilder

Answers = dict[tuple[str, str], Replies]
"""(audit, stage) → its replies."""


@dataclass(frozen=True, slots=True)
class Found:
    """Findings and the readings they were made from."""

    findings: Findings
    table: Table


@dataclass(slots=True)
class _Reader:
    """Collects readings, and what a reader must know about them."""

    readings: TableBuilder = field(default_factory=TableBuilder)
    notices: list[str] = field(default_factory=list[str])
    without: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])

    def said(self) -> list[str]:
        """The notices, with one for every measure that some stages do not give."""
        absent = self.without.items()
        said = [f'{audit}: no "{measure}" from {", ".join(stages)}.' for (audit, measure), stages in absent]
        return [*self.notices, *said]

    def read(self, rung: Rung, exam: Exam, replies: Replies, before: Replies | None) -> None:
        """Read one stage's replies, and beside those of the stage `before` it what needs both.

        A measure that has no value at all there is left out, and said to be.
        """
        able = plan.abilities(rung)
        missing = ask.unanswered(exam.items, able, replies)
        if missing:
            self.notices.append(
                f"{exam.part.name}: {missing} of {len(ask.expected(exam.items, able))} replies of {rung.stage.name} "
                "are missing; they are counted as missing."
            )
        by_text = text_choices.notice(exam.part.name, rung.stage.name, exam.items, replies)
        self.notices += [] if by_text is None else [by_text]
        per_measure: dict[str, list[tuple[int, Reading]]] = defaultdict(list)
        for index, item in enumerate(exam.items):
            for reading in _readings(exam, item, replies, before):
                per_measure[reading.measure].append((index, reading))
        for measure, readings in per_measure.items():
            if all(math.isnan(reading.value) for _, reading in readings):
                self.without.setdefault((exam.part.name, measure), []).append(rung.stage.name)
                continue
            for index, reading in readings:
                self.readings.add(exam.part.name, rung.stage, exam.items[index], reading)


def find(prepared: Prepared, answers: Answers, *, command: str) -> Found:
    """Everything a report is made from. Statistics are computed anew each time, never cached."""
    reader = _Reader()
    for rung in prepared.rungs:
        for exam in prepared.exams:
            replies = answers.get((exam.part.name, rung.stage.name))
            if replies is not None:
                reader.read(rung, exam, replies, _before(rung, exam, prepared, answers))
                notice = plan.replies_path(rung, exam, prepared).with_name(plan.NOTICE)
                if notice.exists():
                    reader.notices.append(f"{exam.part.name}: {notice.read_text(encoding='utf-8').strip()}.")
            else:
                why = plan.unable(rung, exam)
                said = "has not been asked" if why is None else f"{why}; left out"
                reader.notices.append(f"{exam.part.name}: {rung.stage.name} {said}.")
    table = reader.readings.build()
    audits = tuple(_audit(exam, table) for exam in prepared.exams)
    estimates = [row for audit in audits for row in estimate(table, audit)]
    changes = [row for audit in audits for row in compare(table, audit, prepared.transitions)]
    summaries = [row for audit in audits for row in verdicts.summarise(table, audit, changes)]
    findings = Findings(
        title=prepared.file.general.title or prepared.file.path.stem.replace("_", " "),
        stages=tuple(rung.stage for rung in prepared.rungs),
        audits=audits,
        transitions=prepared.transitions,
        estimates=tuple(estimates),
        changes=tuple(changes),
        summaries=tuple(summaries),
        notices=(*prepared.notices, *reader.said()),
        traces=traces(prepared),
        provenance=environment.describe(command)
        | {"run file": prepared.file.path.name, "results": str(prepared.folder)},
    )
    return Found(findings, table)


def write(found: Found, folder: Path) -> str:
    """Write the report's files; gives the last lines for the terminal: the verdict, and where the report is."""
    folder.mkdir(parents=True, exist_ok=True)
    findings = found.findings
    verdict = headline(findings)
    tables.write(findings, found.table, folder)
    index = page.write(findings, verdict, folder)
    return f"{verdict}\nReport: {index}"


def _audit(exam: Exam, table: Table) -> Audit:
    """The audit as the statistics need it; every group that was read gets its code, named by its item or not."""
    module = exam.part.module
    code = getattr(module, "code", None)
    return Audit(
        name=exam.part.name,
        uses=exam.part.header.uses,
        description=module.DESCRIPTION,
        measures=_measures(exam),
        reference=exam.reference,
        codes={pair: code(*pair) for pair in table.groups(exam.part.name)} if code else {},
        items=len(exam.items),
        limit=exam.limit if len(exam.items) < exam.total else None,
        adjustment=exam.part.header.adjustment,
    )


def _measures(exam: Exam) -> Mapping[str, Measure]:
    """The audit's measures with these options, then those that take two stages."""
    module = exam.part.module
    own = module.measures(exam.part.options) if hasattr(module, "measures") else module.MEASURES
    return {**own, **getattr(module, "COMPARED", {})}


def _readings(exam: Exam, item: Item, replies: Replies, before: Replies | None) -> Iterator[Reading]:
    module, options = exam.part.module, exam.part.options
    yield from module.read(item, _ordered(replies, item), options)
    if before is not None:
        yield from module.compare(item, _ordered(before, item), _ordered(replies, item), options)


def _ordered(replies: Replies, item: Item) -> tuple[Reply, ...]:
    """The replies to an item by the number of the ask."""
    given = replies.get(item.id, {})
    return tuple(given[number] for number in sorted(given))


def _before(rung: Rung, exam: Exam, prepared: Prepared, answers: Answers) -> Replies | None:
    """The replies of a stage's reference, or else of the one stage that it came from, if the audit compares the two.

    None where there are none, or where one of the stages rewards and the other writes.
    """
    stage = rung.stage
    name = stage.reference or (stage.parents[0] if len(stage.parents) == 1 else None)
    if name is None or not hasattr(exam.part.module, "compare"):
        return None
    other = prepared.rung(name).stage
    return answers.get((exam.part.name, name)) if (other.kind == "reward") == (stage.kind == "reward") else None
