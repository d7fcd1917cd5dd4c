"""Know everything before anything is computed: read and check data, models, recorded replies and items.

Whatever is wrong with the input is found here, and nothing has been written yet.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from pluralign import engine, plugins
from pluralign.data import hub, mix, rows
from pluralign.errors import InputError, unknown
from pluralign.records.item import Item
from pluralign.records.stage import Stage
from pluralign.run import ladder
from pluralign.run.parts import Exam, Prepared, Rung, Voices
from pluralign.runfile.parts import BASE, AuditPart, DataPart, RecordedPart, RunFile, StagePart
from pluralign.store import Entry, content_key, file_key


def prepare(file: RunFile, runs: Path, limit: int | None = None) -> Prepared:
    """Read everything that `file` names; `limit` shortens every audit to so many items.

    Raises `InputError` for anything that cannot be used.
    """
    notices: list[str] = []
    if file.recorded is not None:
        rungs, ladders, notices = _recorded_rungs(file.recorded)
        voices: list[Voices] = [_voices(part, file) for part in file.data]
    else:
        base = _base(file)
        voices = [_voices(part, file) for part in file.data]
        rungs = _rungs(file, base, {part.name: part for part in voices}, runs / file.path.stem)
        ladders = ladder.ways([rung.stage for rung in rungs])
    exams = [_exam(part, file, {part.name: part for part in voices}, limit) for part in file.audits]
    return Prepared(
        file=file,
        folder=runs / file.path.stem,
        voices=tuple(voices),
        rungs=tuple(rungs),
        exams=tuple(exams),
        transitions=ladder.climbs(ladders),
        notices=tuple(notices),
    )


def _voices(part: DataPart, file: RunFile) -> Voices:
    sandbox = getattr(part.module, "SANDBOX", "preferences")
    table = rows.read(part.header.rows, sandbox=sandbox, beside=file.beside, place=part.place)
    try:
        loaded = list(part.module.load(table.rows, part.options, table.source))
    except InputError as error:
        raise InputError(f"{table.source}, {error}") from error
    header, seed = part.header, file.general.seed
    mixed = mix.mix(loaded, shares=header.shares, size=header.size, seed=seed, place=part.place)
    train, held_out = mix.split(mixed, header.held_out)
    if not train:
        raise InputError(f"{part.place}: no preference is left to train on (of {len(loaded)} in {table.source})")
    made_of = {
        "source": plugins.version(part.module),
        "options": plugins.plain(part.options),
        "rows": table.fingerprint,
        "shares": header.shares,
        "size": header.size,
        "held_out": header.held_out,
        "seed": seed if header.shares or header.size else None,
    }
    return Voices(name=part.name, entry=Entry("data", part.name, made_of), train=tuple(train), held_out=tuple(held_out))


def _base(file: RunFile) -> Rung:
    place = f"{file.path.name}: base"
    model = hub.resolve(str(file.general.base), beside=file.beside, place=place)
    if model.is_reward:
        raise InputError(f'{place}: "{file.general.base}" is a reward model; a base must be one that writes')
    _check_template(model, file, place)
    return Rung(stage=Stage(name=BASE, kind="base", key=model.fingerprint), model=model.folder)


def _rungs(file: RunFile, base: Rung, voices: dict[str, Voices], folder: Path) -> list[Rung]:
    rungs = {BASE: base}
    for part in file.stages:
        rungs[part.name] = (
            _trained(part, file, rungs, voices, folder) if part.module is not None else _existing(part, file)
        )
    return list(rungs.values())


def _existing(part: StagePart, file: RunFile) -> Rung:
    model = hub.resolve(str(part.header.model), beside=file.beside, place=part.place)
    _check_template(model, file, part.place)
    kind = "reward" if model.is_reward else "model"
    return Rung(
        stage=Stage(name=part.name, kind=kind, parents=(part.parent,), key=model.fingerprint),
        part=part,
        model=model.folder,
    )


def _check_template(model: hub.Model, file: RunFile, place: str) -> None:
    if file.general.template == "chat" and not model.has_chat_template:
        raise InputError(f'{place}: template = "chat", but the model has no chat template ({model.folder})')


def _trained(part: StagePart, file: RunFile, rungs: dict[str, Rung], voices: dict[str, Voices], folder: Path) -> Rung:
    if part.module is None or part.weigh is None:
        raise ValueError(f"{part.place} is not trained")
    parent = rungs[part.parent]
    if parent.stage.kind == "reward" and part.module.KIND != "reward":
        raise InputError(f'{part.place}: from: "{part.parent}" is a reward model; start from the model it came from')
    reference = _reference_stage(part, rungs)
    made_of = {
        "engine": engine.VERSION,
        "method": f"{part.header.method} {plugins.version(part.module)}",
        "weighting": f"{part.header.weighting} {plugins.version(part.weigh)}",
        "options": plugins.plain(part.options),
        "training": _training(part),
        "hardware": _hardware(part),
        "template": file.general.template,
        "seed": file.general.seed,
        "from": parent.stage.key,
        "reference": rungs[reference].stage.key if reference else None,
        "data": voices[str(part.header.data)].entry.key,
    }
    entry = Entry("stages", part.name, made_of)
    stage = Stage(
        name=part.name,
        kind=part.module.KIND,
        parents=(part.parent,),
        reference=reference,
        method=part.header.method,
        seed=file.general.seed,
        key=entry.key,
    )
    return Rung(stage=stage, part=part, entry=entry, model=entry.folder(folder))


def _reference_stage(part: StagePart, rungs: dict[str, Rung]) -> str | None:
    """The stage that a method measures its distance from; None where it needs none."""
    if part.module is None or not part.module.NEEDS_REFERENCE:
        return None
    reference = part.header.reference or part.parent
    if rungs[reference].stage.kind == "reward":
        raise InputError(
            f'{part.place}: reference: "{reference}" is a reward model; a reference must be a model that writes'
        )
    return reference


def _training(part: StagePart) -> dict[str, Any]:
    """The training options that results depend on."""
    return {name: value for name, value in plugins.plain(part.training).items() if name != "token_budget"}


def _hardware(part: StagePart) -> str:
    from pluralign.train.precision import hardware

    if part.training is None:
        raise ValueError(f"{part.place} is not trained")
    try:
        return hardware(part.training.bf16)
    except InputError as error:
        raise InputError(f"{part.place}: {error}") from error


def _recorded_rungs(part: RecordedPart) -> tuple[list[Rung], list[list[str]], list[str]]:
    found = part.module.stages(part.options)
    ladders, notices = ladder.declared(part.header.ladders, found)
    if hasattr(part.module, "notices"):
        notices += part.module.notices(part.options)
    below = ladder.parents(ladders)
    names = list(dict.fromkeys([name for names in ladders for name in names] + list(found)))
    version = plugins.version(part.module)
    rungs: list[Rung] = []
    for name in names:
        files = found[name]
        key = content_key({"adapter": version, "files": {audit: _hashes(paths) for audit, paths in files.items()}})
        stage = Stage(name=name, kind="recorded", parents=below.get(name, ()), key=key)
        rungs.append(Rung(stage=stage, recorded=files))
    return rungs, ladders, notices


def _hashes(paths: Iterable[Path]) -> list[str]:
    return [file_key(path) for path in paths]


def _exam(part: AuditPart, file: RunFile, voices: dict[str, Voices], limit: int | None) -> Exam:
    source, fingerprint, table = _questions(part, file, voices)
    try:
        items = tuple(part.module.items(table, part.options))
    except InputError as error:
        raise InputError(f"{part.place}: {source}, {error}") from error
    if not items:
        raise InputError(f"{part.place}: {source} gives no items with these options")
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise InputError(f'{part.place}: {source}: two items have the id "{item.id}"')
        seen.add(item.id)
    shortest = limit if part.header.limit is None else min(part.header.limit, limit or part.header.limit)
    return Exam(
        part=part,
        items=_shorten(items, shortest),
        every=frozenset(seen),
        limit=shortest,
        reference=_reference(part, items),
        source=source,
        fingerprint=fingerprint,
    )


def _questions(part: AuditPart, file: RunFile, voices: dict[str, Voices]) -> tuple[str, str, Iterable[Any]]:
    """Where an audit's rows come from, what stands for their content in a key, and the rows."""
    if part.header.data is not None:
        held_out = voices[part.header.data]
        return f"held-out of {held_out.name}", held_out.entry.key, [asdict(pair) for pair in held_out.held_out]
    if part.header.rows is None and file.recorded is not None:
        adapter = file.recorded
        table = list(adapter.module.rows(part.header.uses, adapter.options))
        text = json.dumps(table, ensure_ascii=False, sort_keys=True, default=str)
        return str(adapter.header.uses), hashlib.sha256(text.encode()).hexdigest()[:16], table
    source = part.header.rows or getattr(part.module, "ROWS", None)
    if source is None:
        raise InputError(f'{part.place}: option "rows" is missing: a file, a hub id, or "sandbox"')
    read = rows.read(
        source, sandbox=getattr(part.module, "SANDBOX", part.header.uses), beside=file.beside, place=part.place
    )
    return read.source, read.fingerprint, read.rows


def _reference(part: AuditPart, items: Iterable[Item]) -> dict[str, str]:
    """The reference group of each slice: the audit's own, with the first replaced by the run file's."""
    reference = dict(getattr(part.module, "REFERENCE", {}))
    groups: dict[str, set[str]] = {}
    for item in items:
        for slice_, group in item.slices.items():
            groups.setdefault(slice_, set()).add(group)
    wanted = part.header.reference_group
    if wanted is not None:
        homes = [slice_ for slice_, members in groups.items() if wanted in members]
        if not homes:
            known = {group for members in groups.values() for group in members}
            raise InputError(f"{part.place}: reference_group: {unknown('group', wanted, known)}")
        reference |= dict.fromkeys(homes, wanted)
    return {slice_: group for slice_, group in reference.items() if group in groups.get(slice_, {group})}


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
