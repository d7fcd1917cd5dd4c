"""A stage's model, loaded to be asked, and the record of it that is kept beside its replies."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralign.asking.ask import Subject
from pluralign.run.parts import Prepared, Rung

if TYPE_CHECKING:
    from pluralign.subjects.ensemble import EnsembleSubject
    from pluralign.subjects.local import LocalSubject
    from pluralign.subjects.reward import RewardSubject

FILE = "subject.json"
"""Beside an audit's replies: what model gave them, how it was loaded, and by which template it was asked."""


def load(rung: Rung, prepared: Prepared) -> "LocalSubject | RewardSubject | EnsembleSubject":
    """The subject of a stage whose model is there. Raises: InputError where it cannot be loaded."""
    if rung.part is not None and rung.part.members:
        from pluralign.subjects.ensemble import EnsembleSubject

        loading = {name: loading_of(prepared.rung(name)) for name in rung.part.members}
        return EnsembleSubject.load(rung.stage.name, model_folder(rung), template=prepared.template, loading=loading)
    settings = {"template": prepared.template, "adapter": rung.adapter, **loading_of(rung)}
    if rung.stage.kind == "reward":
        from pluralign.subjects.reward import RewardSubject

        return RewardSubject.load(rung.stage.name, model_folder(rung), **settings)
    from pluralign.subjects.local import LocalSubject

    return LocalSubject.load(rung.stage.name, model_folder(rung), **settings)


def loading_of(rung: Rung) -> dict[str, Any]:
    """Keywords that load a stage's model as the run file wants it, but for its adapter."""
    header = rung.header
    if header is None:
        return {"dtype": rung.dtype}
    return {"dtype": rung.dtype, "device": header.device, "quantization": header.quantization}


def model_folder(rung: Rung) -> Path:
    """Where the weights of a stage are. Raises: ValueError for a stage without a model."""
    if rung.model is None:
        raise ValueError(f"stage {rung.stage.name} has no model")
    return rung.model


def describe(rung: Rung, subject: Subject) -> dict[str, Any]:
    """What `FILE` holds: the stage, where its model comes from, and what the subject says of itself."""
    from pluralign.subjects.ensemble import EnsembleSubject
    from pluralign.subjects.local import LocalSubject
    from pluralign.subjects.reward import RewardSubject

    if not isinstance(subject, LocalSubject | RewardSubject | EnsembleSubject):
        raise TypeError(f"{subject.name} has no model")
    return {"stage": rung.stage.name, "key": rung.stage.key, **_origin(rung), **subject.describe()}


def _origin(rung: Rung) -> dict[str, Any]:
    if rung.header is None or rung.found is None:
        return {"model": str(rung.model), "revision": None, "adapter": None, "quantization": None}
    adapter = rung.found.adapter
    return {
        "model": str(rung.found.files),
        "revision": rung.found.files.commit,
        "adapter": None if adapter is None else str(adapter),
        "adapter_revision": None if adapter is None else adapter.commit,
        "quantization": rung.header.quantization,
    }
