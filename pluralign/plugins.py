"""The folder is the registry: a name in a run file is a module in a folder of the package, or the user's own file.

"dpo"            pluralign/methods/dpo.py
"my_audit.py"    a file beside the run file (or in the working directory)
"lab.my_audit"   a module that Python can import
"""

import hashlib
import importlib
import importlib.util
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from pluralign.errors import InputError, unknown

Folder = Literal["sources", "methods", "weightings", "audits"]
T = TypeVar("T")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "sources": ("VERSION", "load"),
    "methods": ("VERSION", "KIND", "COUNTS", "NEEDS_REFERENCE", "TRAINING", "completions", "losses"),
    "weightings": ("VERSION", "NEEDS", "weigh"),
    "audits": ("VERSION", "DESCRIPTION", "MEASURES", "items", "read"),
    "adapter": ("VERSION", "stages", "rows", "replies"),
    "function": (),
}
"""What a plug-in of each folder must have; `docs/architecture.md` says what each is."""

FOLDERS: tuple[Folder, ...] = ("sources", "methods", "weightings", "audits")
_TYPES = ("str", "int", "float", "bool", "path")
"""What pydantic calls the types of an option that may be of several."""


def names(folder: Folder) -> tuple[str, ...]:
    """Names of the package's own plug-ins in `folder`, without importing any."""
    here = Path(__file__).parent / folder
    return tuple(sorted(path.stem for path in here.glob("*.py") if not path.stem.startswith("_")))


def label(name: str) -> str:
    """What a plug-in is called where a run file gives it no name of its own: a user's file by its stem."""
    return Path(name).stem if name.endswith(".py") else name


def find(source: str, beside: Path) -> Path:
    """Where a relative path in a run file leads: the working directory first, then the run file's own folder."""
    path = Path(source).expanduser()
    if path.is_absolute() or path.exists() or not (beside / path).exists():
        return path
    return beside / path


def anchored(options: T, beside: Path) -> T:
    """The options of a plug-in, every path among them as `find` leads to it."""
    given = {each.name: getattr(options, each.name) for each in fields(options)}  # type: ignore[arg-type]
    paths = {name: find(str(value), beside) for name, value in given.items() if isinstance(value, Path)}
    return replace(options, **paths)  # type: ignore[type-var]


def load(folder: Folder, name: str, *, beside: Path, place: str) -> ModuleType:
    """The plug-in called `name`; `place` says where the name stands, for the error.

    Raises `InputError` where there is no such plug-in, or the user's own module does not import.
    """
    if name in names(folder):
        return importlib.import_module(f"pluralign.{folder}.{name}")
    if name.endswith(".py"):
        return load_file(find(name, beside), folder, place=place)
    if "." in name.strip("."):
        return _complete(_import(name, place), folder, place)
    raise InputError(f"{place}: {unknown(folder.removesuffix('s'), name, names(folder))}")


def _import(name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except InputError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f'{place}: the module "{name}" cannot be imported: {what}') from error


def _complete(module: ModuleType, kind: str, place: str) -> ModuleType:
    for name in REQUIRED[kind]:
        if not hasattr(module, name):
            needed = ", ".join(REQUIRED[kind])
            raise InputError(f'{place}: {module.__file__} has no "{name}"; it needs {needed}')
    version(module)  # now, that the text in the key is the one that was read
    return module


