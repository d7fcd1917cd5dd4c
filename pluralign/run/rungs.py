"""The stages of a run: the base, existing models, those to be trained and recorded ones, each with its content key."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pluralign import engine, plugins
from pluralign.data.template import Template
from pluralign.errors import InputError
from pluralign.records.stage import Stage
from pluralign.records.training import WITHOUT_EFFECT
from pluralign.run import ladder
from pluralign.run.ensembles import ensemble_rung, refuse_ensemble
from pluralign.run.existing import existing_rung, refuse_quantized
from pluralign.run.loading import model_folder
from pluralign.run.parts import Rung, Voices
from pluralign.run.rewards import reward_keys
from pluralign.runfile.parts import BASE, RecordedPart, RunFile, StagePart
from pluralign.store import Entry, content_key, file_key


def base_rung(file: RunFile) -> Rung:
    """The model that the run starts from. Raises: InputError where it cannot be loaded or is a reward model."""
    if file.base is None:
        raise ValueError("a run of recorded replies has no base")
    place = f"{file.path.name}: base"
    rung = existing_rung(Stage(name=BASE, kind="base"), file.base, file, place)
    if rung.stage.kind == "reward":
        raise InputError(f'{place}: "{file.base.model}" is a reward model; a base must be one that writes')
    return rung


def trained_rungs(file: RunFile, base: Rung, voices: dict[str, Voices], folder: Path, template: Template) -> list[Rung]:
    """The base and every stage above it, those to be trained in `folder` and existing models that join.

    Raises: InputError for a stage that cannot start from its parent or be held against its reference.
    """
    rungs = {BASE: base}
    for part in file.stages:
        if part.members:
            rungs[part.name] = ensemble_rung(part, file, rungs, folder)
        elif part.model is not None:
            stage = Stage(name=part.name, kind="model", parents=(part.parent,))
            rungs[part.name] = dataclasses.replace(existing_rung(stage, part.model, file, part.place), part=part)
        else:
            rungs[part.name] = _trained(part, file, rungs, voices, folder, template)
    return list(rungs.values())


def _trained(
    part: StagePart, file: RunFile, rungs: dict[str, Rung], voices: dict[str, Voices], folder: Path, template: Template
) -> Rung:
    if part.module is None or part.weigh is None:
        raise ValueError(f"{part.place} is not trained")
    parent = rungs[part.parent]
    if parent.stage.kind == "reward" and part.module.KIND != "reward":
        raise InputError(f'{part.place}: from: "{part.parent}" is a reward model; start from the model it came from')
    refuse_ensemble(parent, f"{part.place}: from")
    refuse_quantized(parent, f"{part.place}: from")
    _check_training(part, rungs)
    data = voices[str(part.header.data)]
    _check_evaluation(part, data)
    reference = _reference_stage(part, rungs)
    seed = file.general.seed if part.header.seed is None else part.header.seed
    made_of = {
        "engine": engine.VERSION,
        "method": f"{part.header.method} {plugins.version(part.module)}",
        "weighting": f"{part.header.weighting} {plugins.version(part.weigh)}",
        "weighting_options": plugins.made_of(part.weigh_options),
        "options": _options(part),
        "training": _training(part),
        "hardware": _hardware(part),
        "template": template.made_of(),
        "seed": seed,
        "from": parent.stage.key,
        "reference": rungs[reference].stage.key if reference else None,
        "data": data.entry.key,
    }
    if part.header.rewards:
        made_of["reward"] = reward_keys(part, rungs, file.beside)
    entry = Entry("stages", part.name, made_of)
    stage = Stage(
        name=part.name,
        kind=part.module.KIND,
        parents=(part.parent,),
        reference=reference,
        method=part.header.method,
        seed=seed,
        key=entry.key,
    )
    return Rung(stage=stage, part=part, entry=entry, model=entry.folder(folder), dtype=file.general.dtype)


def _reference_stage(part: StagePart, rungs: dict[str, Rung]) -> str | None:
    """The stage that a method measures its distance from; None where it needs none."""
    if part.module is None or not part.module.NEEDS_REFERENCE:
        return None
    reference = part.header.reference or part.parent
    if rungs[reference].stage.kind == "reward":
        raise InputError(
            f'{part.place}: reference: "{reference}" is a reward model; a reference must be a model that writes'
        )
    refuse_quantized(rungs[reference], f"{part.place}: reference")
    own, other = (root(rungs[name], rungs) for name in (part.parent, reference))
    if own is not other:
        _check_reference(part, own, other)
    return reference


def root(rung: Rung, rungs: Mapping[str, Rung]) -> Rung:
    """The model that exists from which a stage comes, whose tokenizer it has."""
    while rung.found is None:
        rung = rungs[rung.stage.parents[0]]
    return rung


def _check_reference(part: StagePart, parent: Rung, reference: Rung) -> None:
    """Refuse a reference that has other tokens than the stage, or takes fewer than a policy may write."""
    from pluralign.engine.loading.load import read_outline

    (tokenizer, limit), (its_tokenizer, its_limit) = (
        read_outline(model_folder(each), adapter=each.adapter) for each in (parent, reference)
    )
    place = f'{part.place}: reference: "{part.header.reference}"'
    if tokenizer.get_vocab() != its_tokenizer.get_vocab():
        raise InputError(f'{place} has another vocabulary than "{part.parent}"; a reference must share its tokenizer')
    if part.training is None or not part.header.rewards or its_limit is None:
        return
    longest = min(part.training.max_length, limit or part.training.max_length)
    if its_limit < longest:
        raise InputError(f"{place} takes {its_limit} tokens, and a policy may write up to {longest}; lower max_length")


def _check_evaluation(part: StagePart, data: Voices) -> None:
    if part.training is not None and part.training.eval_steps is not None and not data.held_out:
        raise InputError(f'{part.place}: eval_steps: data "{data.name}" holds none out; give it held_out = 0.1')


def _options(part: StagePart) -> dict[str, Any]:
    """The method's options that results depend on."""
    without_effect = getattr(part.module, "WITHOUT_EFFECT", ())
    return {name: value for name, value in plugins.made_of(part.options).items() if name not in without_effect}


