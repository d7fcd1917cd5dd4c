import math
from typing import Any

import pytest

from pluralign.audits.dialects import Options, code, items, notices, read
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


def values(*replies: Reply, **changes: object) -> dict[str, float]:
    return {reading.measure: reading.value for reading in read(item(**changes), replies, Options())}


def written(text: str) -> Reply:
    return Reply(item="1", ask=0, text=text)


@pytest.mark.parametrize(
    ("text", "accuracy", "whole_word", "answered"),
    [
        (" Cycle", 1, 1, 1),
        (" cycle.", 1, 1, 1),
        (" bicycle\n\nTrans", 1, 0, 1),
        (" MOTORCYCLE or car", 1, 0, 1),
        (" Cycle, not a scooter", 0, 0, 1),
        (" Cycle; the pedals", 0, 1, 1),
        (" the pedals", 0, 0, 1),
        (" a car", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_the_word_counts_only_without_a_distractor(
    text: str, accuracy: float, whole_word: float, answered: float
) -> None:
    read_values = values(written(text))
    assert (read_values["accuracy"], read_values["answered"]) == (accuracy, answered)
    assert read_values["accuracy_whole_word"] == whole_word
    assert math.isnan(read_values["forced_choice"])


@pytest.mark.parametrize(
    ("text", "whole_word"), [("A washing machine.", 1), ("washing machine, machine", 0), ("machine", 0)]
)
def test_a_distractor_in_the_answer_is_not_named_with_it(text: str, whole_word: float) -> None:
    words = {"answer": "Washing machine", "distractors": ["Machine", "Drum", "Spin", "Soap", "Wet"]}
    asked = item(transcript="it spins", **words)
    found = {each.measure: each.value for each in read(asked, [written(text)], Options())}
    assert (found["accuracy"], found["accuracy_whole_word"]) == (0, whole_word)


def test_forced_choice_goes_by_tokens_and_by_rewards() -> None:
    chosen = Reply(item="1", ask=1, logprobs=(-4.0, -3.0, -9.0, -9.0, -9.0, -9.0), tokens=(2, 1, 1, 1, 1, 1))
    rewarded = Reply(item="1", ask=1, rewards=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
    assert values(chosen)["forced_choice"] == 1
    assert values(rewarded)["forced_choice"] == 0
    assert math.isnan(values(rewarded)["accuracy"])
    assert values(chosen)["forced_choice_sum"] == 0, "as a whole the shorter word is more probable"
    assert math.isnan(values(rewarded)["forced_choice_sum"])
    uncounted = Reply(item="1", ask=1, logprobs=(-4.0, -5.0, -9.0, -9.0, -9.0, -9.0))
    assert values(uncounted)["forced_choice"] == 1
    assert math.isnan(values(uncounted)["forced_choice_sum"])


def test_a_choice_in_text_is_the_first_word_that_it_names() -> None:
    def choice(text: str) -> float:
        return values(Reply(item="1", ask=1, text=text))["forced_choice"]

    assert choice("It is a cycle, not a scooter.") == 1
    assert choice("scooter") == 0
    assert math.isnan(choice("a bicycle"))


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
    assert item(**clip, dialogue_id="d1").cluster == "d1"


def test_what_is_said_after_an_empty_transcript_is_still_an_item() -> None:
    assert 'Transcript: ""' in item(transcript="").asks[0].prompt


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transcript": "Speaker1: a CYCLE?"}, 'row 1: the transcript is one line and contains the answer "Cycle"'),
        ({"distractors": ["Pedal"]}, "row 1: 1 distractors; the game has 5"),
        ({"distractors": "['Pedal', "}, 'row 1: column "distractors"'),
        ({"answer": ""}, 'row 1: column "answer"'),
        ({"clip_id": ""}, 'row 1: column "clip_id"'),
    ],
)
def test_unfit_rows_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        item(**changes)


def test_a_transcript_is_cut_before_the_first_line_that_contains_the_answer() -> None:
    whole = "Speaker0: it is having two wheels\nSpeaker1: a motorcycle?\nSpeaker0: no\nSpeaker1: cycle"
    assert item(transcript=whole) == item()


def test_only_word_games_that_were_won_are_asked() -> None:
    kinds = [("word", "win"), ("image", "win"), ("word", "skip")]
    rows = [{**ROW, "game_type": game, "prompt_status": status} for game, status in kinds]
    assert [one.id for one in items(rows, Options())] == ["1"]
    assert [one.id for one in items([rows[1], ROW], Options())] == ["2"]


def test_distractors_are_drawn_from_the_other_answers_by_the_seed() -> None:
    answers = ["Cycle", "Bicycle", "Pen", "Torch", "Lamp", "Desk", "School", "Rice", "Cup"]
    rows = [{"dialect": "en_ng", "transcript": "", "answer": answer} for answer in answers]
    asked = list(items(rows, Options(distractor_seed=1)))
    drawn = [one.gold["distractors"] for one in asked]
    assert next(notices(asked, Options(distractor_seed=1))).startswith("the five other words of 9 games are drawn from")
    assert list(notices([item()], Options())) == []
    for answer, words in zip(answers, drawn, strict=True):
        assert len(set(words)) == 5
        assert set(words) < set(answers) - {answer}
    assert "Bicycle" not in drawn[0]
    assert "Cycle" not in drawn[1]
    assert drawn == [one.gold["distractors"] for one in items(rows, Options(distractor_seed=1))]
    assert drawn != [one.gold["distractors"] for one in items(rows, Options(distractor_seed=2))]
    with pytest.raises(InputError, match='row 1: no column "distractors"'):
        list(items(rows, Options()))
    with pytest.raises(InputError, match="row 1: 4 other answers to draw distractors from; it takes 5"):
        list(items(rows[:1] + rows[2:6], Options(distractor_seed=1)))


def test_codes_of_dialects() -> None:
    assert [code("dialect", group) for group in ("en_us", "en_in", "en_ng")] == ["en-US", "en-IN", "en-NG"]
