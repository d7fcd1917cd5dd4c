"""Shards to units: what is left out is told with its place, what cannot be read at all before the work begins."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pluralign.census.gauge import Gauge
from pluralign.census.survey import look_first, source_module, units
from pluralign.census.texts import Text
from pluralign.data import shards
from pluralign.errors import InputError

PAIR = {"prompt": "Why?", "chosen": "Because.", "rejected": "Dunno."}


def write(folder: Path, rows: Sequence[object], name: str = "rows.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def cut(path: Path) -> tuple[shards.Shard, ...]:
    return shards.divide(str(path), beside=Path(), place="here").shards


def test_rows_that_cannot_be_read_are_left_out_with_a_reason_and_a_place(tmp_path: Path) -> None:
    tools = {"messages": [{"role": "assistant", "content": "x", "tool_calls": [1]}]}
    path = write(tmp_path, [PAIR, PAIR | {"chosen": None}, tools, {"id": 3}, {"text": " "}])
    first, *others = [unit for shard in cut(path) for unit in units(shard, Gauge())]
    assert first.columns == "prompt, chosen, rejected"
    assert first.texts == (Text("prompt", "Why?"), Text("chosen", "Because."), Text("rejected", "Dunno."))
    assert [unit.left_out for unit in others] == [
        'column "chosen" is neither text nor messages',
        'column "messages" is neither text nor messages',
        "none of the columns that are read",
        "no text",
    ]
    assert others[0].where == f'{path}, line 2: column "chosen" is None; it must be text or messages'


def test_a_file_that_cannot_be_read_is_named_before_the_work(tmp_path: Path) -> None:
    write(tmp_path / "data", [PAIR] * 3, "a.jsonl")
    wrong = write(tmp_path / "data", [{"question": "Why?", "answer": "So."}] * 3, "b.jsonl")
    with pytest.raises(InputError) as refusal:
        look_first(cut(tmp_path / "data"), Gauge())
    assert str(refusal.value).startswith(f'{wrong}, line 1: needs the columns "chosen" and "rejected"')
    assert "the row has: question, answer; --columns prompt=NAME,completion=NAME" in str(refusal.value)


def test_one_row_among_the_first_is_enough_and_what_is_not_read_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, [{"text": None, "topic": "x"}, {"text": "a", "id": 1}])
    assert look_first(cut(path), Gauge()).not_read == ("id", "topic")


def test_a_known_source_reads_its_own_rows(tmp_path: Path) -> None:
    row = {"question": "Why?", "preference": [1, 0, 0, 0, 0, 2]} | {
        f"prediction {n}": f"because {n}" for n in range(1, 5)
    }
    path = write(tmp_path, [row])
    found = list(units(cut(path)[0], Gauge(source="qa_feedback")))
    assert [unit.left_out for unit in found if unit.left_out] == ["tie"] * 4
    assert {unit.where for unit in found if unit.left_out} == {f"{path}, line 1"}
    assert look_first(cut(path), Gauge(source="qa_feedback")).not_read is None, "a source's columns are its own"
    kept = [unit for unit in found if not unit.left_out]
    assert [[(text.side, text.content.strip()) for text in unit.texts] for unit in kept] == [
        [("prompt", "Why?"), ("chosen", "because 1"), ("rejected", "because 2")],
        [("prompt", "Why?"), ("chosen", "because 4"), ("rejected", "because 3")],
    ]


def test_a_known_source_names_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path, [{"prompt": "\n\nHuman: a\n\nAssistant:", "chosen": "b", "rejected": "c"}, {"chosen": "b"}])
    with pytest.raises(InputError, match=r'rows\.jsonl, line 2: no column "rejected"'):
        look_first(cut(path), Gauge(source="hh_rlhf"))


def test_a_source_that_reads_all_rows_before_it_judges_any_has_no_place_to_name(tmp_path: Path) -> None:
    message = {"parent_id": None, "role": "prompter", "text": "Why?", "lang": "en", "rank": None, "message_id": "1"}
    reply = message | {"parent_id": "1", "role": "assistant", "message_id": "2"}
    path = write(tmp_path, [message, reply, message | {"message_id": "3"}])
    (found,) = units(cut(path)[0], Gauge(source="oasst1"))
    assert (found.left_out, found.where) == ("a reply that nobody ranked", "")


def test_sources_are_known_by_name() -> None:
    with pytest.raises(InputError, match='--source: unknown source "hh_rlfh"; did you mean "hh_rlhf"'):
        source_module("hh_rlfh", Path())
    with pytest.raises(InputError, match='--source "pairs": rows in TRL\'s formats are read without it'):
        source_module("pairs", Path())