def _training(part: StagePart) -> dict[str, Any]:
    """The training options that results depend on."""
    return {name: value for name, value in plugins.plain(part.training).items() if name not in WITHOUT_EFFECT}


def _check_training(part: StagePart, rungs: dict[str, Rung]) -> None:
    """Refuse trackers, and layers for LoRA or checkpointing, that are not to be had. Raises: InputError."""
    from pluralign.train.trackers import check_trackers

    found = root(rungs[part.parent], rungs).found
    if part.training is None or found is None:
        raise ValueError(f"{part.place} is not trained")
    try:
        check_trackers(part.training.report_to)
        if part.training.lora_r > 0 or part.training.gradient_checkpointing:
            from pluralign.train.adapting import check_adapting

            check_adapting(found, part.training)
    except InputError as error:
        raise InputError(f"{part.place}: {error}") from error


def _hardware(part: StagePart) -> str:
    from pluralign.train.precision import hardware

    if part.training is None:
        raise ValueError(f"{part.place} is not trained")
    try:
        return hardware(part.training.bf16)
    except InputError as error:
        raise InputError(f"{part.place}: {error}") from error


def rungs_of_records(part: RecordedPart) -> tuple[list[Rung], list[list[str]], list[str]]:
    """The stages that an adapter finds, the ladders they stand on, and notices."""
    found = part.module.stages(part.options)
    ladders, notices = ladder.declared(part.header.ladders, found)
    if hasattr(part.module, "notices"):
        notices += part.module.notices(part.options)
    below = ladder.parents(ladders)
    names = list(dict.fromkeys([name for names in ladders for name in names] + list(found)))
    version = plugins.version(part.module)
    rewards = part.module.rewards(part.options) if hasattr(part.module, "rewards") else frozenset()
    rungs: list[Rung] = []
    for name in names:
        files = found[name]
        key = content_key({"adapter": version, "files": {audit: _hashes(paths) for audit, paths in files.items()}})
        kind = "reward" if name in rewards else "recorded"
        stage = Stage(name=name, kind=kind, parents=below.get(name, ()), key=key)
        rungs.append(Rung(stage=stage, recorded=files))
    return rungs, ladders, notices


def _hashes(paths: Iterable[Path]) -> list[str]:
    return [file_key(path) for path in paths]
