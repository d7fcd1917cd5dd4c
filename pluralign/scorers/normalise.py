"""What counts as the same answer: text to tokens, by the rule of SQuAD (English) or by the rules of its script."""

import re
import string
import unicodedata
from functools import lru_cache

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ENGLISH_ARTICLES = frozenset({"a", "an", "the"})
_ARTICLE = re.compile(rf"\b({'|'.join(sorted(_ENGLISH_ARTICLES))})\b")
_ARABIC_ARTICLE = "ال"
_WORD_SEPARATORS = frozenset("\u1361\u0f0b")
"""Punctuation that stands where other scripts put a space: the Ethiopic word space and the Tibetan tsheg."""
_OPTIONAL = frozenset("\u0640\u0670") | frozenset(map(chr, range(0x064B, 0x0653)))
"""What Arabic may write or leave out: the stroke that draws a word out, and the signs of vowels and doubling."""

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u1100-\u11ff\uac00-\ud7af"  # Hangul: particles stand on the noun without a space
    "\u3005-\u3007\u3040-\u312f\u31f0-\u31ff"  # iteration marks, kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
"""Scripts whose words stand without spaces, or with particles attached, as ranges of a regular expression's class."""
_BY_CHARACTER = re.compile(f"[{UNSPACED}]")


@lru_cache(maxsize=1 << 16)
def squad(text: str) -> tuple[str, ...]:
    """Tokens by SQuAD's rule, made for English: lower case, no ASCII punctuation, no a/an/the, split on white space.

    Articles are found between letters of all other kinds: one behind a curly quotation mark is dropped as well.
    Source: Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1, and its evaluation script.
    """
    return tuple(_ARTICLE.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split())


@lru_cache(maxsize=1 << 16)
def script_aware(text: str, language: str) -> tuple[str, ...]:
    """Tokens by the rules of the text's own script and of `language` (BCP-47).

    Compatibility forms and case are folded (NFKC, casefold), decimal digits of every script become 0 to 9. Punctuation
    of every script and invisible formatting are dropped, and so are Arabic's vowel signs and its lengthening stroke.
    Words are split on white space; where they are written without spaces, or with particles attached (Han, kana,
    Hangul, Thai, Lao, Khmer, Myanmar, Tibetan), every character with its marks is a token, as MLQA does for Chinese and
    KorQuAD for Korean. Articles are dropped in the languages of TyDi QA that write them: English a/an/the, and the
    Arabic prefix al- unless another is attached before it. Endings stay on their words, as in Finnish: an answer in
    another case is another word.
    Source: Lewis et al. 2020 (MLQA), arXiv:1910.07475; Lim et al. 2019 (KorQuAD), arXiv:1909.07005.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    words = "".join(map(_kept, folded)).split()
    primary = language.split("-", maxsplit=1)[0]
    return tuple(token for word in words for token in _characters(_without_article(word, primary)))


@lru_cache(maxsize=1 << 14)
def _kept(character: str) -> str:
    """The character itself, a digit's ASCII form, a space where it separates words, nothing where it does not count."""
    if character in _WORD_SEPARATORS:
        return " "
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    dropped = category[0] == "P" or category == "Cf" or character in _OPTIONAL or character in string.punctuation
    return "" if dropped else character


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