def load_file(path: Path, kind: str, *, place: str) -> ModuleType:
    """Import a user's own file as a plug-in of a folder, an "adapter" of recorded replies, or for one "function" of it.

    It may import the files beside it, as `from .other import name`. Raises `InputError` where it does not import or
    lacks what such a plug-in must have.
    """
    if not path.is_file():
        raise InputError(f'{place}: there is no file "{path}"')
    name = f"pluralign_user_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    for beside in _parts(name):
        del sys.modules[beside]
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
    if spec is None or spec.loader is None:
        raise InputError(f'{place}: "{path}" is not a Python file')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        for part in (name, *_parts(name)):
            del sys.modules[part]
        raise InputError(f"{place}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    return _complete(module, kind, place)


def find_function(name: str, beside: Path, place: str) -> tuple[ModuleType, Callable[..., Any]]:
    """The function that "FILE.py:NAME" or "MODULE:NAME" names, and the module that it is in.

    Raises: InputError where there is none, or the module does not import.
    """
    where, _, function = name.rpartition(":")
    own = where.endswith(".py")
    module = load_file(find(where, beside), "function", place=place) if own else _import(where, place)
    found = getattr(module, function, None)
    if not callable(found):
        known = (other for other in vars(module) if callable(getattr(module, other)) and not other.startswith("_"))
        raise InputError(f"{place}: {where}: {unknown('function', function, known)}")
    return module, found


def _parts(name: str) -> list[str]:
    """The modules that a user's own file has imported from beside it."""
    return sorted(other for other in sys.modules if other.startswith(f"{name}."))


@cache
def version(module: ModuleType) -> str:
    """What a content key holds of a plug-in: its VERSION and, for a user's own file, its text as well.

    With it goes the text of the files beside it that "FILE.py" imports as it is loaded, or of the modules below a
    package; a change in any other that a user's module imports is told by its VERSION. The text is that of the first
    call, when the module is loaded: what a file says later is not what is run.
    """
    declared = str(getattr(module, "VERSION", 0))
    if module.__name__.startswith("pluralign.") or module.__file__ is None:
        return declared
    files = [module.__file__, *(sys.modules[part].__file__ for part in _parts(module.__name__))]
    text = b"".join(Path(file).read_bytes() for file in files if file is not None)
    return f"{declared}-{hashlib.sha256(text).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """The options of a plug-in that has none."""


def options_of(module: ModuleType) -> type:
    """The plug-in's `Options` dataclass."""
    return getattr(module, "Options", NoOptions)


def option_names(*kinds: type) -> tuple[str, ...]:
    """Names of the fields of some dataclasses."""
    return tuple(field.name for kind in kinds for field in fields(kind))


def split(table: Mapping[str, Any], kinds: Sequence[type], place: str) -> list[dict[str, Any]]:
    """Deal the keys of a table out to the dataclasses that have a field of that name; an unknown key is refused."""
    known = option_names(*kinds)
    for key in table:
        if key not in known:
            raise InputError(f"{place}: {unknown('option', key, known)}")
    return [{key: table[key] for key in option_names(kind) if key in table} for kind in kinds]


def build(kind: type[T], table: Mapping[str, Any], place: str, start: T | None = None) -> T:
    """A checked instance of the dataclass `kind` from a table of a run file.

    Fields that the table does not name keep the values of `start`, or the dataclass' own. Raises `InputError` that
    names the option and the value that does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    values = {field.name: getattr(start, field.name) for field in fields(kind)} if start is not None else {}  # type: ignore[arg-type]
    values |= table
    for name, value in table.items():
        if not _is_finite(value):
            what = "a finite number" if isinstance(value, float) else "of finite numbers"
            raise InputError(f'{place}: option "{name}" = {value}: must be {what}')
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(_place_in(first["loc"])) or "this part"
        if first["type"] in ("missing", "missing_keyword_only_argument", "missing_argument"):
            raise InputError(f'{place}: option "{where}" is missing') from error
        what = first["msg"][:1].lower() + first["msg"][1:]
        what = what.removeprefix("value error, ")
        if not first["loc"]:
            raise InputError(f"{place}: {what}") from error
        raise InputError(f'{place}: option "{where}" = {first.get("input")!r}: {what}') from error


def _place_in(location: Sequence[str | int]) -> Iterator[str]:
    """An option and the place within it, without the types that pydantic names there where it may be of several."""
    for depth, part in enumerate(map(str, location)):
        if depth == 0 or not (part in _TYPES or "[" in part):
            yield part


def _is_finite(value: Any) -> bool:
    """Whether a value of a run file is neither infinite nor NaN, and holds nothing that is."""
    if isinstance(value, dict | list):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def as_json(value: Any) -> Any:
    """A value as plain JSON data: paths as text, tuples as lists."""
    return json.loads(json.dumps(value, default=str))


def plain(options: Any) -> dict[str, Any]:
    """A dataclass as plain JSON data."""
    return as_json(asdict(options))


def made_of(options: Any) -> dict[str, Any]:
    """What a content key holds of a plug-in's options: plain JSON data, a file by the hash of what it holds."""
    given = {each.name: getattr(options, each.name) for each in fields(options)}
    files = {name: value for name, value in given.items() if isinstance(value, Path) and value.is_file()}
    return plain(options) | {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
