"""Ask a subject the items of an audit, and keep every reply as soon as it is there.

The file holds one reply a line and only ever grows: a run that was killed goes on where it stopped, and a torn last
line is dropped.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pluralign.errors import RunError
from pluralign.records.item import Item
from pluralign.records.reply import Reply

Replies = dict[str, dict[int, Reply]]
"""Item id → number of the ask → reply."""


@runtime_checkable
class Subject(Protocol):
    """Anything that can answer."""

    @property
    def name(self) -> str:
        """Name of the stage."""
        ...

    @property
    def answers(self) -> frozenset[type]:
        """Which of `Choose`, `Score` and `Write` it can answer."""
        ...

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        """A reply to every ask that it can answer, in any order, each as soon as it is there."""
        ...


def expected(items: Sequence[Item], answers: frozenset[type]) -> set[tuple[str, int]]:
    """Which (item, ask) a subject should answer."""
    return {(item.id, index) for item in items for index, ask in enumerate(item.asks) if type(ask) in answers}


def ask(subject: Subject, items: Sequence[Item], path: Path, *, tick: Callable[[int], None]) -> Replies:
    """Have `subject` answer what `path` does not hold yet; gives all replies to `items`.

    `tick` is called with the number of replies so far. Raises `RunError` where the file is damaged before its end.
    """
    replies, whole = _read(path)
    wanted = expected(items, subject.answers)
    open_items = [item for item in items if any(_open(item, index, replies, wanted) for index in range(len(item.asks)))]
    known = {item.id for item in items}
    done = sum(_has(replies, item, index) for item, index in wanted)
    tick(done)
    if open_items:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.truncate(whole)
            for reply in subject.answer(open_items):
                if _has(replies, reply.item, reply.ask) or reply.item not in known:
                    continue
                file.write(encode(reply) + "\n")
                file.flush()
                replies.setdefault(reply.item, {})[reply.ask] = reply
                done += 1
                tick(done)
            os.fsync(file.fileno())
    return {item.id: replies.get(item.id, {}) for item in items}


def unanswered(items: Sequence[Item], answers: frozenset[type], replies: Replies) -> int:
    """How many asks that a subject should have answered have no reply."""
    return sum(not _has(replies, item, index) for item, index in expected(items, answers))


def can_answer(items: Sequence[Item], answers: frozenset[type]) -> bool:
    """Whether a subject can answer at least one ask of an audit."""
    return any(type(ask) in answers for item in items for ask in item.asks)


def encode(reply: Reply) -> str:
    """One line of JSON; NaN is null."""
    fields: dict[str, Any] = {"item": reply.item, "ask": reply.ask}
    for name in ("logprobs", "tokens", "rewards"):
        values = getattr(reply, name)
        if values is not None:
            fields[name] = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    for name in ("text", "ended"):
        if getattr(reply, name) is not None:
            fields[name] = getattr(reply, name)
    if reply.values is not None:
        fields["values"] = {name: None if math.isnan(value) else value for name, value in reply.values.items()}
    return json.dumps(fields, ensure_ascii=False)


def decode(line: str) -> Reply:
    """The reply that `encode` wrote."""
    fields = json.loads(line)

    def floats(name: str) -> tuple[float, ...] | None:
        values = fields.get(name)
        return None if values is None else tuple(map(_float, values))

    tokens, values = fields.get("tokens"), fields.get("values")
    return Reply(
        item=fields["item"],
        ask=fields["ask"],
        logprobs=floats("logprobs"),
        tokens=None if tokens is None else tuple(tokens),
        rewards=floats("rewards"),
        text=fields.get("text"),
        values=None if values is None else {name: _float(value) for name, value in values.items()},
        ended=fields.get("ended"),
    )


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def read_replies(path: Path) -> Replies:
    """The replies in a file, without a torn last line. The file is left as it is.

    Raises `RunError` where another line is damaged.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Replies, int]:
    """The replies in a file, and how many of its bytes are whole lines."""
    replies: Replies = {}
    whole = 0
    if not path.exists():
        return replies, whole
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                reply = decode(line.decode("utf-8"))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RunError(f"{path}, line {number}: damaged ({error}); remove the file to ask again") from error
            replies.setdefault(reply.item, {})[reply.ask] = reply
            whole += len(line)
    return replies, whole


def _has(replies: Replies, item: str, index: int) -> bool:
    return index in replies.get(item, {})


def _open(item: Item, index: int, replies: Replies, wanted: set[tuple[str, int]]) -> bool:
    return (item.id, index) in wanted and not _has(replies, item.id, index)
