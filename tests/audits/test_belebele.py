import json
import math
from pathlib import Path
from typing import Any

import datasets
import pytest

from pluralign import plugins
from pluralign.audits.belebele import NEEDED, ROWS, Options, Words, code, items, known_words, read
from pluralign.data.rows import from_hub
from pluralign.errors import InputError
from pluralign.records.item import Choose
from pluralign.records.reply import Reply
from pluralign.sandbox.world import languages as sandbox_languages

LANGUAGES = ("eng_Latn", "swh_Latn", "acm_Arab")


def rows(**changes: object) -> list[dict[str, Any]]:
    return [
        {
            "link": "https://example.org/wheel",
            "question_number": number,
            "flores_passage": f"passage in {language}",
            "question": "How many wheels?",
            "mc_answer1": "one",
            "mc_answer2": "two",
            "mc_answer3": "three",
            "mc_answer4": "four",
            "correct_answer_num": number + 1,
            "dialect": language,
            **changes,
        }
        for language in LANGUAGES
        for number in (1, 2)
    ]


def test_one_passage_is_one_cluster_in_all_languages() -> None:
    asked = list(items(rows(), Options()))
    assert len({item.id for item in asked}) == 6
    assert len({item.cluster for item in asked}) == 1
    assert [item.gold["right"] for item in asked] == [1, 2] * 3


def test_letters_are_chosen_after_the_answers_were_shown() -> None:
    (ask,) = next(items(rows(), Options())).asks
    assert isinstance(ask, Choose)
    assert ask.options == (" (A)", " (B)", " (C)", " (D)")
    assert "(C) three\n(D) four\n" in ask.prompt
    assert ask.prompt.startswith("Context: passage in eng_Latn\n\nQuestion: How many wheels?\n\nChoices:\n(A) one")


def test_answers_are_chosen_without_being_shown() -> None:
    (ask,) = next(items(rows(), Options(formulation="answers"))).asks
    assert isinstance(ask, Choose)
    assert ask.options == (" one", " two", " three", " four")
    assert ask.prompt == "passage in eng_Latn\n\nQuestion: How many wheels?\nAnswer:"


def test_the_right_answer_wins_by_log_probability_per_token_or_by_reward() -> None:
    item = next(items(rows(), Options()))

    def value(measure: str = "accuracy", **answer: Any) -> float:
        readings = read(item, [Reply(item=item.id, ask=0, **answer)], Options())
        return {reading.measure: reading.value for reading in readings}[measure]

    assert value(logprobs=(-3.0, -4.0, -9.0, -9.0), tokens=(1, 2, 1, 1)) == 1
    assert value(logprobs=(-3.0, -4.0, -9.0, -9.0)) == 0
    assert value(rewards=(0.0, 5.0, 5.0, 1.0)) == 0.5
    assert value(logprobs=(-1.0,) * 4, tokens=(1,) * 4) == 0.25
    assert value("accuracy_sum", logprobs=(-3.0, -4.0, -9.0, -9.0), tokens=(1, 2, 1, 1)) == 0
    assert value("accuracy_sum", logprobs=(-3.0, -2.0, -9.0, -9.0), tokens=(1, 2, 1, 1)) == 1
    assert math.isnan(value("accuracy_sum", logprobs=(-3.0, -2.0, -9.0, -9.0)))
    assert math.isnan(value("accuracy_sum", rewards=(0.0, 5.0, 5.0, 1.0)))


def test_a_reply_in_text_names_a_letter_or_an_answer() -> None:
    def value(text: str, options: Options) -> float:
        item = next(items(rows(), options))
        readings = read(item, [Reply(item=item.id, ask=0, text=text)], options)
        return {reading.measure: reading.value for reading in readings}["accuracy"]

    letters, answers = Options(), Options(formulation="answers")
    assert value("(B)", letters) == value("b) two", letters) == value("It has two.", letters) == 1
    assert value("C, because of the two", letters) == value("three", letters) == 0
    assert value("Two wheels", answers) == 1
    assert value("four, not two", answers) == 0
    assert math.isnan(value("many", letters))
    assert math.isnan(value("B", answers)), "no letters were shown"


def test_prompts_in_the_passages_own_language() -> None:
    native = Options(prompt_language="native", languages=("swh_Latn",))
    (ask,) = next(items(rows(), native)).asks
    assert isinstance(ask.prompt, str)
    assert ask.prompt.startswith("Muktadha: passage in swh_Latn\n\nSwali: How many wheels?\n\nMachaguo:\n(A) one\n")
    assert ask.prompt.endswith("(D) four\n\nKulingana na machaguo hayo, jibu sahihi ni:")
    (ask,) = next(items(rows(), Options(prompt_language="native", languages=("swh_Latn",), formulation="answers"))).asks
    assert ask.prompt == "passage in swh_Latn\n\nSwali: How many wheels?\nJibu:"
    english = [item for item in items(rows(), Options()) if item.slices["language"] == "eng_Latn"]
    assert english == list(items(rows(), Options(prompt_language="native", languages=("eng_Latn",))))


