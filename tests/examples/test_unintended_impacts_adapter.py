"""The adapter of the recorded outputs, on a small clone of our own making."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pluralign import plugins
from pluralign.audits import dialects, tydiqa
from pluralign.errors import InputError
from pluralign.records.reply import Reply

FILE = Path(__file__).resolve().parents[2] / "examples" / "unintended_impacts.py"
adapter = plugins.load_file(FILE, "adapter", place="test")

COLUMNS = ("model", "dialect", "correct_answer_prob", "distractor_probs", "generated_answer", *adapter.games.SHARED[1:])
GAME = {
    "model": "some/model",
    "dialect": "en_ng",
    "correct_answer_prob": "0.5",
    "distractor_probs": "[0.1, 0.1, 0.1, nan, 0.1]",
    "generated_answer": " Torch, or\n\nlight",
    "transcript": 'Speaker0: when NEPA take light\nSpeaker1: you on it, "abi"?',
    "correct_answer": "Torch",
    "distractors": "['Lamp', 'Candle', 'Bulb', 'Dark', 'Night']",
}


def game_file(rows: Sequence[dict[str, str]], columns: Sequence[str] = COLUMNS) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def gold_file(language: str, count: int) -> dict[str, Any]:
    questions = [
        {"id": f"{language}-{n}", "question": "?", "answers": [{"text": "Nile", "answer_start": 0}]}
        for n in range(count)
    ]
    return {"version": "1", "data": [{"title": "Nile", "paragraphs": [{"context": "The Nile.", "qas": questions}]}]}


def write(path: Path, content: str | bytes | dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def add_game(root: Path, name: str, content: str | bytes | None = None) -> Path:
    path = root / "outputs" / "md3-game" / f"{name}.csv"
    write(path, game_file([GAME, GAME]) if content is None else content)
    return path


def add_answers(root: Path, name: str, answers: object = None, decoding: str = "greedy/1-shot") -> Path:
    path = root / "outputs" / "tydiqa-goldp" / name / decoding / "swahili.json"
    write(path, json.dumps({"swahili-0": "Nile", "swahili-1": "Niger"} if answers is None else answers))
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    add_game(root, "New-Model-1B_8bit-no-answers")
    add_answers(root, "{New-Model-1B_8bit}")
    write(root / "data/tydiqa/v1.1/tydiqa-goldp-dev-swahili.json", gold_file("swahili", 2))
    return root


def options(root: Path) -> Any:
    return adapter.Options(data_root=root)


def replies(root: Path, audit: str, stage: str = "New-Model-1B") -> list[Reply]:
    return list(adapter.replies(audit, adapter.stages(options(root))[stage][audit], [], options(root)))


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("Llama-2-7b-hf_8bit-no-answers", "Llama-2-7b-hf"),
        ("{Tulu-2-DPO_8bit}", "Tulu-2-DPO"),
        ("x-reformatted_8bit-no-answers-reformatted", "x"),
        ("OpenChat3.5-7B_8bit", "OpenChat3.5"),
        ("{Starling-7B-alpha_8bit}", "starling-alpha-7b"),
        ("my_8bit-model", "my_8bit-model"),
        ("{{x}}", "{x}"),
    ],
)
def test_a_stage_is_called_by_its_model(name: str, stage: str) -> None:
    assert adapter.stage_name(name) == stage


def test_every_model_is_found_by_its_place(clone: Path) -> None:
    add_game(clone, "Another")
    add_game(clone, ".hidden")
    add_answers(clone, "Only-Answers")
    (clone / "outputs/tydiqa-goldp/empty").mkdir()
    found = adapter.stages(options(clone))
    assert {stage: set(audits) for stage, audits in found.items()} == {
        "Another": {"dialects"},
        "New-Model-1B": {"dialects", "tydiqa"},
        "Only-Answers": {"tydiqa"},
    }


def test_items_and_replies_meet(clone: Path) -> None:
    games = list(dialects.items(adapter.rows("dialects", options(clone)), dialects.Options()))
    questions = list(tydiqa.items(adapter.rows("tydiqa", options(clone)), tydiqa.Options()))
    assert {(item.id, ask) for item in games for ask in (0, 1)} == {
        (reply.item, reply.ask) for reply in replies(clone, "dialects")
    }
    assert [item.id for item in questions] == [reply.item for reply in replies(clone, "tydiqa")]
    assert {item.slices["language"] for item in questions} == {"sw"}


def test_texts_stay_as_they_are_and_probabilities_become_nats(clone: Path) -> None:
    add_game(clone, "x", game_file([GAME | {"generated_answer": "NA", "correct_answer_prob": "0"}]))
    written, chosen = replies(clone, "dialects", "x")
    assert written.text == "NA"
    assert chosen.logprobs == pytest.approx((-math.inf, *[math.log(0.1)] * 3, math.nan, math.log(0.1)), nan_ok=True)


def test_an_empty_probability_is_missing(clone: Path) -> None:
    add_game(clone, "x", game_file([GAME | {"correct_answer_prob": ""}]))
    logprobs = replies(clone, "dialects", "x")[1].logprobs
    assert logprobs is not None
    assert math.isnan(logprobs[0])


def test_a_shorter_file_leaves_items_unanswered(clone: Path) -> None:
    add_game(clone, "short", game_file([GAME]))
    assert len(list(adapter.rows("dialects", options(clone)))) == 2
    assert {reply.item for reply in replies(clone, "dialects", "short")} == {"1"}


@pytest.mark.parametrize("column", adapter.games.SHARED)
def test_models_that_were_asked_differently_are_refused(clone: Path, column: str) -> None:
    add_game(clone, "odd", game_file([GAME, GAME | {column: "else"}]))
    with pytest.raises(InputError, match=rf'(odd|New-Model-1B_8bit-no-answers)\.csv, row 2: column "{column}" is not'):
        list(adapter.rows("dialects", options(clone)))


@pytest.mark.parametrize("second", ["New-Model-1B", "New-Model-1B-no-answers_8bit"])
def test_two_files_of_one_stage_are_refused(clone: Path, second: str) -> None:
    add_game(clone, second)
    with pytest.raises(
        InputError, match=r'New-Model-1B_8bit-no-answers\.csv".* stage "New-Model-1B"; keep one'
    ) as error:
        adapter.stages(options(clone))
    assert f"{second}.csv" in str(error.value)


@pytest.mark.parametrize("column", [*adapter.games.SHARED, *adapter.games.ANSWERED])
def test_a_missing_column_is_refused(clone: Path, column: str) -> None:
    path = add_game(clone, "x", game_file([GAME], [name for name in COLUMNS if name != column]))
    with pytest.raises(InputError, match=f'line 1: no column "{column}"') as error:
        replies(clone, "dialects", "x")
    assert str(error.value).startswith(str(path))


def test_a_csv_file_torn_anywhere_in_its_last_row_is_refused(clone: Path) -> None:
    whole, first = game_file([GAME, GAME]).encode(), game_file([GAME]).encode()
    for end in range(len(first) + 1, len(whole)):
        add_game(clone, "x", whole[:end])
        with pytest.raises(InputError, match=r"x\.csv(, line \d+| has no line end)"):
            replies(clone, "dialects", "x")


def test_answers_torn_anywhere_are_refused(clone: Path) -> None:
    whole = json.dumps({"swahili-0": 'Nile ya "Bluu"', "swahili-1": "é"}, ensure_ascii=False).encode()
    for end in range(len(whole)):
        path = add_answers(clone, "{x}")
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"swahili\.json"):
            replies(clone, "tydiqa", "x")


def test_damage_is_found_before_the_first_question(clone: Path) -> None:
    add_game(clone, "x", game_file([GAME, GAME | {"correct_answer_prob": "high"}]))
    with pytest.raises(InputError, match=r"x\.csv, row 2"):
        adapter.rows("dialects", options(clone))
    add_answers(clone, "{x}").write_text('{"swahili-0": "Ni')
    with pytest.raises(InputError, match=r"swahili\.json, line 1"):
        adapter.rows("tydiqa", options(clone))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["Nile"], "holds a list, not an object"),
        ({"swahili-0": 3}, 'the answer to "swahili-0" is 3; it must be text'),
    ],
)
def test_answers_of_another_shape_are_refused(clone: Path, answers: object, message: str) -> None:
    add_answers(clone, "{x}", answers)
    with pytest.raises(InputError, match=message):
        replies(clone, "tydiqa", "x")


def test_an_answer_given_twice_is_refused_and_null_is_missing(clone: Path) -> None:
    add_answers(clone, "{x}", {"swahili-0": None})
    assert [reply.text for reply in replies(clone, "tydiqa", "x")] == [None]
    add_answers(clone, "{x}").write_text('{"a": "1", "a": "2"}')
    with pytest.raises(InputError, match='the key "a" comes twice'):
        replies(clone, "tydiqa", "x")


@pytest.mark.parametrize("value", ["high", "1.5", "-0.1", "inf"])
def test_what_is_no_probability_is_refused(clone: Path, value: str) -> None:
    add_game(clone, "x", game_file([GAME, GAME | {"correct_answer_prob": value}]))
    with pytest.raises(InputError, match=r"x\.csv, row 2: .* is no probability"):
        replies(clone, "dialects", "x")


def test_gold_answers_must_be_there_and_whole(clone: Path) -> None:
    gold = clone / "data/tydiqa/v1.1/tydiqa-goldp-dev-swahili.json"
    gold.write_text('{"data": [{"title": "Nile"}]}')
    with pytest.raises(InputError, match=r"dev-swahili\.json: not in SQuAD's layout .*paragraphs"):
        list(adapter.rows("tydiqa", options(clone)))
    gold.unlink()
    with pytest.raises(InputError, match="holds no gold answers"):
        list(adapter.rows("tydiqa", options(clone)))


def test_an_audit_without_recorded_outputs_is_refused(clone: Path) -> None:
    with pytest.raises(InputError, match='"dialect"; did you mean "dialects"'):
        adapter.rows("dialect", options(clone))


def test_what_is_left_out_is_said(clone: Path) -> None:
    assert list(adapter.notices(options(clone))) == []
    add_answers(clone, "{x}", decoding="greedy/0-shot")
    write(clone / "data/tydiqa/v1.1/tydiqa-goldp-dev-klingon.json", gold_file("klingon", 1))
    left_out, unnamed = adapter.notices(options(clone))
    assert "0-shot" in left_out
    assert "klingon" in unnamed
    assert "klingon" in {row["language"] for row in adapter.rows("tydiqa", options(clone))}


def test_the_folder_that_was_meant_is_named(clone: Path) -> None:
    for given in (clone.parent, clone / "outputs", clone / "outputs" / "md3-game"):
        with pytest.raises(InputError, match=f'has no folder "outputs"; did you mean "{clone}"'):
            adapter.stages(options(given))
    with pytest.raises(InputError, match=f'there is no folder ".*clome"; did you mean "{clone}"'):
        adapter.stages(options(clone.parent / "clome"))


def test_a_folder_without_outputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='has no folder "outputs"; give a clone'):
        adapter.stages(options(tmp_path))
    with pytest.raises(InputError, match="there is no folder"):
        adapter.stages(options(tmp_path / "far" / "away"))
    (tmp_path / "outputs").mkdir()
    with pytest.raises(InputError, match=r"holds no md3-game/\*\.csv"):
        adapter.stages(options(tmp_path))
