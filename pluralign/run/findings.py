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
from pluralign.run.correlations import correlations
from pluralign.run.families import Families, against_of, as_seed, transitions_of
from pluralign.run.following import followed, followings, held_against, numbered_on, ordered, reference_of
from pluralign.run.intersections import cell_codes, in_cells, told_empty
from pluralign.run.parts import Exam, Prepared, Rung
from pluralign.run.traces import traces
from pluralign.stats.audit import across_seeds, compare, estimate
from pluralign.stats.table import Table, TableBuilder


@dataclass(frozen=True, slots=True)
class Answers:
    """`first[audit, stage]`: a stage's replies; `followed[audit, stage, by]`: those of `by` to what follows."""

    first: dict[tuple[str, str], Replies] = field(default_factory=dict[tuple[str, str], Replies])
    followed: dict[tuple[str, str, str], Replies] = field(default_factory=dict[tuple[str, str, str], Replies])

    def given(self, exam: Exam, item: Item, about: Rung, by: Rung) -> tuple[Reply, ...]:
        """What the stage `by` replied to an item, and to what followed from the replies of `about`, numbered on."""
        name, stage, other = exam.part.name, about.stage.name, by.stage.name
        more = ordered(self.followed.get((name, stage, other), {}), item)
        return (*ordered(self.first.get((name, other), {}), item), *numbered_on(more, item))


@dataclass(frozen=True, slots=True)
class Found:
    """Findings and the readings they were made from."""

    findings: Findings
    table: Table


@dataclass(slots=True)
class _Reader:
    """Collects readings, and what a reader must know about them."""

    answers: Answers
    families: Families
    readings: TableBuilder = field(default_factory=TableBuilder)
    notices: list[str] = field(default_factory=list[str])
    without: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])

    def said(self) -> list[str]:
        """The notices, with one for all measures of an audit that the same stages do not give."""
        absent: dict[tuple[str, str], list[str]] = defaultdict(list)
        for (audit, measure), stages in self.without.items():
            absent[audit, ", ".join(stages)].append(f'"{measure}"')
        said = [f"{audit}: no {', '.join(measures)} from {stages}." for (audit, stages), measures in absent.items()]
        return [*self.notices, *said]

    def read(self, rung: Rung, exam: Exam, before: Rung | None) -> None:
        """Read one stage's replies, and beside those of the stage `before` it what needs both.

        A measure that has no value at all there is left out, and said to be.
        """
        replies = self.answers.first[exam.part.name, rung.stage.name]
        self.miss(rung, exam, replies, rung.stage.name)
        by_text = text_choices.notice(exam.part.name, rung.stage.name, exam.items, replies)
        self.notices += [] if by_text is None else [by_text]
        per_measure: dict[str, list[tuple[int, Reading]]] = defaultdict(list)
        for index, item in enumerate(exam.items):
            for reading in self._readings(rung, exam, item, before):
                per_measure[reading.measure].append((index, reading))
        for measure, readings in per_measure.items():
            if all(math.isnan(reading.value) for _, reading in readings):
                self.without.setdefault((exam.part.name, measure), []).append(rung.stage.name)
                continue
            stage = as_seed(rung.stage, self.families)
            for index, reading in readings:
                item = in_cells(exam.items[index], exam.intersections)
                self.readings.add(exam.part.name, stage, item, reading)

    def miss(self, rung: Rung, exam: Exam, replies: Replies, whose: str) -> None:
        """Say how many replies are missing, if any."""
        able = plan.abilities(rung)
        missing = ask.unanswered(exam.items, able, replies)
        if missing:
            self.notices.append(
                f"{exam.part.name}: {missing} of {len(ask.expected(exam.items, able))} replies of {whose} "
                "are missing; they are counted as missing."
            )

    def _readings(self, rung: Rung, exam: Exam, item: Item, before: Rung | None) -> Iterator[Reading]:
        module, options = exam.part.module, exam.part.options
        own = self.answers.given(exam, item, rung, rung)
        yield from module.read(item, own, options)
        if before is not None:
            yield from module.compare(item, self.answers.given(exam, item, rung, before), own, options)


