"""The grid of an experiment: `[sweep]` names seeds of training, or values of stages' options, to be tried in turn.

    [sweep]
    seed = [0, 1, 2]
    "dpo.beta" = [0.05, 0.1]

Every stage that is trained becomes one stage for each seed; a stage with a swept option, and whatever is made from it,
one for each value: `dpo.beta_0.05.seed_0` and so on. What does not depend on a value is made once. Data are drawn alike
for all of them: it is the run's own seed that they are drawn with.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from pluralign.errors import InputError, unknown
from pluralign.runfile.parts import BASE, ENSEMBLE, Family, Table, check_seed

SEED = "seed"
FIXED = ("name", "from", "method", SEED)
"""Of a stage, what makes it the stage that it is."""
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")

Values = Mapping[str, Any]
"""Axis → the value taken there: a point of the grid, or of a part of it."""


def expand(table: Table, file: str) -> tuple[Table, dict[str, Family]]:
    """The run file with one stage for each point of the grid, and the family of every stage that has several seeds.

    The names of its stages are checked already. Raises: InputError for a sweep of what cannot be swept.
    """
    if "sweep" not in table:
        return table, {}
    place = f"{file}: [sweep]"
    stages = {str(stage["name"]): stage for stage in table.get("stage", [])}
    axes = _axes(table["sweep"], stages, place)
    needed = {name: _needed(name, stages, axes) for name in stages}
    made: list[Table] = []
    families: dict[str, Family] = {}
    _refuse_unknown(stages, axes, file)
    if SEED in axes:
        _refuse_own_seeds(stages, place)
    for name, stage in stages.items():
        if "method" not in stage and needed[name]:
            raise InputError(
                f'{place}: stage "{name}" exists already, but stands on "{stage["from"]}", which is trained several '
                'times; leave "from" out'
            )
        for point in _points(axes, needed[name]):
            variant = _variant(stage, point, needed)
            made.append(variant)
            if SEED in point:
                rest = {axis: value for axis, value in point.items() if axis != SEED}
                families[variant["name"]] = Family(_name(name, rest), point[SEED])
    return {key: value for key, value in table.items() if key != "sweep"} | {"stage": made}, families


def _axes(sweep: Any, stages: Mapping[str, Table], place: str) -> dict[str, Sequence[Any]]:
    """What is swept, "seed" or "STAGE.OPTION", and its values; checked."""
    if not isinstance(sweep, dict) or not sweep:
        raise InputError(f'{place}: write seed = [0, 1, 2] or "STAGE.OPTION" = [VALUE, VALUE] below it')
    axes: dict[str, Sequence[Any]] = {}
    for key, value in sweep.items():
        inner = value if isinstance(value, dict) else None
        axes |= {key: value} if inner is None else {f"{key}.{option}": values for option, values in inner.items()}
    for axis, values in axes.items():
        owner, _, option = axis.rpartition(".")
        if axis != SEED and owner not in stages:
            known = (SEED, *(f"{name}.{option}" for name in stages))
            raise InputError(f'{place}: {unknown("axis", axis, known)} (a sweep takes "seed" or "STAGE.OPTION")')
        if axis != SEED and "method" not in stages[owner]:
            raise InputError(f'{place}: "{axis}": stage "{owner}" exists already and is not trained')
        if axis != SEED and option in FIXED:
            raise InputError(f'{place}: "{axis}" cannot be swept; write a stage of its own for each')
        if not isinstance(values, list) or not values:
            raise InputError(f"{place}: {axis} = {values!r}: must be a list of values")
        if axis == SEED:
            _check_seeds(values, f"{place}: {axis} = {values!r}")
        shown = [_shown(value) for value in values]
        if len(set(shown)) < len(shown):
            raise InputError(f"{place}: {axis} = {values!r}: two values are the same, or look the same in a name")
    if not axes:
        raise InputError(f"{place}: {next(iter(sweep))} has no option below it; write OPTION = [VALUE, VALUE]")
    return axes


def _check_seeds(values: Sequence[Any], place: str) -> None:
    if not all(type(value) is int for value in values):
        raise InputError(f"{place}: seeds are whole numbers")
    for value in values:
        try:
            check_seed(value)
        except ValueError as error:
            raise InputError(f"{place}: {error}") from error


def _refuse_unknown(stages: Mapping[str, Table], axes: Mapping[str, Any], file: str) -> None:
    """Refuse names of stages that do not exist while the known ones are those of the file. Raises: InputError."""
    known = (*stages, BASE)
    for name, stage in stages.items():
        for source in _sources(stage, name, axes):
            if source not in known and ":" not in source:
                raise InputError(f'{file}: stage "{name}": {unknown("stage", source, known)}')


def _refuse_own_seeds(stages: Mapping[str, Table], place: str) -> None:
    """Refuse a sweep of seeds where nothing takes them. Raises: InputError."""
    learnt = {name: stage for name, stage in stages.items() if stage.get("method", ENSEMBLE) != ENSEMBLE}
    if not learnt:
        raise InputError(f"{place}: seed: no stage of this file is trained")
    for name, stage in learnt.items():
        if SEED in stage:
            raise InputError(
                f'{place}: stage "{name}" has a seed of its own, {stage[SEED]!r}; leave that out, or sweep no seeds'
            )


def _needed(name: str, stages: Mapping[str, Table], axes: Mapping[str, Any]) -> frozenset[str]:
    """The axes that a stage depends on: its own, and those of all that it is made from. Loops are left to others."""
    found: set[str] = set()
    todo, seen = [name], set[str]()
    while todo:
        current = todo.pop()
        stage = stages.get(current)
        if current in seen or stage is None:
            continue
        seen.add(current)
        found |= {axis for axis in axes if axis.rpartition(".")[0] == current}
        if "method" in stage and stage["method"] != ENSEMBLE:
            found |= axes.keys() & {SEED}
        todo += _sources(stage, current, axes)
    return frozenset(found)


def _sources(stage: Table, name: str, axes: Mapping[str, Any]) -> list[str]:
    """The stages that a stage names, at any point of the grid; one that exists already only stands on one."""
    given = [stage.get("from", BASE)]
    for key in ("reference", "reward") if "method" in stage else ():
        given += axes.get(f"{name}.{key}", [stage.get(key)])
    texts = [each for value in given for each in (value if isinstance(value, list) else [value])]
    return [text for text in texts if isinstance(text, str)]


def _points(axes: Mapping[str, Sequence[Any]], needed: frozenset[str]) -> list[Values]:
    """The points of the grid on some of its axes, the seed last and changing fastest; one without any axis."""
    names = sorted((axis for axis in axes if axis in needed), key=lambda axis: axis == SEED)
    return [dict(zip(names, values, strict=True)) for values in product(*(axes[axis] for axis in names))]


def _variant(stage: Table, point: Values, needed: Mapping[str, frozenset[str]]) -> Table:
    """A stage at a point of the grid, made from what is there at that point."""

    def at(name: Any) -> Any:
        if isinstance(name, list):
            return [at(each) for each in name]
        if not isinstance(name, str) or name not in needed:
            return name
        return _name(name, {axis: value for axis, value in point.items() if axis in needed[name]})

    name = str(stage["name"])
    own = {axis.rpartition(".")[2]: value for axis, value in point.items() if axis.rpartition(".")[0] == name}
    if SEED in point and stage.get("method") != ENSEMBLE:
        own[SEED] = point[SEED]
    made = stage | own
    return made | {key: at(made[key]) for key in ("name", "from", "reference", "reward") if key in made}


def _name(name: str, point: Values) -> str:
    """`dpo.beta_0.05.seed_1`; an option of another stage with that stage's name: `rloo.dpo.beta_0.05`."""
    parts = [name]
    for axis, value in point.items():
        owner, _, option = axis.rpartition(".")
        parts.append(f"{option if owner in ('', name) else axis}_{_shown(value)}")
    return ".".join(parts)


def _shown(value: Any) -> str:
    """A value as it stands in a name."""
    if isinstance(value, int | float):
        return str(value).lower()
    return _UNFIT.sub("-", str(value)).strip("-")
