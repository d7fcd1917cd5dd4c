import math
from typing import Any

import pytest
import torch

from pluralign.audits.perplexity import MEASURES, Options, code, items, read
from pluralign.errors import InputError
from pluralign.records.item import Score
from pluralign.records.reply import Reply
from pluralign.sandbox.rows import rows as sandbox_rows
from pluralign.sandbox.world import languages
from pluralign.subjects.local import LocalSubject

ROWS: list[dict[str, Any]] = [
    {"text": "The hat is on the cat.", "language": "eng_Latn", "document": "hat"},
    {"text": "टोपी बिल्ली पर है।", "language": "hin_Deva", "document": "hat"},
    {"text": "The cat is in the hat.", "language": "eng_Latn", "document": "cat"},
]
FLORES_PLUS: list[dict[str, Any]] = [
    {
        "id": number,
        "iso_639_3": "swh",
        "iso_15924": "Latn",
        "text": f"Sentensi {number}",
        "url": "https://example.org/nile",
        "split": split,
    }
    for number, split in enumerate(("dev", "devtest", "devtest"))
]


def bits(item: Any, **answer: Any) -> float:
    (reading,) = read(item, [Reply(item=item.id, ask=0, **answer)], Options())
    assert reading.measure == "bits_per_byte"
    return reading.value


def test_a_text_is_scored_after_nothing() -> None:
    first, second, third = items(ROWS, Options())
    assert first.asks == (Score(prompt="", completions=("The hat is on the cat.",)),)
    assert [item.slices["language"] for item in (first, second, third)] == ["eng_Latn", "hin_Deva", "eng_Latn"]
    assert [item.cluster for item in (first, second, third)] == ["hat", "hat", "cat"]


@pytest.mark.parametrize("row", ROWS)
def test_a_model_that_guesses_bytes_needs_eight_bits_each(row: dict[str, Any]) -> None:
    (item,) = items([row], Options())
    size = len(row["text"].encode("utf-8"))
    assert bits(item, logprobs=(-size * math.log(256),), tokens=(size,)) == pytest.approx(8)
    assert bits(item, logprobs=(-size * math.log(256),), tokens=(1,)) == pytest.approx(8), "whatever its tokens are"


def test_what_is_no_sum_of_log_probabilities_is_missing() -> None:
    item = next(items(ROWS, Options()))
    for answer in ({"logprobs": (-3.0,)}, {"rewards": (3.0,), "tokens": (2,)}, {"logprobs": (math.nan,)}):
        assert math.isnan(bits(item, **answer))


def test_less_is_better_and_levels_are_not_compared_between_languages() -> None:
    measure = MEASURES["bits_per_byte"]
    assert (measure.better, measure.comparable, measure.margin) == ("lower", False, None)


def test_flores_plus_is_taken_as_it_is_but_for_its_dev_split() -> None:
    found = list(items(FLORES_PLUS, Options()))
    assert [item.id for item in found] == ["2", "3"]
    assert {item.slices["language"] for item in found} == {"swh_Latn"}
    assert {item.cluster for item in found} == {"https://example.org/nile"}
    assert len(list(items([{**row, "split": "dev"} for row in ROWS], Options()))) == 3, "another set's splits stay"
    with pytest.raises(InputError, match='row 1: no column "iso_15924"'):
        list(items([{name: value for name, value in FLORES_PLUS[0].items() if name != "iso_15924"}], Options()))


def test_only_the_languages_that_are_wanted_are_asked() -> None:
    assert [item.id for item in items(ROWS, Options(languages=("hin_Deva",)))] == ["2"]
    with pytest.raises(InputError, match='unknown language "hin_Dewa"; did you mean "hin_Deva"'):
        list(items(ROWS, Options(languages=("hin_Dewa",))))


def test_the_sandbox_tells_the_same_in_every_language() -> None:
    found = list(items(sandbox_rows("texts"), Options()))
    told = {
        language: {item.cluster for item in found if item.slices["language"] == language} for language in languages()
    }
    assert len(set(map(frozenset, told.values()))) == 1
    assert len(found) == sum(map(len, told.values()))


@pytest.mark.parametrize("bos", [True, False])
def test_a_real_model_is_read_from_its_first_token_on(tiny: Any, tmp_path: Any, bos: bool) -> None:
    subject = LocalSubject.load("base", tiny.save_model(tmp_path, "llama", bos=bos), device="cpu")
    asked = list(items(ROWS, Options()))
    replies = {reply.item: reply for reply in subject.answer(asked)}
    for item, row in zip(asked, ROWS, strict=True):
        tokenizer = subject.tokenizer
        start = tokenizer.bos_token_id if bos else tokenizer.eos_token_id
        ids = [start, *tokenizer(row["text"], add_special_tokens=False).input_ids]
        with torch.no_grad():
            table = subject.model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        expected = -sum(table[place, token].item() for place, token in enumerate(ids[1:])) / math.log(2)
        (reading,) = read(item, [replies[item.id]], Options())
        assert reading.value == pytest.approx(expected / len(row["text"].encode("utf-8")), rel=1e-4)


def test_codes_join_with_other_audits() -> None:
    assert [code("language", group) for group in ("swh_Latn", "sw", "?")] == ["sw", "sw", "?"]
