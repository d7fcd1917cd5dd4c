"""Ensembles of reward models: their stage, and the folder that names their members."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from pluralign import store
from pluralign.data.ensembles import Member, way_to, write_members
from pluralign.errors import InputError
from pluralign.records.stage import Stage
from pluralign.run import environment
from pluralign.run.existing import refuse_quantized
from pluralign.run.parts import Prepared, Rung
from pluralign.runfile.parts import ENSEMBLE, RunFile, StagePart
from pluralign.store import Entry

VERSION = 1


def ensemble_rung(part: StagePart, file: RunFile, rungs: Mapping[str, Rung], folder: Path) -> Rung:
    """The stage of an ensemble. Raises: InputError for a member that is no single, whole reward model."""
    members = [rungs[name] for name in part.members]
    for member in members:
        if member.stage.kind != "reward":
            raise InputError(
                f'{part.place}: from: "{member.stage.name}" is no reward model; an ensemble averages rewards'
            )
        refuse_ensemble(member, f"{part.place}: from")
        refuse_quantized(member, f"{part.place}: from")
    made_of = {"ensemble": VERSION, "from": {member.stage.name: member.stage.key for member in members}}
    entry = Entry("stages", part.name, made_of)
    stage = Stage(
        name=part.name,
        kind="reward",
        parents=part.members,
        method=ENSEMBLE,
        seed=file.general.seed,
        key=entry.key,
    )
    dtypes = [member.dtype for member in members]
    dtype = dtypes[0] if len(set(dtypes)) == 1 else ", ".join(dtypes)
    return Rung(stage=stage, part=part, entry=entry, model=entry.folder(folder), dtype=dtype)


def refuse_ensemble(rung: Rung, place: str) -> None:
    """Refuse an ensemble where one model is needed. Raises: InputError."""
    if rung.stage.method == ENSEMBLE:
        raise InputError(f'{place}: "{rung.stage.name}" is an ensemble, not one model; name one of its members')


def assemble(rung: Rung, prepared: Prepared, made_on: Mapping[str, str]) -> None:
    """Leave the ensemble's folder."""
    if rung.entry is None or rung.part is None:
        raise ValueError(f"stage {rung.stage.name} is no ensemble")
    folder = rung.entry.folder(prepared.folder)
    members = [_member(prepared.rung(name), folder) for name in rung.part.members]
    with store.making(rung.entry, prepared.folder) as partial:
        write_members(members, partial)
        store.write_json(partial / "stage.json", dataclasses.asdict(rung.stage))
        store.write_json(partial / environment.FILE, made_on)


def _member(rung: Rung, ensemble: Path) -> Member:
    stage = rung.stage
    if rung.found is None:
        if rung.model is None:
            raise ValueError(f"stage {stage.name} has no model")
        return Member(name=stage.name, key=stage.key, model=way_to(rung.model, ensemble))
    files, adapter = rung.found.files, rung.adapter
    model = str(files.folder.absolute()) if files.commit is None else f"{files.name}@{files.commit}"
    return Member(
        name=stage.name, key=stage.key, model=model, adapter=None if adapter is None else str(adapter.absolute())
    )
