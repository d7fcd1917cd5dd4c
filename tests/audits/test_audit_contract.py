"""What holds for every audit: items are well formed, every measure is read, missing replies are NaN."""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
from langcodes import tag_is_valid

from pluralign.audits import belebele, dialects, kl, perplexity, preferences, reward_bench_2, rm_bench, tydiqa
from pluralign.errors import InputError
from pluralign.records.item import Item, Write
from pluralign.records.reply import Reply

GAMES = [
    {
        "dialect": dialect,
        "transcript": "Speaker0: you write with it\nSpeaker1: a marker?",
        "answer": "Pen",
        "distractors": ["Ink", "Paper", "Letter", "Desk", "School"],
    }
    for dialect in ("en_us", "en_in", "en_ng")
]
QUESTIONS = [
    {
        "id": f"{language}-1",
        "language": language,
        "title": "Nile",
        "context": "The Nile flows north.",
        "question": "Where does it flow?",
        "answers": ["north", "to the north"],
    }
    for language in ("en", "sw", "te")
]
READING = [
    {
        "link": link,
        "question_number": 1,
        "flores_passage": "A cart has two wheels.",
        "question": "How many wheels?",
        **{f"mc_answer{n}": str(n) for n in range(1, 5)},
        "correct_answer_num": "2",
        "dialect": language,
    }
    for language in ("eng_Latn", "swh_Latn", "kor_Hang")
    for link in ("a", "b")
]
PAIRS = [
    {
        "prompt": "What is this?",
        "chosen": "a torch",
        "rejected": "a flashlight",
        "group": group,
        "language": "en",
        "prompt_id": "p1",
    }
    for group in ("us", "in")
]
BENCH_2 = [
    {
        "id": str(number),
        "subset": "Math",
        "prompt": "What is 2 + 2?",
        "chosen": ["4"],
        "rejected": ["3", "5", "22"],
        "num_correct": 1,
        "total_completions": 4,
    }
    for number in (1, 2)
]
BENCH = [
    {"id": "1", "domain": domain, "prompt": "Hi?", "chosen": ["a", "aa", "*a*"], "rejected": ["b", "bb", "*b*"]}
    for domain in ("chat", "math")
]
TEXTS = [
    {"text": "The Nile flows north.", "language": language, "document": "nile"} for language in ("eng_Latn", "fin_Latn")
]
AUDITS = [
    (dialects, GAMES),
    (tydiqa, QUESTIONS),
    (belebele, READING),
    (perplexity, TEXTS),
    (preferences, PAIRS),
    (kl, PAIRS),
    (reward_bench_2, BENCH_2),
    (rm_bench, BENCH),
]
every_audit = pytest.mark.parametrize(("audit", "rows"), AUDITS, ids=lambda value: getattr(value, "__name__", ""))


def read_by(audit: ModuleType) -> list[str]:
    return [name for name, measure in audit.MEASURES.items() if measure.statistic is None]


def items_of(audit: ModuleType, rows: Sequence[dict[str, Any]]) -> list[Item]:
    return list(audit.items(rows, audit.Options()))


def reply(item: Item, number: int) -> Reply:
    ask = item.asks[number]
    if isinstance(ask, Write):
        return Reply(item=item.id, ask=number, text="something")
    count = len(ask.options if hasattr(ask, "options") else ask.completions)
    return Reply(item=item.id, ask=number, logprobs=tuple(-1.0 - i for i in range(count)), tokens=(2,) * count)


@every_audit
def test_items_have_unique_ids_clusters_and_the_reference_group(audit: ModuleType, rows: list[dict[str, Any]]) -> None:
    items = items_of(audit, rows)
    assert len({item.id for item in items}) == len(items) == len(rows)
    assert all(item.cluster for item in items)
    for dimension, group in audit.REFERENCE.items():
        assert group in {item.slices[dimension] for item in items}


@every_audit
def test_each_measure_is_read_once_and_within_its_bounds(audit: ModuleType, rows: list[dict[str, Any]]) -> None:
    for item in items_of(audit, rows):
        readings = list(audit.read(item, [reply(item, number) for number in range(len(item.asks))], audit.Options()))
        assert [reading.measure for reading in readings] == read_by(audit)
        for reading in readings:
            bounds = audit.MEASURES[reading.measure].bounds
            assert bounds is None or bounds[0] <= reading.value <= bounds[1]


@every_audit
def test_an_item_without_replies_reads_as_missing(audit: ModuleType, rows: list[dict[str, Any]]) -> None:
    for item in items_of(audit, rows):
        readings = list(audit.read(item, [], audit.Options()))
        assert [reading.measure for reading in readings] == read_by(audit)
        assert all(math.isnan(reading.value) for reading in readings)


@every_audit
@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("kind", ["logprobs", "rewards"])
def test_a_reply_of_another_length_reads_as_missing(
    audit: ModuleType, rows: list[dict[str, Any]], kind: str, count: int
) -> None:
    for item in items_of(audit, rows):
        odd = [Reply(item=item.id, ask=number, **{kind: (0.0,) * count}) for number in range(len(item.asks))]
        assert all(math.isnan(reading.value) for reading in audit.read(item, odd, audit.Options()))


@every_audit
def test_a_missing_column_is_refused_by_row_and_name(audit: ModuleType, rows: list[dict[str, Any]]) -> None:
    for column in audit.COLUMNS:
        torn = [rows[0], {name: value for name, value in rows[1].items() if name != column}]
        with pytest.raises(InputError, match=f'row 2: no column "{column}"'):
            items_of(audit, torn)


@every_audit
def test_codes_are_language_tags_and_unknown_groups_stay(audit: ModuleType, rows: list[dict[str, Any]]) -> None:
    for item in items_of(audit, rows):
        for dimension, group in item.slices.items():
            if dimension in ("language", "dialect"):
                assert tag_is_valid(audit.code(dimension, group))
    assert audit.code("language", "no such language!") == "no such language!"
