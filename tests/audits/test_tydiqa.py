from typing import Any

import pytest

from pluralign.audits.tydiqa import Options, code, items, read
from pluralign.errors import InputError
from pluralign.records.item import Item, Write
from pluralign.records.reply import Reply


def row(name: str = "english", number: int = 1, **changes: object) -> dict[str, Any]:
    return {
        "id": f"{name}-{number}",
        "title": "Nile",
        "context": f"context {number}",
        "question": f"question {number}",
        "answers": ["the White Nile", "White Nile river"],
        **changes,
    }


def values(text: str, **changes: object) -> dict[str, float]:
    item = next(items([row(**changes)], Options()))
    reply = Reply(item=item.id, ask=0, text=text)
    return {reading.measure: reading.value for reading in read(item, [reply], Options())}


def prompt(item: Item) -> str:
    (ask,) = item.asks
    assert isinstance(ask, Write)
    assert isinstance(ask.prompt, str)
    return ask.prompt


def test_the_best_gold_answer_counts_and_nothing_after_the_first_blank_line() -> None:
    assert values(" White Nile\n\nContext: another") == dict.fromkeys(
        ("f1", "exact_match", "f1_script", "exact_match_script"), 1.0
    )
    assert values("White Nile\nContext")["exact_match"] == 0
    assert values("White Nile\nContext")["f1"] == pytest.approx(0.8)
    assert values("\n\nWhite Nile")["f1"] == 0


def test_the_two_normalisations_differ_where_the_script_is_not_latin() -> None:
    read_values = values("১৯৭১।", name="bengali", answers=["১৯৭১"])
    assert (read_values["exact_match"], read_values["exact_match_script"]) == (0, 1)


def test_languages_are_named_by_code_name_or_the_id() -> None:
    rows = [row("swahili"), row("x", language="telugu"), row("y", language="hi")]
    assert [item.slices["language"] for item in items(rows, Options())] == ["sw", "te", "hi"]
    with pytest.raises(InputError, match='row 1: no column "language"'):
        list(items([row("klingon")], Options()))


def test_the_hub_nests_its_answers() -> None:
    nested = row(answers={"text": ["the White Nile", "White Nile river"], "answer_start": [0, 3]})
    assert list(items([nested], Options())) == list(items([row()], Options()))


def test_one_title_in_two_languages_is_two_articles() -> None:
    rows = [row("english", 1), row("english", 2), row("finnish", 1)]
    clusters = [item.cluster for item in items(rows, Options())]
    assert clusters[0] == clusters[1] != clusters[2]


def test_training_rows_are_never_asked_and_come_first_as_examples_of_their_language() -> None:
    training = [row(name, number, split="train") for name in ("english", "finnish") for number in range(10, 30)]
    asked = [row("english", 1), row("finnish", 2)]
    plain = list(items([*training, *asked], Options()))
    shown = list(items([*training, *asked], Options(shots=2)))
    assert [item.id for item in plain] == [item.id for item in shown] == ["english-1", "finnish-2"]
    for bare, full, name in zip(plain, shown, ("english", "finnish"), strict=True):
        examples = prompt(full).removesuffix(prompt(bare)).split("\n\n")[:-1]
        assert len(set(examples)) == 2
        for example in examples:
            question, answer = example.split("\nExtracted Answer: ")
            assert answer == "the White Nile"
            assert any(
                question.endswith(f"question {one['id'].split('-')[1]}") for one in training if name in one["id"]
            )


def test_examples_hang_on_the_seed_and_not_on_the_other_questions() -> None:
    training = [row("english", number, split="train") for number in range(100, 200)]
    asked = [row("english", number) for number in range(5)]

    def drawn(rows: list[dict[str, Any]], seed: int) -> list[str]:
        return [prompt(item) for item in items([*training, *rows], Options(shots=1, example_seed=seed))]

    assert drawn(asked, 0) == drawn(asked, 0) != drawn(asked, 1)
    assert drawn(asked[2:], 0) == drawn(asked, 0)[2:]


def test_too_few_training_rows_and_no_gold_are_refused() -> None:
    with pytest.raises(InputError, match=r'shots = 1, but there are 0 training rows .* for "fi"'):
        list(items([row("english", 1, split="train"), row("finnish", 2)], Options(shots=1)))
    with pytest.raises(ValueError, match="shots must be at least 0, not -1"):
        Options(shots=-1)
    with pytest.raises(InputError, match='row 1: column "answers" is empty'):
        list(items([row(answers=[])], Options()))


def test_a_recorded_nothing_is_missing() -> None:
    item = next(items([row()], Options()))
    readings = list(read(item, [Reply(item=item.id, ask=0)], Options()))
    assert len(readings) == 4
    assert all(reading.value != reading.value for reading in readings)


def test_codes_join_with_other_audits() -> None:
    assert [code("language", group) for group in ("sw", "swh_Latn", "ko", "Klingonese")] == [
        "sw",
        "sw",
        "ko",
        "Klingonese",
    ]


@pytest.mark.parametrize("language", ["Swahili", "swahili", "sw"])
def test_a_language_by_its_name_or_its_code_is_one_group(language: str) -> None:
    (item,) = items([row(language=language)], Options())
    assert item.slices == {"language": "sw"}
