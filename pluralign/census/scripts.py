"""Which script a text is in, and the tag of a language in that script: sr-Cyrl and sr-Latn, zh-Hans and zh-Hant.

Unicode's script property is not in Python's library; the first word of a character's name says as much for letters.
"""

import tomllib
import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path

from langcodes import Language

FILE = Path(__file__).parent / "lexicons" / "scripts.toml"
_TABLE: dict[str, dict[str, str]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
_SCRIPTS = _TABLE["names"]
_MIXED = {"Jpan": {"Hani", "Hira", "Kana"}, "Kore": {"Hang", "Hani"}}
"""Scripts that are several of Unicode's."""
SEVERAL = frozenset({"az", "kk", "ku", "mn", "pa", "sr", "uz"})
"""Languages that are written in several scripts today: their tag always names one."""
CHINESE = frozenset({"zh", "wuu", "yue"})

PAIRS = tuple(_TABLE["chinese"]["simplified_traditional"].split())
"""Characters of simplified writing, each with what stands for it in the traditional one."""
_HANS, _HANT = ({pair[side] for pair in PAIRS} for side in (0, 1))


@lru_cache(maxsize=1 << 14)
def _script_of(character: str) -> str | None:
    if not character.isalpha():
        return None
    return _SCRIPTS.get(unicodedata.name(character, "").split(" ", 1)[0], "Zzzz")


def script(text: str) -> str | None:
    """The script (ISO 15924) of most of a text's letters: "Zzzz" where it is not known here, None without letters."""
    if text.isascii():
        return "Latn" if any(map(str.isalpha, text)) else None
    found: Counter[str] = Counter()
    for character, number in Counter(text).items():
        name = _script_of(character)
        if name is not None:
            found[name] += number
    return max(found, key=lambda name: (found[name], name)) if found else None


def tag(language: str, text: str) -> str:
    """The language's tag with the script that `text` is in, where that is not a matter of course.

    "zh" stays bare where a text has no character that tells simplified from traditional. A text without letters is in
    no language: "und". Tags that name a script, "und" and "zxx" (no language, such as code) stay as they are.
    """
    if language in ("und", "zxx") or "-" in language:
        return language
    found = script(text)
    if found is None:
        return "und"
    if language in CHINESE and found == "Hani":
        simplified = sum(character in _HANS for character in text)
        traditional = sum(character in _HANT for character in text)
        if simplified == traditional:
            return language
        return f"{language}-{'Hans' if simplified > traditional else 'Hant'}"
    usual = _usual(language)
    if found in _MIXED.get(usual or "", ()):
        return language
    return language if found == usual and language not in SEVERAL else f"{language}-{found}"


@lru_cache(maxsize=1 << 10)
def _usual(language: str) -> str | None:
    """The script that a language is written in as a rule (Unicode CLDR's likely subtags)."""
    return Language.get(language).maximize().script