def test_a_wide_colon_brings_its_space() -> None:
    (ask,) = next(items(rows(dialect="jpn_Jpan"), Options(prompt_language="native"))).asks
    assert isinstance(ask.prompt, str)
    assert ask.prompt.startswith("文脈：passage in")


def test_a_language_without_words_is_refused_with_all_such() -> None:
    with pytest.raises(
        InputError, match=r"no words for acm_Arab; give them as \[audit\.words\.acm_Arab\], or ask only"
    ):
        list(items(rows(), Options(prompt_language="native")))


def test_a_run_file_gives_words_and_replaces_them() -> None:
    table = {
        "prompt_language": "native",
        "formulation": "answers",
        "words": {"acm_Arab": {"question": "سؤال:", "answer": "جواب:"}, "eng_Latn": {"question": "Q:", "answer": "A:"}},
    }
    options = plugins.build(Options, table, "audit")
    prompts = {item.slices["language"]: item.asks[0].prompt for item in items(rows(), options)}
    assert prompts["acm_Arab"] == "passage in acm_Arab\n\nسؤال: How many wheels?\nجواب:"
    assert prompts["eng_Latn"] == "passage in eng_Latn\n\nQ: How many wheels?\nA:"
    assert plugins.plain(options)["words"]["eng_Latn"]["question"] == "Q:", "they are part of what a run is known by"
    with pytest.raises(InputError, match=r'words\.acm_Arab: "context" is missing; the letters need it'):
        list(items(rows(), plugins.build(Options, table | {"formulation": "letters"}, "audit")))
    with pytest.raises(InputError, match='unknown language "acm_Arap"; did you mean "acm_Arab"'):
        list(items(rows(), Options(prompt_language="native", words={"acm_Arap": Words()})))
    with pytest.raises(InputError, match='words are of use only with prompt_language = "native"'):
        plugins.build(Options, table | {"prompt_language": "english"}, "audit")


def test_the_words_that_are_known_are_whole_and_labels_end_in_a_colon() -> None:
    languages = known_words()
    assert len(languages) >= 20
    for words in languages.values():
        for name in {name for names in NEEDED.values() for name in names}:
            assert getattr(words, name).endswith((":", "："))
    assert len({words.right for words in languages.values()}) == len(languages)


def test_the_sandbox_knows_the_same_words() -> None:
    for flores, language in sandbox_languages().items():
        words = known_words()[flores]
        assert (words.question, words.answer) == (language.question, language.answer)


def test_only_the_languages_that_are_wanted_are_asked() -> None:
    asked = list(items(rows(), Options(languages=("swh_Latn",))))
    assert {item.slices["language"] for item in asked} == {"swh_Latn"}
    with pytest.raises(InputError, match=r'unknown language "swa_Latn"; did you mean "swh_Latn"\?'):
        list(items(rows(), Options(languages=("eng_Latn", "swa_Latn"))))


@pytest.mark.parametrize("number", ["0", "5", 5, "two", None])
def test_a_right_answer_that_is_not_there_is_refused(number: object) -> None:
    with pytest.raises(InputError, match='row 1: column "correct_answer_num"'):
        list(items(rows(correct_answer_num=number), Options()))


@pytest.mark.parametrize(
    ("flores", "tag"),
    [
        ("eng_Latn", "en"),
        ("swh_Latn", "sw"),
        ("kor_Hang", "ko"),
        ("arb_Arab", "ar"),
        ("acm_Arab", "acm-Arab"),
        ("zho_Hant", "zh-Hant"),
        ("npi_Deva", "ne"),
        ("npi_Latn", "ne-Latn"),
        ("?", "?"),
    ],
)
def test_codes_of_flores_languages(flores: str, tag: str) -> None:
    assert code("language", flores) == tag


def test_the_hub_gives_all_languages_though_each_is_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is laid out as the repository on the hub, which `datasets` reads by the same rules."""
    home = tmp_path / "facebook" / "belebele"
    (home / "data").mkdir(parents=True)
    configurations = ""
    for language in LANGUAGES:
        lines = [json.dumps(row) + "\n" for row in rows() if row["dialect"] == language]
        (home / "data" / f"{language}.jsonl").write_text("".join(lines))
        configurations += (
            f"- config_name: {language}\n  data_files:\n  - split: test\n    path: data/{language}.jsonl\n"
        )
    (home / "data" / "README").write_text("# Links\n")
    (home / "README.md").write_text(f"---\nconfigs:\n{configurations}---\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    splits = from_hub(ROWS, "here").values()
    assert {item.slices["language"] for table in splits for item in items(table, Options())} == set(LANGUAGES)
    with pytest.raises(InputError, match="Config name is missing"):
        from_hub("facebook/belebele", "here")
