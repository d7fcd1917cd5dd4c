import math
from typing import Any

import pytest

from pluralign.audits.dialects import Options, code, items, read
from pluralign.errors import InputError
from pluralign.records.item import Item
from pluralign.records.reply import Reply

ROW: dict[str, Any] = {
    "dialect": "en_in",
    "transcript": "Speaker0: it is having two wheels",
    "answer": "Cycle",
    "distractors": ["Pedal", "Scooter", "Ride", "Helmet", "Road"],
}


def item(**changes: object) -> Item:
    return next(items([{**ROW, **changes}], Options()))


def values(*replies: Reply) -> dict[str, float]:
    return {reading.measure: reading.value for reading in read(item(), replies, Options())}


def written(text: str) -> Reply:
    return Reply(item="1", ask=0, text=text)


@pytest.mark.parametrize(
    ("text", "accuracy", "answered"),
    [
        (" Cycle", 1, 1),
        (" bicycle\n\nTrans", 1, 1),
        (" MOTORCYCLE or car", 1, 1),
        (" Cycle, not a scooter", 0, 1),
        (" the pedals", 0, 1),
        (" a car", 0, 0),
        ("", 0, 0),
    ],
)
def test_the_word_counts_only_without_a_distractor(text: str, accuracy: float, answered: float) -> None:
    read_values = values(written(text))
    assert (read_values["accuracy"], read_values["answered"]) == (accuracy, answered)
    assert math.isnan(read_values["forced_choice"])


def test_forced_choice_goes_by_tokens_and_by_rewards() -> None:
    chosen = Reply(item="1", ask=1, logprobs=(-4.0, -3.0, -9.0, -9.0, -9.0, -9.0), tokens=(2, 1, 1, 1, 1, 1))
    rewarded = Reply(item="1", ask=1, rewards=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
    assert values(chosen)["forced_choice"] == 1
    assert values(rewarded)["forced_choice"] == 0
    assert math.isnan(values(rewarded)["accuracy"])


def test_a_missing_probability_is_missing_and_an_impossible_word_loses() -> None:
    holed = Reply(item="1", ask=1, logprobs=(-1.0, math.nan, -9.0, -9.0, -9.0, -9.0))
    impossible = Reply(item="1", ask=1, logprobs=(-1.0, -math.inf, -9.0, -9.0, -9.0, -9.0))
    assert math.isnan(values(holed)["forced_choice"])
    assert values(impossible)["forced_choice"] == 1


def test_the_model_is_asked_to_write_and_to_choose_after_the_same_prompt() -> None:
    write, choose = item().asks
    assert write.prompt == choose.prompt
    assert write.prompt == (
        'What follows is the transcript of a game of Taboo.\n\nTranscript: "Speaker0: it is having two wheels"'
        "\n\nSecret Word:"
    )
    assert choose.options == (" Cycle", " Pedal", " Scooter", " Ride", " Helmet", " Road")


def test_distractors_may_be_spelled_as_in_a_csv_file() -> None:
    assert item(distractors=repr(ROW["distractors"])) == item()


def test_a_row_is_its_own_dialogue_unless_it_names_one() -> None:
    assert [one.cluster for one in items([ROW, ROW], Options())] == ["1", "2"]
    clip = {**ROW, "clip_id": "c7"}
    assert [one.cluster for one in items([clip, clip], Options())] == ["c7", "c7"]


def test_what_is_said_after_an_empty_transcript_is_still_an_item() -> None:
    assert 'Transcript: ""' in item(transcript="").asks[0].prompt


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transcript": "Speaker1: a CYCLE?"}, 'row 1: the transcript says the answer "Cycle"; cut it'),
        ({"distractors": ["Pedal"]}, "row 1: 1 distractors; the game has 5"),
        ({"distractors": "['Pedal', "}, 'row 1: column "distractors"'),
        ({"answer": ""}, 'row 1: column "answer"'),
        ({"clip_id": ""}, 'row 1: column "clip_id"'),
    ],
)
def test_unfit_rows_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        item(**changes)


def test_a_word_within_another_word_is_not_the_answer_said() -> None:
    assert item(answer="Pen", transcript="what is happening with the pencil")
    assert item(transcript="Speaker1: a bicycle?")


def test_codes_of_dialects() -> None:
    assert [code("dialect", group) for group in ("en_us", "en_in", "en_ng")] == ["en-US", "en-IN", "en-NG"]
