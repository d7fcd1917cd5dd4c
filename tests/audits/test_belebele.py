from typing import Any

import pytest

from pluralign.audits.belebele import Options, code, items, read
from pluralign.errors import InputError
from pluralign.records.item import Choose
from pluralign.records.reply import Reply

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

    def value(**answer: Any) -> float:
        (reading,) = read(item, [Reply(item=item.id, ask=0, **answer)], Options())
        return reading.value

    assert value(logprobs=(-3.0, -4.0, -9.0, -9.0), tokens=(1, 2, 1, 1)) == 1
    assert value(logprobs=(-3.0, -4.0, -9.0, -9.0)) == 0
    assert value(rewards=(0.0, 5.0, 5.0, 1.0)) == 0.5
    assert value(logprobs=(-1.0,) * 4, tokens=(1,) * 4) == 0.25


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
