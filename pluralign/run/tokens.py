"""How many tokens the asks of some items come to, by a stage's own tokenizer and template."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from pluralign.asking.ask import Subject
from pluralign.data.render import TooLongError, render_prompt
from pluralign.engine.budget import encoded_tokens
from pluralign.engine.loading.load import max_tokens
from pluralign.records.item import Item, Write
from pluralign.run.forecast import Kind, Tokens
from pluralign.subjects.comparing import fork
from pluralign.subjects.ensemble import EnsembleSubject
from pluralign.subjects.local import LocalSubject
from pluralign.subjects.questions import Question, questions
from pluralign.subjects.reward import RewardSubject

Local = LocalSubject | RewardSubject
RenderedT = TypeVar("RenderedT")


def count_tokens(subject: Subject, items: Sequence[Item]) -> dict[Kind, Tokens]:
    """What the asks that `subject`, a model on this machine or an ensemble of them, can answer come to.

    A question that is too long for the model has no tokens, since nothing is computed for it.
    """
    if isinstance(subject, EnsembleSubject):
        each = [count_tokens(member, items) for member in subject.members]
        return {kind: sum((counts[kind] for counts in each), Tokens()) for kind in (False, True)}
    if not isinstance(subject, Local):
        raise TypeError(f"{subject.name} has no model whose tokens could be counted")
    asked = [question for question in questions(items) if type(question.ask) in subject.answers]
    written = [question for question in asked if isinstance(question.ask, Write)]
    compared = [question for question in asked if not isinstance(question.ask, Write)]
    return {True: _written(subject, written), False: _compared(subject, compared)}


def _compared(subject: Local, asked: Sequence[Question]) -> Tokens:
    whole = isinstance(subject, RewardSubject)
    limit, tokenizer, template = max_tokens(subject.model), subject.tokenizer, subject.template
    forks = _fitting(asked, lambda question: fork(question, tokenizer, template, max_tokens=limit, whole=whole))
    return Tokens(read=sum(encoded_tokens(subject.model, forks)) if forks else 0)


def _written(subject: Local, asked: Sequence[Question]) -> Tokens:
    limit = max_tokens(subject.model)

    def lengths(question: Question) -> tuple[int, int]:
        longest = question.ask.max_tokens if isinstance(question.ask, Write) else 0
        prompt = len(render_prompt(question.ask.prompt, subject.tokenizer, subject.template))
        return (prompt, longest) if limit is None or prompt + longest <= limit else (0, 0)

    pairs = _fitting(asked, lengths)
    return Tokens(read=sum(prompt for prompt, _ in pairs), written=sum(longest for _, longest in pairs))


def _fitting(asked: Sequence[Question], rendered: Callable[[Question], RenderedT]) -> list[RenderedT]:
    """What `rendered` makes of the questions that are not too long for the model."""
    found: list[RenderedT] = []
    for question in asked:
        with question.named(), suppress(TooLongError):
            found.append(rendered(question))
    return found
