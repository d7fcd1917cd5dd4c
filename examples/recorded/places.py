"""Where the outputs are, whose they are, and what all their tables have in common."""

import math
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from pluralign.data.delimited import read_delimited
from pluralign.errors import InputError
from pluralign.records.row import Row

ENDINGS = ("-no-answers", "-reformatted", "_8bit")
ALIASES = {"OpenChat3.5-7B": "OpenChat3.5", "Starling-7B-alpha": "starling-alpha-7b"}
"""Two spellings of one model in the authors' files."""


def stage_name(name: str) -> str:
    """The model's name: without braces, without the authors' endings, in one spelling.

    >>> stage_name("{OpenChat3.5-7B_8bit}"), stage_name("Tulu-2-DPO_8bit-no-answers")
    ('OpenChat3.5', 'Tulu-2-DPO')
    """
    name = name.removeprefix("{").removesuffix("}")
    while name.endswith(ENDINGS):
        for ending in ENDINGS:
            name = name.removesuffix(ending)
    return ALIASES.get(name, name)


def checked_root(data_root: Path) -> Path:
    """`data_root`, checked; the error names the folder that was probably meant."""
    root = data_root.expanduser()
    if (root / "outputs").is_dir():
        return root
    if not root.is_dir():
        siblings = [path.name for path in root.parent.glob("*/")]
        near = get_close_matches(root.name, siblings, n=1)
        hint = f'; did you mean "{root.parent / near[0]}"?' if near else ""
        raise InputError(f'data_root: there is no folder "{root}"{hint}')
    inside = [path for path in sorted(root.iterdir()) if (path / "outputs").is_dir()]
    above = [path for path in root.resolve().parents[:3] if (path / "outputs").is_dir()]
    hint = (
        f'; did you mean "{(inside + above)[0]}"?' if inside or above else "; give a clone of the authors' repository"
    )
    raise InputError(f'data_root: "{root}" has no folder "outputs"{hint}')


def visible(paths: Iterable[Path]) -> list[Path]:
    """Paths in order, without the hidden ones."""
    return sorted(path for path in paths if not path.name.startswith("."))


def read_table(file: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """All rows of a CSV file; a missing column, a torn line and an empty file are refused with their place."""
    table = list(read_delimited(file))
    if not table:
        raise InputError(f"{file} holds no rows")
    for column in needed:
        if column not in table[0]:
            raise InputError(f'{file}, line 1: no column "{column}"; columns: {", ".join(table[0])}')
    return table


def read_number(text: str, place: str, what: str) -> float:
    """A field's number; NaN where it is empty, as pandas writes what is missing."""
    try:
        return float(text)
    except ValueError as error:
        if not text.strip():
            return math.nan
        raise InputError(f'{place}: "{text.strip()}" is no {what}') from error


def logprob(text: str, place: str) -> float:
    """Nats, from a probability."""
    value = read_number(text, place, "probability")
    if not math.isnan(value) and not 0 <= value <= 1:
        raise InputError(f"{place}: {value} is no probability")
    return -math.inf if value == 0 else math.log(value)


def common_rows(files: Iterable[Path], read: Callable[[Path], list[Row]]) -> list[Row]:
    """The rows of the longest file, of which every other's must be the beginning: all models were asked the same."""
    longest: list[Row] = []
    whose = Path()
    for file in files:
        own = read(file)
        for place, (row, expected) in enumerate(zip(own, longest, strict=False), start=1):
            for column, value in row.items():
                if value != expected[column]:
                    raise InputError(f'{file}, row {place}: column "{column}" is not that of {whose.name}')
        if len(own) > len(longest):
            longest, whose = own, file
    return longest
