"""Forecasts of a run: what is left to ask of each stage, and the stage's own model to try it on."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from pluralign.asking import ask
from pluralign.records.item import Item, Write
from pluralign.records.reply import Reply
from pluralign.run import plan
from pluralign.run.following import Following, followed, followings
from pluralign.run.forecast import Forecast, Kind, foretell
from pluralign.run.parts import Exam, Prepared, Rung

Load = Callable[[Rung], ask.Subject]
"""Gives a stage's subject."""
Keep = Callable[[ask.Subject, Rung, Exam, Rung | None], object]
"""Has a subject answer an exam's items, or what followed from the replies of a stage, and keeps the replies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a stage with a model has left to answer: audits, with what is left of their items, and what follows."""

    rung: Rung
    exams: tuple[Exam, ...]
    followings: tuple[Following, ...]


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


def todo(prepared: Prepared) -> list[Work]:
    """The stages with a model that have something left to answer."""
    every = [each for each in followings(prepared) if plan.following_step(each, prepared).state != "done"]
    asked = [
        Work(
            rung=rung,
            exams=tuple(_left(rung, prepared)),
            followings=tuple(each for each in every if each.by is rung),
        )
        for rung in prepared.rungs
        if rung.recorded is None
    ]
    return [work for work in asked if work.exams or work.followings]


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


def forecasts(work: Sequence[Work], prepared: Prepared, *, load: Load, keep: Keep) -> dict[str, Forecast]:
    """What every stage's audits take, by its name.

    The last stage comes first, so that the first one's model is still loaded when the asking begins, and so that some
    of what follows from a stage's replies is known when its reference is timed.
    """
    found: dict[str, Forecast] = {}
    for each in reversed(work):
        subject = load(each.rung)
        parts = [_of_exam(subject, each.rung, exam, keep) for exam in each.exams]
        parts += [_of_following(subject, one, prepared, keep) for one in each.followings]
        found[each.rung.stage.name] = sum(parts, Forecast())
    return dict(reversed(found.items()))


def _of_following(subject: ask.Subject, each: Following, prepared: Prepared, keep: Keep) -> Forecast:
    """What follows from the replies that there are, and as much from each of those that are still to come."""
    first = ask.read_replies(plan.replies_path(each.about, each.exam, prepared))
    replies = ask.read_replies(plan.replies_path(each.by, each.exam, prepared, each.about))
    exam = followed(each.exam, first)
    left = tuple(item for item in exam.items if ask.unanswered([item], subject.answers, replies))
    to_come = sum(ask.unanswered([item], plan.abilities(each.about), first) > 0 for item in each.exam.items)
    if not left:
        return Forecast()
    told = _of_exam(subject, each.by, dataclasses.replace(exam, items=left), keep, each.about)
    return told.times(1 + to_come / len(left))


def _of_exam(subject: ask.Subject, rung: Rung, exam: Exam, keep: Keep, about: Rung | None = None) -> Forecast:
    from pluralign.run.tokens import count_tokens

    def clock(items: Sequence[Item]) -> Mapping[Kind, float]:
        timed = TimedSubject(subject)
        keep(timed, rung, dataclasses.replace(exam, items=tuple(items)), about)
        return timed.seconds

    prompts = len(ask.expected(exam.items, subject.answers))
    return foretell(exam.items, prompts, lambda items: count_tokens(subject, items), clock)
