from collections.abc import Iterable, Iterator, Sequence

import pytest

from pluralign.errors import InputError
from pluralign.records.item import Choose, Item, Score, Write
from pluralign.records.reply import Reply
from pluralign.subjects.recorded import RecordedSubject

ASKS = (
    Write(prompt="p", max_tokens=3),
    Choose(prompt="p", options=("a", "b")),
    Score(prompt="p", completions=("a",)),
)
ITEMS = [Item(id=name, asks=ASKS, slices={}, cluster=name) for name in ("x", "y")]


def subject(replies: Iterable[Reply], known: Iterable[str] = ()) -> RecordedSubject:
    return RecordedSubject(name="old", replies=lambda items: replies, known=frozenset(known))


def test_replies_come_as_the_adapter_gives_them_and_as_soon() -> None:
    given = [Reply(item="y", ask=1, logprobs=(0.0, -1.0)), Reply(item="x", ask=0, text="a")]

    def endless() -> Iterator[Reply]:
        yield from given
        raise AssertionError("asked for more than was needed")

    answers = subject(endless()).answer(ITEMS)
    assert [next(answers), next(answers)] == given


def test_the_adapter_is_handed_the_items() -> None:
    def echo(items: Sequence[Item]) -> list[Reply]:
        return [Reply(item=item.id, ask=0, text="a") for item in items]

    replies = RecordedSubject(name="old", replies=echo).answer(ITEMS)
    assert [reply.item for reply in replies] == ["x", "y"]


def test_replies_to_strangers_are_counted_and_reported() -> None:
    recorded = subject(Reply(item=name, ask=0, text="a") for name in ("q", "x", "z", "w"))
    assert recorded.notice() is None
    assert [reply.item for reply in recorded.answer(ITEMS)] == ["x"]
    assert recorded.unknown == {"q", "w", "z"}
    assert recorded.notice() == 'old: 3 recorded answers to items that the audit does not have ("q")'


def test_items_that_are_known_but_not_asked_are_no_strangers() -> None:
    recorded = subject([Reply(item="z", ask=0, text="a")], known=("x", "y", "z"))
    assert list(recorded.answer(ITEMS)) == []
    assert recorded.notice() is None


def test_two_replies_to_one_ask_are_refused() -> None:
    twice = [
        Reply(item="x", ask=0, text="a"),
        Reply(item="x", ask=1, rewards=(0.0, 1.0)),
        Reply(item="x", ask=0, text="a"),
    ]
    with pytest.raises(InputError, match='old: two replies to ask 0 of item "x"'):
        list(subject(twice).answer(ITEMS))


@pytest.mark.parametrize("ask", [-1, 3])
def test_a_reply_to_an_ask_that_is_not_there_is_refused(ask: int) -> None:
    with pytest.raises(InputError, match=f'a reply to ask {ask} of item "x", which has 3 asks'):
        list(subject([Reply(item="x", ask=ask)]).answer(ITEMS))


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(item="x", ask=1, logprobs=(0.0,)), "has 1 log-probabilities for 2 options"),
        (Reply(item="x", ask=1, rewards=(0.0, 1.0, 2.0)), "has 3 rewards for 2 options"),
        (Reply(item="x", ask=1, logprobs=(0.0, -1.0), tokens=(1,)), "has 1 token counts for 2 options"),
        (Reply(item="x", ask=1, logprobs=(0.0, -1.0), tokens=(1, 0)), "counts an option of no tokens"),
        (Reply(item="x", ask=1, text="a", rewards=(0.0, 1.0)), "holds both text and numbers"),
        (Reply(item="x", ask=2, text="a"), "is text, and log-probabilities were asked"),
        (Reply(item="x", ask=1), "holds neither log-probabilities nor rewards"),
        (Reply(item="x", ask=0), "holds no text"),
        (Reply(item="x", ask=0, logprobs=(0.0,)), "holds numbers, where text was asked"),
        (Reply(item="x", ask=0, values={"MLI": 0.5}), "holds numbers, where text was asked"),
    ],
)
def test_a_reply_that_does_not_hold_what_was_asked_is_refused(reply: Reply, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        list(subject([reply]).answer(ITEMS))
    assert (
        str(caught.value).partition(":")[2].partition(";")[0] == f' the reply to ask {reply.ask} of item "x" {problem}'
    )


def test_missing_values_unknown_token_counts_and_choices_by_text_are_fit() -> None:
    given = [
        Reply(item="x", ask=0, text=""),
        Reply(item="x", ask=1, logprobs=(float("nan"), 0.0)),
        Reply(item="y", ask=1, text="b, I think"),
        Reply(item="y", ask=2, rewards=(1.0,)),
    ]
    assert list(subject(given).answer(ITEMS)) == given
