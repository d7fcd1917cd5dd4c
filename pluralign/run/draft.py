"""The run file that `pluralign audit` stands for: models that exist, in ladder order, and the audits they are asked."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from types import ModuleType
from typing import Any

import tomli_w

from pluralign import plugins
from pluralign.data.models import check_model
from pluralign.errors import InputError
from pluralign.runfile.parts import BASE, Table
from pluralign.runfile.settings import fill, override

PLACE = "audit"
"""What stands before a complaint about the command line."""
PATHS = {"base", "model", "adapter", "rows", "template", "countries", "survey"}
"""Options that may be a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for.

    `models`: "NAME=MODEL" each, the one called base first, each later one made from the one before; `audits`: names,
    with commas between; `limit`: items of each audit; `settings`: as `pluralign run --set` takes them.
    """

    models: tuple[str, ...]
    audits: str
    limit: int | None = None
    dtype: str | None = None
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A run file that is not written yet: its text, and a name made of its models' names."""

    text: str
    name: str

    @property
    def table(self) -> Table:
        """What the text says."""
        return tomllib.loads(self.text)


def draft(request: Request) -> Draft:
    """The run file of a request, with the settings in it, so that it needs none.

    Raises: InputError for models and audits that cannot be, in one line.
    """
    models = _models(request.models)
    audits = [name.strip() for name in request.audits.split(",") if name.strip()]
    if not audits:
        raise InputError(f"--audits: name at least one; known: {', '.join(plugins.names('audits'))}")
    modules = [plugins.load("audits", name, beside=Path(), place="--audits") for name in audits]
    general: Table = {"title": _title(models), "base": models[BASE]}
    if request.dtype is not None:
        general["dtype"] = request.dtype
    stages: list[Table] = [{"name": name, "model": models[name], "from": below} for below, name in pairwise(models)]
    limit: Table = {} if request.limit is None else {"limit": request.limit}
    sandbox = models[BASE] == "sandbox"
    parts = [
        {"uses": _address(name), "name": plugins.label(name)} | _rows(module, sandbox) | limit
        for name, module in zip(audits, modules, strict=True)
    ]
    table = override({**general, "stage": stages, "audit": parts}, request.settings, PLACE)
    table = _anchored(fill(table, request.settings, PLACE))
    for name, part in zip(audits, table["audit"], strict=True):
        if "rows" not in part:
            why = "the sandbox has no data for it" if sandbox else "no data come with it"
            raise InputError(f"--audits {name}: {why}; say where they are: --set {plugins.label(name)}.rows=FILE")
    text = _text(table, [module.DESCRIPTION for module in modules])
    return Draft(text, "_".join(map(_short, models.values())))


def _models(pairs: Sequence[str]) -> dict[str, str]:
    """Name → model, in order. Folders are checked, and whether a hub id has the form of one."""
    if not pairs:
        raise InputError(f"{PLACE}: name the models, such as base=HUB_OR_PATH tuned=HUB_OR_PATH")
    found: dict[str, str] = {}
    for place, pair in enumerate(pairs):
        name, equals, model = pair.partition("=")
        if not equals or not name or not model:
            wanted = BASE if place == 0 else "tuned"
            raise InputError(f'{PLACE}: "{pair}": write NAME=MODEL, such as {wanted}={model or pair.strip("=")}')
        if place == 0 and name != BASE:
            raise InputError(f'{PLACE}: "{pair}": the first model is the one below all others: write {BASE}={model}')
        if name in found:
            raise InputError(f'{PLACE}: "{pair}": the name "{name}" is given twice; every model needs its own')
        _check(name, model)
        found[name] = model
    return found


def _check(name: str, model: str) -> None:
    if model == "sandbox":
        return
    folder = Path(model).expanduser()
    try:
        check_model(str(folder) if folder.exists() else model.partition("@")[0])
    except InputError as error:
        raise InputError(f"{PLACE}: {name}: {error}") from error


def _absolute(path: str) -> str:
    return os.path.abspath(Path(path).expanduser())


def _anchored(table: Table) -> Table:
    """The same with whole paths, wherever an option that may be one leads to a file from the working directory."""
    base = [table[BASE]] if isinstance(table[BASE], dict) else []
    for part in (table, *base, *table["stage"], *table["audit"]):
        for key in PATHS & part.keys():
            value = part[key]
            if isinstance(value, str) and value != "sandbox" and Path(value).expanduser().exists():
                part[key] = _absolute(value)
    return table


def _address(audit: str) -> str:
    """An audit as the run file names it: the user's own file by its whole path."""
    return _absolute(audit) if audit.endswith(".py") else audit


def _rows(module: ModuleType, sandbox: bool) -> Table:
    """Where an audit's rows come from unless told; nothing where that is not known."""
    source = ("sandbox" if hasattr(module, "SANDBOX") else None) if sandbox else getattr(module, "ROWS", None)
    return {} if source is None else {"rows": source}


def _short(model: str) -> str:
    """The last part of a model's id or path, fit for a file's name."""
    there = Path(model).expanduser().exists() and model != "sandbox"
    last = Path(_absolute(model) if there else model.partition("@")[0]).name
    return re.sub(r"[^A-Za-z0-9.-]+", "-", last).strip("-.") or "model"


def _title(models: Mapping[str, str]) -> str:
    if len(models) == 1:
        return f"Whom does {_short(models[BASE])} serve?"
    short = [_short(model) for model in models.values()]
    return f"Who gained and who lost: {' → '.join(short if len(set(short)) == len(short) else models)}"


def _text(table: Table, descriptions: Sequence[str]) -> str:
    """The table as TOML with a few comments."""
    general = {key: value for key, value in table.items() if key not in ("stage", "audit")}
    pieces = [
        _comment(
            "Written by `pluralign audit`. `pluralign run` on this file does the same again: what is there"
            " is not asked twice."
        ),
        _lines(general),
    ]
    for part in table["stage"]:
        pieces += ["\n[[stage]]\n", _lines(part)]
    for part, description in zip(table["audit"], descriptions, strict=True):
        pieces += ["\n", _comment(description), "[[audit]]\n", _lines(part)]
    return "".join(pieces)


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in wrap(text, 110))


def _lines(table: Table) -> str:
    """A table as TOML, one option a line; tables within it are written inline."""
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.items())


def _key(key: str) -> str:
    return tomli_w.dumps({key: True}).rpartition(" = ")[0]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_value(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")
