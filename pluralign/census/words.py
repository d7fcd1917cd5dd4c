"""Words of a text in any script: what is counted where no tokenizer is named, and what terms are found by.

A word is a run of letters, digits and marks. Where words are written without spaces (Han, kana, Thai, Lao, Tibetan,
Burmese, Khmer) it is a character with its marks. All else stands between words, hyphens and apostrophes too:
"non-binary" is two words, as "non binary" is, and "Chad's" begins with "Chad".
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

_UNSPACED = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # iteration marks
    (0x3040, 0x312F),  # kana, Bopomofo
    (0x31F0, 0x31FF),  # small kana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
_MARKS = ((0x0300, 0x036F), (0xFE00, 0xFE0F))
"""Accents and variation selectors, which may stand behind a character of any script."""
_SYMBOLS = ((0x1F000, 0x1F0FF), (0x1F10D, 0x1FAFF))
"""Emoji and the like."""


def words(text: str) -> list[str]:
    """The words of a text, in its order."""
    return _WORD.findall(text)


def _pattern() -> re.Pattern[str]:
    unspaced = [code for low, high in _UNSPACED[:-1] for code in range(low, high + 1)]
    between = [code for code in range(0x10000) if unicodedata.category(chr(code))[0] in "ZPSC"]
    alone = _class(_ranges(code for code in unspaced if unicodedata.category(chr(code))[0] in "LN"), _UNSPACED[-1:])
    marks = _class(_ranges(code for code in unspaced if unicodedata.category(chr(code))[0] == "M"), _MARKS)
    outside = _class(_ranges(between), _SYMBOLS)
    return re.compile(f"[{alone}][{marks}]*|[^{outside}{alone}]+")


def _ranges(codes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending code points as ranges, both ends included."""
    low = high = -2
    for code in codes:
        if code == high + 1:
            high = code
            continue
        if low >= 0:
            yield low, high
        low = high = code
    if low >= 0:
        yield low, high


def _class(*parts: Iterable[tuple[int, int]]) -> str:
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for part in parts for low, high in part)


_WORD = _pattern()
