"""Which language, and which script, every text is in.

`py3langid` knows 139 languages and "zxx", which is no language: code, numbers, markup. A text that it is unsure of, and
one without letters, is "und" (undetermined), which is counted like any language. Its probabilities are those of a naive
Bayes model, evened out by the text's length; how often it errs is measured in docs/census.md.
Source: Lui and Baldwin 2012 (langid.py); Barbaresi's py3langid, BSD-3-Clause.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from langcodes import standardize_tag, tag_is_valid

from pluralign import plugins
from pluralign.census.scripts import script, tag
from pluralign.errors import InputError, RunError

Identify = Callable[[Sequence[str]], Sequence[str]]
"""Gives every text the BCP-47 code of its language, "und" where it cannot tell."""
DEFAULT = "py3langid"
CONFIDENCE = 0.3
"""The least probability at which `py3langid` is believed."""
UNDETERMINED = "und"
NOT_FOREIGN = frozenset({"en", "pcm", "und", "zxx"})
"""English, Nigerian Pidgin, and what may be English: where English words are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """What tells languages apart, and its version."""

    name: str
    version: str
    identify: Identify


def load_identifier(name: str, beside: Path) -> Identifier:
    """`py3langid`, or the function "FILE.py:NAME" or "MODULE:NAME".

    Raises: InputError where there is none of that name, or what it needs is not installed.
    """
    if name == DEFAULT:
        return _py3langid()
    if ":" not in name:
        raise InputError(f'--identify "{name}": give {DEFAULT}, "FILE.py:NAME" or "MODULE:NAME"')
    module, function = plugins.find_function(name, beside, "--identify")
    return Identifier(name=name, version=plugins.version(module), identify=function)


def _py3langid() -> Identifier:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise InputError(
            f'--identify {DEFAULT} needs: pip install "pluralign[langid]"; or name a function: --identify FILE.py:NAME'
        ) from error
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=CONFIDENCE)

    def identify(texts: Sequence[str]) -> list[str]:
        return [model.classify(text)[0] for text in texts]

    version = f"{metadata.version(DEFAULT)}, confidence {CONFIDENCE}"
    return Identifier(name=DEFAULT, version=version, identify=identify)


def languages(texts: Sequence[str], identifier: Identifier, characters: int) -> list[str]:
    """The tag of every text's language and, where it is no matter of course, script, by its first `characters`.

    Raises: RunError where a function of the user's gives something else than a code for every text.
    """
    cut = [text[:characters] for text in texts]
    asked = [text for text in dict.fromkeys(cut) if script(text) is not None]
    found = _identified(asked, identifier)
    tags = {text: tag(code, text) for text, code in zip(asked, found, strict=True)}
    return [tags.get(text, UNDETERMINED) for text in cut]


def _identified(texts: Sequence[str], identifier: Identifier) -> list[str]:
    try:
        found = list(identifier.identify(texts))
    except Exception as error:
        raise RunError(f"--identify {identifier.name}: the function fails: {type(error).__name__}: {error}") from error
    if len(found) != len(texts):
        raise RunError(f"--identify {identifier.name}: gives {len(found)} languages for {len(texts)} texts")
    return [_standard(code, identifier.name) for code in found]


@lru_cache(maxsize=1 << 12)
def _standard(code: object, name: str) -> str:
    """A code in the form that BCP-47 prefers: "en" for "eng_Latn". Raises: RunError where it is none."""
    if not isinstance(code, str) or not tag_is_valid(code):
        raise RunError(f'--identify {name}: gives {code!r} as a language; it must be a BCP-47 code, "und" if unknown')
    return code if code in (UNDETERMINED, "zxx") else standardize_tag(code)
