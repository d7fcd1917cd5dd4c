"""KL to the reference: what is asked, what follows, and that the mean of the readings is the divergence."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.audits.kl import COMPARED, MEASURES, Options, compare, follow, items, read
from pluralign.errors import InputError
from pluralign.records.item import Item, Score, Write
from pluralign.records.reply import Reply
from pluralign.subjects.local import LocalSubject

ROW = {"prompt": "What is this?", "group": "in", "language": "en", "prompt_id": "p"}
logprobs = st.floats(-200, 0)


def item(count: int = 1, **changes: Any) -> Item:
    return next(items([{**ROW, **changes}], Options(num_generations=count, max_completion_length=5)))


def written(*texts: str | None, ended: bool | None = False) -> list[Reply]:
    return [Reply(item="1", ask=number, text=text, ended=ended) for number, text in enumerate(texts)]


def scored(count: int, *values: float, tokens: int = 4) -> list[Reply]:
    return [
        Reply(item="1", ask=count + place, logprobs=(value,), tokens=(tokens,)) for place, value in enumerate(values)
    ]


def between(before: list[Reply], after: list[Reply], count: int = 1) -> dict[str, float]:
    return {one.measure: one.value for one in compare(item(count), before, after, Options(num_generations=count))}


def test_answers_are_drawn_as_often_and_as_long_as_the_options_say() -> None:
    asks = item(3).asks
    assert asks == (Write(prompt="What is this?", max_tokens=5, temperature=1.0),) * 3
    assert (item().slices, item().cluster) == ({"group": "in", "language": "en"}, "p")


def test_a_prompt_is_asked_once_for_each_group_and_language() -> None:
    rows = [
        ROW,
        {**ROW, "chosen": "a torch"},
        {**ROW, "group": "us"},
        {**ROW, "language": "sw"},
        {**ROW, "prompt": "?"},
    ]
    assert [one.id for one in items(rows, Options())] == ["1", "3", "4", "5"]


@pytest.mark.parametrize("name", ["num_generations", "max_completion_length"])
def test_nothing_to_draw_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Options(**{name: 0})


def test_a_row_without_its_language_is_refused() -> None:
    with pytest.raises(InputError, match='row 1: no column "language"'):
        next(items([{"prompt": "?", "group": "a", "prompt_id": "p"}], Options()))


@pytest.mark.parametrize(
    ("text", "ended", "scores"),
    [
        ("a torch", False, ("a torch", False)),
        ("a torch", True, ("a torch", True)),
        ("", True, ("", True)),
        (" \n", True, (" \n", True)),
        ("a t\ufffd", False, ("a t", False)),
        ("a t\ufffd", True, None),
        ("a\ufffdt", False, None),
        ("", False, None),
        (" \n", False, None),
        ("\ufffd", False, None),
        (None, None, None),
    ],
)
def test_what_was_written_is_scored_as_far_as_it_can_be_encoded(
    text: str | None, ended: bool | None, scores: tuple[str, bool] | None
) -> None:
    found = follow(item(), written(text, ended=ended), Options())
    if scores is None:
        assert found == ()
    else:
        assert found == (Score(prompt="What is this?", completions=(scores[0],), end=scores[1]),)


def test_nothing_follows_until_every_answer_can_be_scored() -> None:
    options = Options(num_generations=2)
    assert follow(item(2), written("a torch"), options) == ()
    assert follow(item(2), written("a torch", "a t\ufffdo"), options) == ()
    assert [ask.completions for ask in follow(item(2), written("b", "a"), options)] == [("b",), ("a",)]


@settings(deadline=None)
@given(st.lists(st.tuples(logprobs, logprobs), min_size=1, max_size=4))
def test_the_reading_is_the_mean_log_ratio_of_what_was_drawn(pairs: list[tuple[float, float]]) -> None:
    count = len(pairs)
    own, other = (scored(count, *side) for side in zip(*pairs, strict=True))
    found = between(other, own, count)
    ratios = [mine - its for mine, its in pairs]
    assert found["kl"] == pytest.approx(sum(ratios) / count, abs=1e-9)
    assert found["kl_per_token"] == pytest.approx(found["kl"] / 4, abs=1e-9)
    assert between(own, other, count)["kl"] == pytest.approx(-found["kl"], abs=1e-9)
    assert list(found) == list(COMPARED)
    (entropy,) = read(item(count), own, Options(num_generations=count))
    assert entropy.measure == next(iter(MEASURES))
    assert entropy.value == pytest.approx(-sum(mine for mine, _ in pairs) / count / 4)


def test_of_long_and_short_answers_each_is_divided_by_its_own_tokens() -> None:
    own = [*scored(2, -2.0, tokens=1), replace(scored(2, -8.0, tokens=8)[0], ask=3)]
    other = scored(2, -3.0, -16.0, tokens=5)
    assert between(other, own, 2) == {"kl": 4.5, "kl_per_token": 1.0}


def test_one_missing_answer_makes_its_prompt_missing() -> None:
    own, torn = scored(2, -1.0, -2.0), scored(2, -1.0, math.nan)
    for before, after in ((torn, own), (own, torn), (own[:1], own), ([], own), (own, [])):
        assert all(math.isnan(value) for value in between(before, after, 2).values())
    assert all(math.isnan(one.value) for one in read(item(2), torn, Options(num_generations=2)))


@pytest.fixture(scope="module")
def pair(tiny, tmp_path_factory) -> tuple[LocalSubject, LocalSubject]:
    """A policy and its reference."""
    where = tmp_path_factory.mktemp("pair")
    return tuple(
        LocalSubject.load(name, tiny.save_model(where / name, "llama", seed=seed, bos=True), device="cpu")
        for seed, name in enumerate(("policy", "reference"))
    )


def values(subject: LocalSubject, asked: list[Item]) -> dict[str, float]:
    return {reply.item: reply.logprobs[0] for reply in subject.answer(asked) if reply.logprobs is not None}


def ratios(pair: tuple[LocalSubject, LocalSubject], replies: list[Reply]) -> dict[str, float]:
    """The audit's own way from what was written to the readings, by item."""
    options = Options(max_completion_length=1)
    by_item = {reply.item: reply for reply in replies}
    every = {name: replace(item(prompt="b"), id=name) for name in by_item}
    further = [replace(one, asks=follow(one, [by_item[name]], options)) for name, one in every.items()]
    asked = [one for one in further if one.asks]
    own, other = (values(subject, asked) for subject in pair)
    found = {}
    for name in own:
        before, after = ([Reply(item=name, ask=1, logprobs=(by[name],), tokens=(1,))] for by in (other, own))
        found[name] = next(iter(compare(every[name], before, after, options))).value
    return found