def find(prepared: Prepared, answers: Answers, *, command: str) -> Found:
    """Everything a report is made from. Statistics are computed anew each time, never cached."""
    reader = _read(prepared, answers)
    table = reader.readings.build()
    families = prepared.file.families
    transitions = transitions_of(prepared.transitions, families)
    against = against_of(held_against(prepared), families)
    audits = tuple(_audit(exam, table, against) for exam in prepared.exams)
    empty = [told for audit in audits for told in told_empty(audit.name, audit.intersections, table)]
    estimates = [row for audit in audits for row in estimate(table, audit)]
    changes = [row for audit in audits for row in compare(table, audit, transitions)]
    seeds = [row for audit in audits for row in across_seeds(table, audit, transitions)]
    summaries = [row for audit in audits for row in verdicts.summarise(table, audit, changes, seeds)]
    findings = Findings(
        title=prepared.file.general.title or prepared.file.path.stem.replace("_", " "),
        stages=tuple(as_seed(rung.stage, families) for rung in prepared.rungs),
        audits=audits,
        transitions=transitions,
        estimates=tuple(estimates),
        changes=tuple(changes),
        summaries=tuple(summaries),
        correlations=tuple(correlations(prepared.exams, table)),
        seeds=tuple(seeds),
        notices=(*prepared.notices, *reader.said(), *empty),
        traces=traces(prepared),
        provenance=environment.describe(command)
        | {"run file": prepared.file.path.name, "results": str(prepared.folder)},
    )
    return Found(findings, table)


def _read(prepared: Prepared, answers: Answers) -> _Reader:
    """All readings, stage by stage, and what must be said of what was not asked or is missing."""
    reader = _Reader(answers, prepared.file.families)
    for rung in prepared.rungs:
        for exam in prepared.exams:
            if (exam.part.name, rung.stage.name) in answers.first:
                reader.read(rung, exam, _before(rung, exam, prepared, answers))
                notice = plan.replies_path(rung, exam, prepared).with_name(plan.NOTICE)
                if notice.exists():
                    reader.notices.append(f"{exam.part.name}: {notice.read_text(encoding='utf-8').strip()}.")
            else:
                why = plan.unable(rung, exam)
                said = "has not been asked" if why is None else f"{why}; left out"
                reader.notices.append(f"{exam.part.name}: {rung.stage.name} {said}.")
    for each in followings(prepared):
        name, about, by = each.exam.part.name, each.about.stage.name, each.by.stage.name
        if (name, about) in answers.first:
            replies = answers.followed.get((name, about, by), {})
            exam = followed(each.exam, answers.first[name, about])
            reader.miss(each.by, exam, replies, f"{by} to what {about} wrote")
    return reader


def write(found: Found, folder: Path) -> str:
    """Write the report's files; gives the last lines for the terminal: the verdict, and where the report is."""
    folder.mkdir(parents=True, exist_ok=True)
    findings = found.findings
    verdict = headline(findings)
    tables.write(findings, found.table, folder)
    index = page.write(findings, verdict, folder)
    return f"{verdict}\nReport: {index}"


def _audit(exam: Exam, table: Table, against: Mapping[str, str]) -> Audit:
    """The audit as the statistics need it; every group that was read gets its code, named by its item or not."""
    module = exam.part.module
    code, joint = getattr(module, "code", None), {each.name for each in exam.intersections}
    pairs = [pair for pair in table.groups(exam.part.name) if pair[0] not in joint]
    codes = {pair: code(*pair) for pair in pairs} if code else dict[tuple[str, str], str]()
    return Audit(
        name=exam.part.name,
        uses=exam.part.header.uses,
        description=module.DESCRIPTION,
        measures=_measures(exam, table, against),
        against=against,
        reference=exam.reference,
        codes=codes | cell_codes(exam.intersections, codes),
        intersections=exam.intersections,
        items=len(exam.items),
        limit=exam.limit if len(exam.items) < exam.total else None,
        adjustment=exam.part.header.adjustment,
    )


def _measures(exam: Exam, table: Table, against: Mapping[str, str]) -> Mapping[str, Measure]:
    """The audit's measures with these options, then those that take two stages, as far as two were read."""
    module = exam.part.module
    own = module.measures(exam.part.options) if hasattr(module, "measures") else module.MEASURES

    def is_read(name: str, measure: Measure) -> bool:
        of = name if measure.statistic is None else measure.statistic.of
        sources = (of,) if isinstance(of, str) else of
        stages = {stage for source in sources for stage in table.view(exam.part.name, source).stage.texts()}
        return bool(stages if measure.statistic is None else stages & {*against})

    compared: Mapping[str, Measure] = getattr(module, "COMPARED", {})
    return {**own, **{name: measure for name, measure in compared.items() if is_read(name, measure)}}


def _before(rung: Rung, exam: Exam, prepared: Prepared, answers: Answers) -> Rung | None:
    """The stage that another is held against, where the audit compares the two and it has been asked."""
    other = reference_of(rung, prepared)
    if other is None or not hasattr(exam.part.module, "compare"):
        return None
    return other if (exam.part.name, other.stage.name) in answers.first else None
