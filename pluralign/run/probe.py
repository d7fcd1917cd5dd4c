"""Forecasts of a run: what is left to ask of each stage, and the stage's own model to try it on."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from pluralign.asking import ask
from pluralign.records.item import Item, Write
from pluralign.records.reply import Reply
from pluralign.run import plan
from pluralign.run.forecast import Forecast, Kind, foretell
from pluralign.run.parts import Exam, Prepared, Rung

Load = Callable[[Rung], ask.Subject]
"""Gives a stage's subject."""
Keep = Callable[[ask.Subject, Rung, Exam], object]
"""Has a subject answer an exam's items, and keeps the replies."""


@dataclass(frozen=True, slots=True)
class TimedSubject:
    """A subject whose replies are timed; `seconds` adds up by kind."""

    subject: ask.Subject
    seconds: dict[Kind, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.subject.name

    @property
    def answers(self) -> frozenset[type]:
        """Which asks it can answer."""
        return self.subject.answers

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        """The subject's own replies, as they come."""
        kinds = {(item.id, number): isinstance(each, Write) for item in items for number, each in enumerate(item.asks)}
        begun = perf_counter()
        for reply in self.subject.answer(items):
            self.seconds[kinds[reply.item, reply.ask]] += perf_counter() - begun
            yield reply
            begun = perf_counter()


def todo(prepared: Prepared) -> list[tuple[Rung, list[Exam]]]:
    """The stages with a model that have something left to answer: their audits, each with what is left of its items."""
    asked = [(rung, _left(rung, prepared)) for rung in prepared.rungs if rung.recorded is None]
    return [(rung, exams) for rung, exams in asked if exams]


def _left(rung: Rung, prepared: Prepared) -> list[Exam]:
    found: list[Exam] = []
    for exam in prepared.exams:
        path = plan.replies_path(rung, exam, prepared)
        replies = ask.read_replies(path)
        if plan.takes(rung, exam) and not plan.answered(rung, exam, path, replies):
            wanted = ask.expected(exam.items, plan.abilities(rung))
            left = {item for item, number in wanted if number not in replies.get(item, {})}
            items = tuple(item for item in exam.items if item.id in left)
            found.append(dataclasses.replace(exam, items=items))
    return found


def forecasts(work: Sequence[tuple[Rung, Sequence[Exam]]], *, load: Load, keep: Keep) -> dict[str, Forecast]:
    """What every stage's audits take, by its name.

    The last stage comes first, so that the first one's model is still loaded when the asking begins.
    """
    found: dict[str, Forecast] = {}
    for rung, exams in reversed(work):
        each = [_of_exam(load(rung), rung, exam, keep) for exam in exams]
        found[rung.stage.name] = sum(each, Forecast())
    return dict(reversed(found.items()))


def _of_exam(subject: ask.Subject, rung: Rung, exam: Exam, keep: Keep) -> Forecast:
    from pluralign.run.tokens import count_tokens

    def clock(items: Sequence[Item]) -> Mapping[Kind, float]:
        timed = TimedSubject(subject)
        keep(timed, rung, dataclasses.replace(exam, items=tuple(items)))
        return timed.seconds

    prompts = len(ask.expected(exam.items, subject.answers))
    return foretell(exam.items, prompts, lambda items: count_tokens(subject, items), clock)
