"""Variables and overrides: `--set NAME=VALUE` fills `${NAME}`, `--set dpo.beta=0.2` overrides an option of a part."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pluralign import plugins
from pluralign.errors import InputError, unknown
from pluralign.runfile.parts import BASE, General, Table

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _value(text: str) -> Any:
    """A setting's value: as TOML would read it, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def override(table: Table, settings: Sequence[str], file: str) -> Table:
    """Apply the settings with a dot in their name, and those that name an option at the top."""
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise InputError(f'--set "{setting}": write NAME=VALUE')
        if "." in name:
            owner, _, option = name.rpartition(".")
            _part(table, owner, f'{file}: --set "{setting}"')[option] = _value(text)
        elif name in plugins.option_names(General) and name not in table.get("vars", {}):
            table[name] = _value(text)
    return table


def _part(table: Table, name: str, place: str) -> Table:
    """The table of the stage, audit or data set called `name` ("dpo", "data.voices", "recorded", "base")."""
    if name == BASE and isinstance(table.get(BASE), str):
        table[BASE] = {"model": table[BASE]}
    found: dict[str, Table] = {f"data.{key}": part for key, part in table.get("data", {}).items()}
    for section in ("stage", "audit"):
        for part in table.get(section, []):
            found[f"{section}.{part.get('name', plugins.label(str(part.get('uses', ''))))}"] = part
    for section in ("recorded", "sweep", BASE):
        if isinstance(table.get(section), dict):
            found[section] = table[section]
    matches = [key for key in found if key == name or key.partition(".")[2] == name]
    if len(matches) > 1:
        raise InputError(f"{place}: more than one part is called so; write one of {', '.join(matches)}")
    if not matches:
        raise InputError(f"{place}: {unknown('part', name, {key.partition('.')[2] or key for key in found})}")
    return found[matches[0]]


def fill(table: Table, settings: Sequence[str], file: str) -> Table:
    """Replace every `${name}` by its variable, from `[vars]` or the settings, and drop `[vars]`."""
    variables: Table = dict(table.pop("vars", {}))
    used: set[str] = set()
    _names(table, used)
    for setting in settings:
        name, _, text = setting.partition("=")
        if "." in name or (name in plugins.option_names(General) and name not in variables):
            continue
        if name not in variables and name not in used:
            known = variables.keys() | used | set(plugins.option_names(General))
            raise InputError(f"{file}: --set: {unknown('variable', name, known)}")
        variables[name] = _value(text)
    for name in sorted(used):
        if name not in variables:
            raise InputError(f"{file}: the variable ${{{name}}} has no value; give --set {name}=VALUE")
    return _replace(table, variables)


def _names(value: Any, used: set[str]) -> None:
    if isinstance(value, str):
        used.update(_VARIABLE.findall(value))
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            _names(inner, used)


def _replace(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        whole = _VARIABLE.fullmatch(value)
        return variables[whole[1]] if whole else _VARIABLE.sub(lambda match: str(variables[match[1]]), value)
    if isinstance(value, dict):
        return {key: _replace(inner, variables) for key, inner in value.items()}
    return [_replace(inner, variables) for inner in value] if isinstance(value, list) else value
