"""Scripts are told apart where a language has several, and named where one is not to be expected."""

import unicodedata

import pytest

from pluralign.census.scripts import PAIRS, script, tag


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("zh", "他们说这个问题应该在这里讨论", "zh-Hans"),
        ("zh", "他們說這個問題應該在這裡討論", "zh-Hant"),
        ("zh", "你好", "zh"),
        ("zh", "Ni hao, wo shi Beijing ren", "zh-Latn"),
        ("yue", "佢哋話呢個問題", "yue-Hant"),
        ("sr", "Сва људска бића", "sr-Cyrl"),
        ("sr", "Sva ljudska bića", "sr-Latn"),
        ("uz", "Barcha odamlar", "uz-Latn"),
        ("pa", "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ", "pa-Guru"),
        ("ru", "Все люди", "ru"),
        ("ru", "Vse lyudi", "ru-Latn"),
        ("hi", "सभी मनुष्यों", "hi"),
        ("hi", "sabhi manushyon", "hi-Latn"),
        ("ja", "すべての人間は、生まれながら", "ja"),
        ("ja", "日本国憲法", "ja"),
        ("ko", "모든 인간은", "ko"),
        ("en", "All human beings 你", "en"),
        ("en", "3.14 — 42", "und"),
        ("und", "hm", "und"),
        ("zxx", "x = f(y)", "zxx"),
        ("sr-Latn", "Сва људска бића", "sr-Latn"),
    ],
)
def test_tags(language: str, text: str, expected: str) -> None:
    assert tag(language, text) == expected


def test_most_letters_decide_and_no_letters_are_no_script() -> None:
    assert script("abc де") == "Latn"
    assert script("ab где") == "Cyrl"
    assert script("1, 2 … ½") is None
    assert script("") is None


def test_no_character_is_both_simplified_and_traditional() -> None:
    simplified, traditional = {pair[0] for pair in PAIRS}, {pair[1] for pair in PAIRS}
    assert all(len(pair) == 2 for pair in PAIRS)
    assert not simplified & traditional
    assert len(simplified) == len(traditional) == len(PAIRS)
    assert all(unicodedata.name(character).startswith("CJK UNIFIED") for character in simplified | traditional)
