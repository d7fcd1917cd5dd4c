"""Read and check a run file.

Every error is one line that names file, place, value and the nearest fix:
`run.toml: stage "dpo": unknown option "betta"; did you mean "beta"?`
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pluralign import plugins
from pluralign.errors import InputError, unknown
from pluralign.records.training import Training
from pluralign.runfile.ensembles import ensemble
from pluralign.runfile.parts import (
    BASE,
    ENSEMBLE,
    AuditHeader,
    AuditPart,
    DataHeader,
    DataPart,
    General,
    ModelHeader,
    RecordedHeader,
    RecordedPart,
    RunFile,
    StageHeader,
    StagePart,
    Table,
    WeightingHeader,
)
from pluralign.runfile.references import check_references, in_order, refuse_twice
from pluralign.runfile.settings import fill, override
from pluralign.runfile.sweep import expand

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def read(path: Path, settings: Sequence[str] = ()) -> RunFile:
    """Read and check a run file; `settings` are "NAME=VALUE" texts that fill variables or override options."""
    return check(_parse(path), path, settings)


def check(table: Table, path: Path, settings: Sequence[str] = ()) -> RunFile:
    """Check the table of a run file that stands, or is to stand, at `path`."""
    resolved = fill(override(_shaped(table, path), settings, path.name), settings, path.name)
    refuse_twice([_stage_name(part, path) for part in _list(resolved, "stage", path)], path.name)
    table, families = expand(resolved, path.name)
    sections = ("data", "stage", "audit", "recorded")
    known = (*plugins.option_names(General), *sections)
    for key in table:
        if key not in known:
            raise InputError(f"{path.name}: {unknown('option', key, (*known, 'sweep', 'vars'))}")
    base = _base(table.get(BASE), path)
    top = {key: value for key, value in table.items() if key not in sections} | ({BASE: base.model} if base else {})
    general = plugins.build(General, top, path.name)
    data = tuple(_data(name, part, path) for name, part in _tables(table, "data", path).items())
    recorded = _recorded(table["recorded"], path) if "recorded" in table else None
    stages = tuple(_stage(part, path) for part in _list(table, "stage", path))
    if recorded is not None and "audit" in table:
        table["audit"] = [_told(part, recorded) for part in _list(table, "audit", path)]
    audits = tuple(_audit(part, path) for part in _list(table, "audit", path))
    if recorded is None and general.base is None:
        raise InputError(f'{path.name}: option "base" is missing: a hub id, a path, or "sandbox"')
    refuse_twice([part.name for part in (*stages, *audits)], path.name)
    run = RunFile(
        path=path,
        resolved=resolved,
        general=general,
        base=base,
        data=data,
        stages=in_order(stages, path.name),
        audits=audits,
        recorded=recorded,
        families=families,
    )
    check_references(run)
    return run


def _parse(path: Path) -> Table:
    if not path.is_file():
        near = sorted(str(other) for other in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        raise InputError(f"{path}: there is no such run file" + (f"; beside it: {', '.join(near[:5])}" if near else ""))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name}: not TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: not UTF-8 text ({error.reason} at byte {error.start})") from error


def _shaped(table: Table, path: Path) -> Table:
    """The table, once every section has the shape that it must have."""
    _tables(table, "data", path)
    for section in ("stage", "audit"):
        _list(table, section, path)
    for section in ("vars", "recorded"):
        if not isinstance(table.get(section, {}), dict):
            raise InputError(f"{path.name}: write [{section}], with its options below")
    return table


def _tables(table: Table, section: str, path: Path) -> dict[str, Table]:
    parts = table.get(section, {})
    if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
        raise InputError(f"{path.name}: write [{section}.NAME] for each {section} set")
    return parts


def _list(table: Table, section: str, path: Path) -> list[Table]:
    parts = table.get(section, [])
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise InputError(f"{path.name}: write [[{section}]], with two brackets, for each {section}")
    return parts


def _check_name(name: object, place: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"{place}: name = {name!r}: use letters, digits, dots, dashes and underscores")
    return name


def _headed(kind: type[T], part: Table, module: ModuleType, path: Path, place: str) -> tuple[T, Any]:
    """A section's header and the options of the plug-in that it uses."""
    own = plugins.options_of(module)
    head, options = plugins.split(part, (kind, own), place)
    return plugins.build(kind, head, place), plugins.anchored(plugins.build(own, options, place), path.parent)


def _data(name: str, part: Table, path: Path) -> DataPart:
    place = f'{path.name}: data "{_check_name(name, path.name)}"'
    module = plugins.load("sources", str(part.get("uses", "pairs")), beside=path.parent, place=place)
    header, options = _headed(DataHeader, part, module, path, place)
    if header.mix and options != plugins.options_of(module)():
        raise InputError(f"{place}: a mix has no source of its own, so it takes no option of one")
    if not header.mix and header.rows is None and not hasattr(module, "ROWS"):
        raise InputError(f'{place}: option "rows" is missing: a file, a folder, a hub id, "sandbox", or else a mix')
    return DataPart(name=name, place=place, header=header, module=module, options=options)


def _stage_name(part: Table, path: Path) -> str:
    name = _check_name(part.get("name"), f"{path.name}: [[stage]]")
    if name == BASE:
        raise InputError(
            f'{path.name}: stage "{name}": "{BASE}" is the model that the run starts from; choose another name'
        )
    return name


