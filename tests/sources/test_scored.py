"""Sets with scores and choices: WebGPT, summaries, SHP, UltraFeedback. The better one is chosen, ties are left out."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Message, Preference
from pluralign.sources import shp, summarize, ultrafeedback, webgpt


def load(module: ModuleType, row: dict[str, Any], **options: Any) -> Preference | LeftOut:
    (found,) = module.load([row], module.Options(**options), "x")
    return found


def pair(module: ModuleType, row: dict[str, Any], **options: Any) -> Preference:
    found = load(module, row, **options)
    assert isinstance(found, Preference)
    return found


def compared(first: float) -> dict[str, Any]:
    asked = {"dataset": "eli5", "id": "1", "full_text": "Why?"}
    return {"question": asked, "answer_0": "So.", "answer_1": "No.", "score_0": first, "score_1": -first}


POST = {"subreddit": "tifu", "title": "A day", "post": "It rained.", "article": None}
SUMMARIES = [{"text": " Rain."}, {"text": " Sun."}]


def summarised(choice: int, info: dict[str, Any]) -> dict[str, Any]:
    return {"info": info, "summaries": SUMMARIES, "choice": choice, "worker": "w7"}


def commented(label: int, ratio: float) -> dict[str, Any]:
    return {
        "history": "Why?",
        "human_ref_A": "So.",
        "human_ref_B": "No.",
        "labels": label,
        "score_ratio": ratio,
        "domain": "askscience",
    }


def test_webgpt_takes_the_higher_score_and_drops_ties() -> None:
    assert (pair(webgpt, compared(0.5)).chosen, pair(webgpt, compared(-0.5)).chosen) == (" So.", " No.")
    assert pair(webgpt, compared(1.0)).prompt == "\n\nHuman: Why?\n\nAssistant:"
    assert load(webgpt, compared(0.0)) == LeftOut(why="tie")


def test_summaries_take_the_choice_and_the_papers_prompt() -> None:
    first, second = (pair(summarize, summarised(choice, POST), form="text", group="worker") for choice in (0, 1))
    assert (first.chosen, first.rejected, second.chosen) == (" Rain.", " Sun.", " Sun.")
    assert first.prompt == "SUBREDDIT: r/tifu\n\nTITLE: A day\n\nPOST: It rained.\n\nTL;DR:"
    assert first.group == "w7"
    assert pair(summarize, summarised(0, {"article": "News."}), form="text").prompt == "Article: News.\n\nTL;DR:"


def test_shp_takes_the_label_and_leaves_out_low_ratios() -> None:
    assert (pair(shp, commented(1, 3)).chosen, pair(shp, commented(0, 3)).chosen) == (" So.", " No.")
    assert pair(shp, commented(1, 3), group="domain").group == "askscience"
    assert load(shp, commented(1, 1.5), min_score_ratio=2.0) == LeftOut(why="score_ratio below 2")


def answered(*scores: float | None) -> dict[str, Any]:
    completions = [{"response": f"answer {place}", "overall_score": score} for place, score in enumerate(scores)]
    return {"instruction": "Explain.", "source": "flan", "completions": completions}


SCORES = st.lists(st.floats(1, 10), min_size=2, max_size=4)


@given(SCORES, st.sampled_from(("random", "lowest")), st.integers(0, 5))
def test_ultrafeedback_holds_the_best_against_a_lower_one(scores: list[float], rejected: str, seed: int) -> None:
    found = load(ultrafeedback, answered(*scores), rejected=rejected, seed=seed)
    if len(set(scores)) == 1:
        assert found == LeftOut(why="tie")
        return
    assert isinstance(found, Preference)
    better, worse = (scores[int(text[-1])] for text in (found.chosen, found.rejected))
    assert better == max(scores)
    assert worse < better
    if rejected == "lowest":
        assert worse == min(scores)
    assert found == load(ultrafeedback, answered(*scores), rejected=rejected, seed=seed), "the draw is repeatable"


def test_every_lower_completion_can_be_drawn() -> None:
    row = answered(9, 3, 2, 1)
    assert {pair(ultrafeedback, row, seed=seed).rejected for seed in range(40)} == {f" answer {n}" for n in (1, 2, 3)}


def test_completions_without_a_score_are_passed_over() -> None:
    assert load(ultrafeedback, answered(None, 3)) == LeftOut(why="fewer than two scored completions")
    assert pair(ultrafeedback, answered(None, 3, 4)).chosen == " answer 2"


def test_binarized_sets_are_taken_as_they_are() -> None:
    asked = {"role": "user", "content": "Explain."}
    answers = [{"role": "assistant", "content": text} for text in ("Gladly.", "No.")]
    row = {"prompt": "Explain.", "score_chosen": 8.0, "score_rejected": 5.0}
    row |= {"chosen": [asked, answers[0]], "rejected": [asked, answers[1]]}
    assert (pair(ultrafeedback, row).chosen, pair(ultrafeedback, row).rejected) == (" Gladly.", " No.")
    assert pair(ultrafeedback, row, form="messages").prompt == (Message(role="user", content="Explain."),)
    assert load(ultrafeedback, row | {"score_rejected": 8.0}) == LeftOut(why="tie")
    with pytest.raises(InputError, match='row 1: column "score_chosen" is 8, below the 9'):
        load(ultrafeedback, row | {"score_rejected": 9.0})
    brief = {"role": "system", "content": "Be brief."}
    steered = row | {side: [brief, *row[side]] for side in ("chosen", "rejected")}
    with pytest.raises(InputError, match='row 1: form = "dialogue" has no place for turns of system, user; write form'):
        load(ultrafeedback, steered)
    assert isinstance(load(ultrafeedback, steered, form="messages"), Preference)


@pytest.mark.parametrize(
    ("module", "row", "expected"),
    [
        (webgpt, compared(0.5) | {"score_0": None}, 'column "score_0" is None; it must be a number'),
        (webgpt, compared(0.5) | {"question": {}}, 'no column "full_text"'),
        (summarize, summarised(2, POST), 'column "choice" is 2; it must be 0 or 1'),
        (summarize, summarised(1, POST) | {"summaries": SUMMARIES[:1]}, 'column "summaries" must hold two'),
        (summarize, summarised(1, {"title": "x"}), 'no column "subreddit"'),
        (shp, commented(3, 2), 'column "labels" is 3; it must be 0 or 1'),
        (ultrafeedback, {"instruction": "x", "completions": "y"}, 'column "completions" is no list'),
        (ultrafeedback, {"instruction": "x", "completions": [{"response": "y"}]}, 'no column "overall_score"'),
    ],
)
def test_what_does_not_fit_is_named(module: ModuleType, row: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=f"^row 1: .*{expected}"):
        load(module, row)
