"""The asks of many items as one list, and their replies."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from pluralign.data.render import TooLongError
from pluralign.errors import InputError
from pluralign.records.item import Ask, Choose, Item, Score, Write
from pluralign.records.reply import Reply

LOG = logging.getLogger(__name__)
Rendered = TypeVar("Rendered")
WINDOW = 512
"""Questions that are rendered and sorted together; their replies come before the next window is looked at."""


@dataclass(frozen=True, slots=True)
class Question:
    """Ask number `number` of the item `item`."""

    item: str
    number: int
    ask: Ask

    def reply(
        self,
        *,
        logprobs: tuple[float, ...] | None = None,
        tokens: tuple[int, ...] | None = None,
        rewards: tuple[float, ...] | None = None,
        text: str | None = None,
    ) -> Reply:
        """The reply to this question."""
        return Reply(item=self.item, ask=self.number, logprobs=logprobs, tokens=tokens, rewards=rewards, text=text)

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


@dataclass(slots=True)
class TooLongQuestions:
    """Counts the questions that a model cannot take, by the subject's `name`; `first` says which came first and why."""

    name: str
    count: int = 0
    first: str = ""

    def fitting(
        self, asked: Sequence[Question], rendered: Callable[[Question], Rendered]
    ) -> tuple[list[tuple[Question, Rendered]], list[Question]]:
        """The questions that fit, with what `rendered` makes of each, and those that do not."""
        fit: list[tuple[Question, Rendered]] = []
        unfit: list[Question] = []
        for question in asked:
            try:
                with question.named():
                    fit.append((question, rendered(question)))
            except TooLongError as error:
                unfit.append(question)
                self.count += 1
                self.first = self.first or str(error)
        return fit, unfit

    def warn(self) -> None:
        """Say in one line how many there were, if any."""
        if self.count:
            LOG.warning(
                "%s: %d questions are too long for the model and count as missing; the first: %s",
                self.name,
                self.count,
                self.first,
            )


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