def _stage(part: Table, path: Path) -> StagePart:
    name = _stage_name(part, path)
    place = f'{path.name}: stage "{name}"'
    if part.get("method") == ENSEMBLE:
        return ensemble(part, name, place)
    parent = part.get("from", BASE)
    if not isinstance(parent, str):
        raise InputError(f"{place}: from = {parent!r}: must be the name of one stage")
    rest = {key: value for key, value in part.items() if key not in ("name", "from")}
    if ("method" in rest) == ("model" in rest):
        raise InputError(f"{place}: give it either a method (to train it) or a model (that exists)")
    if "model" in rest:
        return StagePart(name=name, place=place, parent=parent, model=_model(rest, place))
    module = plugins.load("methods", str(rest["method"]), beside=path.parent, place=place)
    kinds = (StageHeader, Training, plugins.options_of(module))
    try:
        head, training, options = plugins.split(rest, kinds, place)
    except InputError as error:
        known = (*plugins.option_names(*kinds), "name", "from")
        wrong = next(key for key in rest if key not in known)
        raise InputError(f"{place}: {unknown('option', wrong, known)}") from error
    weighting, weigh, weigh_options = _weighting(head.get("weighting", "uniform"), module, path, place)
    header = plugins.build(StageHeader, head | {"weighting": weighting}, place)
    if header.data is None:
        raise InputError(f'{place}: option "data" is missing: the name of a [data.NAME] of this file')
    return StagePart(
        name=name,
        place=place,
        parent=parent,
        header=header,
        module=module,
        weigh=weigh,
        weigh_options=weigh_options,
        training=plugins.build(Training, training, place, start=module.TRAINING),
        options=plugins.anchored(plugins.build(kinds[2], options, place), path.parent),
    )


def _weighting(given: Any, method: ModuleType, path: Path, place: str) -> tuple[str, ModuleType, Any]:
    """The name, module and options of a weighting that is given as a text, or as a table that `uses` it."""
    table = given if isinstance(given, dict) else {"uses": given}
    uses = table.get("uses")
    if not isinstance(uses, str):
        raise InputError(f'{place}: weighting = {given!r}: write its name, or {{ uses = "NAME", OPTION = VALUE }}')
    weigh = plugins.load("weightings", uses, beside=path.parent, place=place)
    place = f'{place}: weighting "{uses}"'
    if weigh.NEEDS not in ("shares", "losses", "head_gradients"):
        raise InputError(f"{place}: {unknown('NEEDS', str(weigh.NEEDS), ('shares', 'losses', 'head_gradients'))}")
    if weigh.NEEDS == "head_gradients" and method.KIND != "reward":
        raise InputError(f'{place}: weighs by the gradients of a reward head, so the method must be "reward"')
    if weigh.NEEDS != "shares" and getattr(method, "NEEDS_REWARD", False):
        raise InputError(
            f'{place}: weighs by losses, which say nothing of what a policy has just written; use "uniform" here'
        )
    _, options = _headed(WeightingHeader, table, weigh, path, place)
    return uses, weigh, options


def _model(part: Table, place: str) -> ModelHeader:
    """What is said of a model that exists."""
    for key in part:
        if key in plugins.option_names(StageHeader, Training) and key not in plugins.option_names(ModelHeader):
            raise InputError(f'{place}: a model that exists is not trained, so it takes no "{key}"')
    (known,) = plugins.split(part, (ModelHeader,), place)
    return plugins.build(ModelHeader, known, place)


def _base(part: Any, path: Path) -> ModelHeader | None:
    """The base, given as a text or as a section."""
    if part is None:
        return None
    return _model(part if isinstance(part, dict) else {"model": part}, f"{path.name}: base")


def _told(part: Table, recorded: RecordedPart) -> Table:
    """An [[audit]] with what the adapter knows of its options, where the run file does not say them itself."""
    if not hasattr(recorded.module, "audit_options") or not isinstance(part.get("uses"), str):
        return part
    try:
        known = recorded.module.audit_options(part["uses"], recorded.options)
    except InputError as error:
        raise InputError(f"{recorded.place}: {error}") from error
    return plugins.as_json(known) | part


def _audit(part: Table, path: Path) -> AuditPart:
    uses = part.get("uses")
    if not isinstance(uses, str):
        raise InputError(
            f'{path.name}: [[audit]]: option "uses" is missing; known: {", ".join(plugins.names("audits"))}'
        )
    name = _check_name(part.get("name", plugins.label(uses)), f"{path.name}: [[audit]]")
    place = f'{path.name}: audit "{name}"'
    module = plugins.load("audits", uses, beside=path.parent, place=place)
    header, options = _headed(AuditHeader, part, module, path, place)
    if header.limit is not None and header.limit < 1:
        raise InputError(f"{place}: limit = {header.limit}: must be at least 1")
    return AuditPart(name=name, place=place, header=header, module=module, options=options)


def _recorded(part: Any, path: Path) -> RecordedPart:
    place = f"{path.name}: [recorded]"
    if not isinstance(part, dict) or not isinstance(part.get("uses"), str):
        raise InputError(f'{place}: option "uses" is missing: the adapter, a Python file beside the run file')
    module = plugins.load_file(plugins.find(part["uses"], path.parent), "adapter", place=place)
    header, options = _headed(RecordedHeader, part, module, path, place)
    return RecordedPart(place=place, header=header, module=module, options=options)