def test_the_mean_over_what_is_drawn_is_the_divergence(pair: tuple[LocalSubject, LocalSubject]) -> None:
    """Of one token it can be summed over the whole vocabulary, the end token with it."""
    policy = pair[0]
    end = policy.tokenizer.eos_token_id
    vocabulary = [
        Reply(
            item=str(token),
            ask=0,
            text="" if token == end else policy.tokenizer.decode([token], skip_special_tokens=True),
            ended=token == end,
        )
        for token in range(len(policy.tokenizer))
    ]
    exact = ratios(pair, vocabulary)
    asked = {reply.item: follow(item(prompt="b"), [reply], Options()) for reply in vocabulary}
    own = values(policy, [replace(item(prompt="b"), id=name, asks=asks) for name, asks in asked.items() if asks])
    mass = sum(math.exp(value) for value in own.values())
    mean = sum(math.exp(own[name]) * ratio for name, ratio in exact.items()) / mass
    spread = math.sqrt(sum(math.exp(own[name]) * (ratio - mean) ** 2 for name, ratio in exact.items()) / mass)

    draw = Write(prompt="b", max_tokens=1, temperature=1.0)
    drawn = list(policy.answer([replace(item(), id=f"draw {number}", asks=(draw,)) for number in range(1500)]))
    found = list(ratios(pair, drawn).values())
    assert mean > 5 * spread / math.sqrt(len(found)), "or nothing is seen"
    assert sum(found) / len(found) == pytest.approx(mean, abs=4 * spread / math.sqrt(len(found)))
    assert sum(reply.ended for reply in drawn) / 1500 == pytest.approx(math.exp(own[str(end)]), abs=0.015)
