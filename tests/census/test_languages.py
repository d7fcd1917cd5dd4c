"""Languages by py3langid or by a function of the user's; nothing is lost that cannot be told."""

from pathlib import Path

import pytest
from langcodes import standardize_tag

from pluralign.census.languages import Identifier, languages, load_identifier
from pluralign.errors import InputError, RunError
from pluralign.report.names import display

SAID = {
    "en": "All human beings are born free and equal in dignity and rights.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "sw": "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "ar": "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "zh-Hans": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "zh-Hant": "人人生而自由,在尊嚴和權利上一律平等。他們賦有理性和良心,並應以兄弟關係的精神相對待。",
    "sr-Cyrl": "Сва људска бића рађају се слободна и једнака у достојанству и правима.",
}


@pytest.fixture(scope="module")
def own() -> Identifier:
    pytest.importorskip("py3langid", reason="needs the extra langid")
    return load_identifier("py3langid", Path())


def test_the_first_article_of_human_rights(own: Identifier) -> None:
    assert dict(zip(SAID, languages(list(SAID.values()), own, 1000), strict=True)) == {code: code for code in SAID}


def test_what_cannot_be_told_is_undetermined(own: Identifier) -> None:
    assert languages(["", "42", "?!", "ok"], own, 1000) == ["und"] * 4


def test_only_the_beginning_is_read(own: Identifier) -> None:
    text = SAID["de"] + " " + SAID["ru"] * 9
    assert languages([text], own, len(SAID["de"])) == ["de"]
    assert languages([text], own, len(text)) == ["ru"]


def test_a_text_is_asked_once() -> None:
    asked: list[str] = []

    def identify(texts: list[str]) -> list[str]:
        asked.extend(texts)
        return ["eng_Latn"] * len(texts)

    found = languages(["one", "two", "one", "7"], Identifier(name="x", version="1", identify=identify), 1000)
    assert found == ["en", "en", "en", "und"]
    assert asked == ["one", "two"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("return ['en']", "gives 1 languages for 2 texts"),
        ("return ['en', 'not a code']", "gives 'not a code' as a language"),
        ("return ['en', None]", "gives None as a language"),
        ("return 1 / 0", "the function fails: ZeroDivisionError"),
    ],
)
def test_a_function_that_does_not_give_codes_is_named(tmp_path: Path, body: str, complaint: str) -> None:
    (tmp_path / "mine.py").write_text(f"def tell(texts):\n    {body}\n")
    found = load_identifier("mine.py:tell", tmp_path)
    with pytest.raises(RunError, match=rf"--identify mine\.py:tell: {complaint}"):
        languages(["one", "two"], found, 1000)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("fasttext", '--identify "fasttext": give py3langid, "FILE.py:NAME"'),
        ("absent.py:tell", 'there is no file "absent.py"'),
        ("json:laods", 'unknown function "laods"; did you mean "loads"?'),
    ],
)
def test_what_is_no_function_is_named(tmp_path: Path, name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        load_identifier(name, tmp_path)


def test_every_language_that_is_told_apart_has_a_name() -> None:
    pytest.importorskip("py3langid", reason="needs the extra langid")
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    codes = LanguageIdentifier.from_model_file(MODEL_FILE).labels
    assert "zxx" in codes
    tags = [standardize_tag(code) for code in codes if code != "zxx"]
    names = {tag: display("language", tag, tag) for tag in tags}
    assert {tag for tag, name in names.items() if name == tag} == set()
    assert len(set(names.values())) == len(names)
    assert (names["br"], names["yue"], names["ki"]) == ("Breton", "Yue Chinese", "Kikuyu")
