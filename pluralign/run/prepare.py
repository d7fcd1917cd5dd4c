"""Know everything before anything is computed: read and check data, models, recorded replies and items.

Whatever is wrong with the input is found here, and nothing has been written yet.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from pluralign.data import rows
from pluralign.data.rows import Rows
from pluralign.data.template import PLAIN
from pluralign.errors import InputError, unknown
from pluralign.records.estimate import ALL
from pluralign.records.item import Item
from pluralign.run import ladder
from pluralign.run.intersections import intersect, told_of
from pluralign.run.parts import Exam, Prepared, Voices
from pluralign.run.progress import named
from pluralign.run.prompts import check_prompts, read_template
from pluralign.run.rungs import base_rung, rungs_of_records, trained_rungs
from pluralign.run.voices import check_completions, gather, unused_margins
from pluralign.run.voices import notices as notices_of
from pluralign.runfile.parts import AuditPart, RunFile


def prepare(file: RunFile, runs: Path, limit: int | None = None) -> Prepared:
    """Read everything that `file` names; `limit` shortens every audit to so many items.

    Raises `InputError` for anything that cannot be used.
    """
    notices: list[str] = []
    template = PLAIN
    if file.recorded is not None:
        with named(file.recorded.place):
            rungs, ladders, notices = rungs_of_records(file.recorded)
        voices = gather(file)
        by_name = {part.name: part for part in voices}
    else:
        template = read_template(file)
        base = base_rung(file)
        voices = gather(file)
        by_name = {part.name: part for part in voices}
        check_completions(file.stages, by_name)
        rungs = trained_rungs(file, base, by_name, runs / file.path.stem, template)
        ladders = ladder.ways([rung.stage for rung in rungs])
    exams = [_exam(part, file, by_name, limit) for part in file.audits]
    check_prompts(rungs, voices, exams, template)
    return Prepared(
        file=file,
        folder=runs / file.path.stem,
        voices=voices,
        rungs=tuple(rungs),
        exams=tuple(exams),
        transitions=ladder.climbs(ladders),
        notices=(
            *notices,
            *notices_of(file.data, voices),
            *unused_margins(file.stages, by_name),
            *_notices(exams),
        ),
        template=template,
    )


def _exam(part: AuditPart, file: RunFile, voices: dict[str, Voices], limit: int | None) -> Exam:
    table = _questions(part, file, voices)
    try:
        items = tuple(part.module.items(table.rows, part.options))
    except InputError as error:
        raise InputError(f"{part.place}: {table.locate(str(error))}") from error
    if not items:
        raise InputError(f"{part.place}: {table.source} gives no items with these options")
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise InputError(f'{part.place}: {table.source}: two items have the id "{item.id}"')
        seen.add(item.id)
    shortest = limit if part.header.limit is None else min(part.header.limit, limit or part.header.limit)
    kept = _shorten(items, shortest)
    groups = _groups(part, items, table.source)
    return Exam(
        part=part,
        items=kept,
        every=frozenset(seen),
        limit=shortest,
        reference=_reference(part, groups),
        fingerprint=table.fingerprint,
        intersections=intersect(part.header.intersections, kept, part.place),
    )


def _questions(part: AuditPart, file: RunFile, voices: dict[str, Voices]) -> Rows:
    """An audit's rows."""
    if part.header.data is not None:
        data = voices[part.header.data]
        return Rows(f"held-out of {data.name}", data.entry.key, tuple(asdict(pair) for pair in data.held_out))
    if part.header.rows is None and file.recorded is not None:
        adapter = file.recorded
        with named(part.place):
            table = tuple(adapter.module.rows(part.header.uses, adapter.options))
        text = json.dumps(table, ensure_ascii=False, sort_keys=True, default=str)
        return Rows(adapter.header.uses, hashlib.sha256(text.encode()).hexdigest()[:16], table)
    source = part.header.rows or getattr(part.module, "ROWS", None)
    if source is None:
        raise InputError(f'{part.place}: option "rows" is missing: a file, a hub id, or "sandbox"')
    sandbox = getattr(part.module, "SANDBOX", part.header.uses)
    return rows.read(source, sandbox=sandbox, beside=file.beside, place=part.place)


def _groups(part: AuditPart, items: Sequence[Item], source: str) -> dict[str, set[str]]:
    """The groups of each slice. Raises: InputError where one has the name that stands for everyone."""
    groups: dict[str, set[str]] = {}
    for item in items:
        for slice_, group in item.slices.items():
            groups.setdefault(slice_, set()).add(group)
    if hasattr(part.module, "groups"):
        groups |= part.module.groups(items, part.options)
    for slice_, members in groups.items():
        if ALL in members:
            raise InputError(
                f'{part.place}: {source}: a group of "{slice_}" is called "{ALL}", which stands for everyone; rename it'
            )
    return groups


def _reference(part: AuditPart, groups: Mapping[str, set[str]]) -> dict[str, str]:
    """The reference group of each slice: the audit's own, with the first replaced by the run file's."""
    reference = dict(getattr(part.module, "REFERENCE", {}))
    wanted = part.header.reference_group
    if wanted is not None:
        homes = [slice_ for slice_, members in groups.items() if wanted in members]
        if not homes:
            known = {group for members in groups.values() for group in members}
            raise InputError(f"{part.place}: reference_group: {unknown('group', wanted, known)}")
        reference |= dict.fromkeys(homes, wanted)
    return {slice_: group for slice_, group in reference.items() if group in groups.get(slice_, {group})}


def _notices(exams: Iterable[Exam]) -> Iterator[str]:
    """What audits have to say of their items."""
    for exam in exams:
        yield from (f"{exam.part.name}: {told}." for told in told_of(exam.intersections))
        if hasattr(exam.part.module, "notices"):
            for notice in exam.part.module.notices(exam.items, exam.part.options):
                yield f"{exam.part.name}: {notice}."


def _shorten(items: tuple[Item, ...], limit: int | None) -> tuple[Item, ...]:
    """The first `limit` items, taken in turns from the groups, so that a short audit still holds everyone."""
    if limit is None or limit >= len(items):
        return items
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(tuple(item.slices.values()), []).append(index)
    turns = (index for turn in _turns(list(groups.values())) for index in turn)
    return tuple(items[index] for index in sorted(islice(turns, limit)))


def _turns(groups: list[list[int]]) -> Iterable[list[int]]:
    for place in range(max(map(len, groups))):
        yield [group[place] for group in groups if place < len(group)]
