"""The asks of many items as one list, and their replies."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pluralign.errors import InputError
from pluralign.records.item import Ask, Choose, Item, Score, Write
from pluralign.records.reply import Reply

WINDOW = 512
"""Questions that are rendered and sorted together; their replies come before the next window is looked at."""


@dataclass(frozen=True, slots=True)
class Question:
    """Ask number `number` of the item `item`."""

    item: str
    number: int
    ask: Ask

    @property
    def seed(self) -> int:
        """What its draws begin with: a number that follows from the item's id and the number of the ask."""
        return int.from_bytes(hashlib.sha256(f"{self.number} {self.item}".encode()).digest()[:8])

    def reply(
        self,
        *,
        logprobs: tuple[float, ...] | None = None,
        tokens: tuple[int, ...] | None = None,
        rewards: tuple[float, ...] | None = None,
        text: str | None = None,
        ended: bool | None = None,
    ) -> Reply:
        """The reply to this question."""
        return Reply(
            item=self.item,
            ask=self.number,
            logprobs=logprobs,
            tokens=tokens,
            rewards=rewards,
            text=text,
            ended=ended,
        )

    def no_reply(self, *, rewarded: bool = False) -> Reply:
        """A reply that says "missing": NaN for every completion to compare, no text."""
        if isinstance(self.ask, Write):
            return self.reply()
        missing = (math.nan,) * len(options(self.ask))
        return self.reply(rewards=missing) if rewarded else self.reply(logprobs=missing)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Put the item's name in front of an InputError that is raised inside."""
        try:
            yield
        except InputError as error:
            raise type(error)(f'item "{self.item}", ask {self.number}: {error}') from error


def questions(items: Sequence[Item]) -> list[Question]:
    """Every ask of every item, in order."""
    return [Question(item.id, number, ask) for item in items for number, ask in enumerate(item.asks)]


def windows(asked: Sequence[Question]) -> Iterator[Sequence[Question]]:
    """The questions a few hundred at a time."""
    for start in range(0, len(asked), WINDOW):
        yield asked[start : start + WINDOW]


def options(ask: Ask) -> tuple[str, ...]:
    """The texts that an ask wants compared. Raises: ValueError for `Write`, which has none."""
    match ask:
        case Choose():
            return ask.options
        case Score():
            return ask.completions
        case Write():
            raise ValueError("a question that asks for text has no completions to compare")
