"""What counts as the same answer: text to tokens, by the rule of SQuAD (English) or by the rules of its script."""

import re
import string
import unicodedata
from functools import lru_cache

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ENGLISH_ARTICLES = frozenset({"a", "an", "the"})
_ARABIC_ARTICLE = "ال"
_WORD_SEPARATORS = frozenset("\u1361\u0f0b")
"""Punctuation that stands where other scripts put a space: the Ethiopic word space and the Tibetan tsheg."""

_BY_CHARACTER = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u1100-\u11ff\uac00-\ud7af"  # Hangul: particles stand on the noun without a space
    "\u3005-\u3007\u3040-\u312f\u31f0-\u31ff"  # iteration marks, kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
    "]"
)


@lru_cache(maxsize=1 << 16)
def squad(text: str) -> tuple[str, ...]:
    """Tokens by SQuAD's rule, made for English: lower case, no ASCII punctuation, no a/an/the, split on white space.

    Source: Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1.
    """
    words = text.lower().translate(_ASCII_PUNCTUATION).split()
    return tuple(word for word in words if word not in _ENGLISH_ARTICLES)


@lru_cache(maxsize=1 << 16)
def script_aware(text: str, language: str) -> tuple[str, ...]:
    """Tokens by the rules of the text's own script and of `language` (BCP-47).

    Compatibility forms and case are folded (NFKC, casefold), punctuation of every script and invisible formatting are
    dropped, words are split on white space, and where words are written without spaces, or with particles attached
    (Han, kana, Hangul, Thai, Lao, Khmer, Myanmar, Tibetan), every character with its marks is a token. Articles are
    dropped where the language writes them: English a/an/the, the Arabic prefix al-.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    words = "".join(map(_kept, folded)).split()
    primary = language.split("-", maxsplit=1)[0]
    return tuple(token for word in words for token in _characters(_without_article(word, primary)))


@lru_cache(maxsize=1 << 14)
def _kept(character: str) -> str:
    """The character itself, a space where it separates words, nothing where it is punctuation or formatting."""
    if character in _WORD_SEPARATORS:
        return " "
    dropped = unicodedata.category(character)[0] == "P" or unicodedata.category(character) == "Cf"
    return "" if dropped or character in string.punctuation else character


def _without_article(word: str, primary: str) -> str:
    if primary == "en" and word in _ENGLISH_ARTICLES:
        return ""
    if primary == "ar" and word.startswith(_ARABIC_ARTICLE) and len(word) > len(_ARABIC_ARTICLE) + 1:
        return word.removeprefix(_ARABIC_ARTICLE)
    return word


def _characters(word: str) -> list[str]:
    """The word whole, or cut so that every character of a script without spaces stands alone with its marks."""
    if not _BY_CHARACTER.search(word):
        return [word] if word else []
    tokens: list[str] = []
    alone = True
    for character in word:
        cut = _BY_CHARACTER.match(character) is not None
        if tokens and unicodedata.category(character)[0] == "M":
            tokens[-1] += character
        elif cut or alone:
            tokens.append(character)
            alone = cut
        else:
            tokens[-1] += character
    return tokens
