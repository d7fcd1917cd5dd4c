"""Questions that are too long for a model: set apart, counted and told."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pluralign.data.render import TooLongError
from pluralign.subjects.questions import Question

LOG = logging.getLogger(__name__)
Rendered = TypeVar("Rendered")


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
