"""Every error that pluralign raises on purpose.

    PluralignError          anything below
    ├── InputError          what the user gave cannot be used: one line that names file, place, value and nearest fix
    └── RunError            the input was fine and the work failed: a model that does not answer, a full disk

The command line prints an `InputError` as one line and leaves with exit code 2, a `RunError` with exit code 1.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class PluralignError(Exception):
    """Root of the tree."""


class InputError(PluralignError):
    """What the user gave cannot be used."""


class RunError(PluralignError):
    """The input was fine; the work failed."""


def unknown(what: str, value: str, known: Iterable[str]) -> str:
    """One clause that names an unknown word and its nearest fix: `unknown option "betta"; did you mean "beta"?`

    Where nothing known is near, the known words are listed instead.
    """
    choices = sorted(set(known))
    near = get_close_matches(value, choices, n=1, cutoff=0.6)
    if near:
        return f'unknown {what} "{value}"; did you mean "{near[0]}"?'
    listed = ", ".join(choices) if choices else "none"
    return f'unknown {what} "{value}"; known: {listed}'
