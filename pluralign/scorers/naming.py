"""Which of several options a text names: how a subject that gives text alone is held to a choice."""

import re
import unicodedata
from collections.abc import Sequence

from pluralign.scorers.normalise import UNSPACED, script_aware

_SIGN = re.compile(r"\W*(\w)\W*")
_WORDS = "AI"
"""Capital letters that are words of English too."""
_LETTER = rf"[^\W{UNSPACED}]"
"""What makes a longer word of a sign that it stands beside; 答案是B and Bです hold a sign by itself."""
_END = r"[.,:;!?\"\u3001\u3002\u0964\u0965\u060c\u061b\u061f\u06d4\u1362]"
"""Punctuation that ends a clause: ASCII's, 、。 of Chinese and Japanese, those of Hindi, Arabic, Urdu and Amharic."""


def named_option(text: str, options: Sequence[str]) -> int | None:
    """The place of the option that `text` names first; None where it names none.

    Options that are one letter or digit, such as "(A)", are looked for in three ways, the first that finds any decides:
    at the beginning, if punctuation or the end of the line follows (`b`, `B. two`, `(b) two`); before a closing bracket
    (`I choose (b)`); as a capital that stands alone (`it is B, since …`, `答案是B`; A and I, which are words as well,
    only before punctuation, a script without spaces or at the end). All other options are looked for as whole words,
    whatever their case, width and punctuation; where two begin at one place the longer is named.
    """
    signs = [_SIGN.fullmatch(unicodedata.normalize("NFKC", option)) for option in options]
    if all(signs):
        return _by_sign(text, [sign[1].casefold() for sign in signs if sign is not None])
    return _by_words(text, options)


def _by_sign(text: str, signs: Sequence[str]) -> int | None:
    plain = unicodedata.normalize("NFKC", text)
    any_case, capitals = _among(signs), _among([sign.upper() for sign in signs if sign.upper() not in _WORDS])
    words = _among([sign.upper() for sign in signs if sign.upper() in _WORDS])
    alone = rf"(?<!{_LETTER})(?<!['’])(?:({capitals})(?!{_LETTER}|['’])|({words})(?={_END}|[{UNSPACED}]|\s*$))"
    begun = rf"(?i)^\W*({any_case})(?={_END}|[)\]]|\W*$|\W*\n)"
    for pattern in (begun, rf"(?i)(?<!{_LETTER})({any_case})\)", alone):
        found = re.search(pattern, plain)
        if found is not None:
            return signs.index(str(found[found.lastindex or 1]).casefold())
    return None


def _among(signs: Sequence[str]) -> str:
    """A pattern of one of the signs, of nothing where there is none."""
    return f"[{''.join(map(re.escape, signs))}]" if signs else "(?!)"


def _by_words(text: str, options: Sequence[str]) -> int | None:
    said = script_aware(text, "und")
    found: list[tuple[int, int, int]] = []
    for index, option in enumerate(options):
        name = script_aware(option, "und")
        places = [place for place in range(len(said) - len(name) + 1) if said[place : place + len(name)] == name]
        if name and places:
            found.append((places[0], -len(name), index))
    return min(found)[2] if found else None
