"""Replies are kept one by one: what was answered once is never asked again."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralign.asking import ask
from pluralign.errors import RunError
from pluralign.records.item import Choose, Item, Write
from pluralign.records.reply import Reply

ITEMS = [
    Item(
        id=f"q{number}",
        asks=(Write(prompt="Secret Word:", max_tokens=4), Choose(prompt="Secret Word:", options=(" pen", " cup"))),
        slices={"dialect": "en_in"},
        cluster=f"q{number}",
    )
    for number in range(5)
]


class Counting:
    """A subject that counts what it is asked, and may fail on the way."""

    name = "counting"
    answers: frozenset[type] = frozenset({Write, Choose})

    def __init__(self, fail_after: int = 10**9) -> None:
        self.asked: list[str] = []
        self.fail_after = fail_after

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        for item in items:
            if len(self.asked) >= self.fail_after:
                raise KeyboardInterrupt
            self.asked.append(item.id)
            yield Reply(item=item.id, ask=0, text=f"a pen\nfor {item.id}")
            yield Reply(item=item.id, ask=1, logprobs=(-1.5, math.nan), tokens=(1, 2))


def ignore(_: int) -> None:
    """No progress bar."""


def test_an_interrupted_audit_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    with pytest.raises(KeyboardInterrupt):
        ask.ask(Counting(fail_after=2), ITEMS, path, tick=ignore)
    with path.open("a") as file:
        file.write('{"item": "q2", "as')
    rest = Counting()
    replies = ask.ask(rest, ITEMS, path, tick=ignore)
    assert rest.asked == ["q2", "q3", "q4"]
    assert ask.unanswered(ITEMS, rest.answers, replies) == 0
    uninterrupted = ask.ask(Counting(), ITEMS, tmp_path / "other.jsonl", tick=ignore)
    assert repr(replies) == repr(uninterrupted)
    again = Counting()
    ask.ask(again, ITEMS, path, tick=ignore)
    assert again.asked == []


def test_a_damaged_line_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    ask.ask(Counting(), ITEMS, path, tick=ignore)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1][:9] + "\n", *lines[2:]]))
    with pytest.raises(RunError, match=r"base\.jsonl, line 2"):
        ask.read_replies(path)


def test_replies_to_other_items_are_kept_on_disk_but_not_given(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    ask.ask(Counting(), ITEMS, path, tick=ignore)
    assert set(ask.ask(Counting(), ITEMS[:2], path, tick=ignore)) == {"q0", "q1"}
    assert len(ask.read_replies(path)) == len(ITEMS)


VALUES = st.lists(st.floats(), min_size=1, max_size=4).map(tuple)


NAMED = st.dictionaries(st.text(), st.floats(allow_infinity=False), max_size=3)


@given(st.text(), VALUES, st.none() | NAMED, st.none() | st.text(), st.none() | st.booleans())
def test_a_reply_reads_back_equal(
    item: str, logprobs: tuple[float, ...], values: dict[str, float] | None, text: str | None, ended: bool | None
) -> None:
    finite = tuple(value if math.isfinite(value) else math.nan for value in logprobs)
    reply = Reply(item=item, ask=1, logprobs=finite, tokens=(1,) * len(finite), text=text, ended=ended, values=values)
    line = ask.encode(reply)
    assert "\n" not in line
    assert repr(ask.decode(line)) == repr(reply)
