"""Questions that compare completions, rendered and scored a few forward passes at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.render import render, render_written
from pluralign.data.template import Template
from pluralign.engine.budget import encoded_tokens, shares_prompts
from pluralign.engine.loading.load import max_tokens
from pluralign.engine.packing.pack import SHARED, common
from pluralign.engine.scores import Scores
from pluralign.records.fork import Fork
from pluralign.records.item import Score
from pluralign.subjects.questions import Question, options
from pluralign.subjects.too_long import TooLongQuestions

Values = tuple[tuple[float, ...], tuple[int, ...]]
"""Of one question: a value for every completion, and the completions' lengths in tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a subject compares completions.

    `score`: `engine.logprobs.logprobs` or `engine.reward_head.rewards`; `token_budget`: encoded tokens of one forward
    pass; `whole`: whether all answers are read to their end, with their closing and the end token.
    """

    score: Callable[..., Scores]
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: Template
    token_budget: int
    too_long: TooLongQuestions = field(repr=False)
    whole: bool = False

    def values(self, asked: Sequence[Question]) -> Iterator[tuple[Question, Values | None]]:
        """The questions with their values, pass by pass as they come; None for those that are too long.

        Raises: InputError for any other that the model cannot take, by the item's name.
        """
        rendered, unfit = self.too_long.fitting(asked, self._fork)
        yield from ((question, None) for question in unfit)
        forks = [fork for _, fork in rendered]
        for batch in calls(self.model, forks, self.token_budget):
            with torch.no_grad():
                scores = self.score(self.model, [forks[index] for index in batch], token_budget=self.token_budget)
            for index, (values, tokens) in zip(batch, scores.split(), strict=True):
                yield rendered[index][0], (tuple(values.tolist()), tuple(tokens.tolist()))

    def _fork(self, question: Question) -> Fork:
        limit = max_tokens(self.model)
        return fork(question, self.tokenizer, self.template, max_tokens=limit, whole=self.whole)


def fork(
    question: Question,
    tokenizer: PreTrainedTokenizerBase,
    template: Template,
    *,
    max_tokens: int | None,
    whole: bool = False,
) -> Fork:
    """A question that compares completions as a model is given it; `max_tokens` as for `data.render.render`.

    With `whole` every answer has its closing and its end token, as reward models read it. Raises: InputError as
    `render` does.
    """
    ask, texts, opening, end = question.ask, options(question.ask), None, whole
    if isinstance(ask, Score):
        opening = ask.opening
        texts = tuple(text + ask.closing for text in texts) if whole else texts
        if ask.end and opening is None:
            return render_written(ask.prompt, texts, tokenizer, template=template, max_tokens=max_tokens)
        end = whole or ask.end
    return render(ask.prompt, texts, tokenizer, template=template, end=end, max_tokens=max_tokens, opening=opening)


def calls(model: PreTrainedModel, forks: Sequence[Fork], token_budget: int) -> list[list[int]]:
    """Which forks (by index) go to the engine together: as many as fill a forward pass with encoded tokens.

    Forks that begin alike stand together, so that the engine encodes their beginning once.
    """
    if not forks:
        return []
    sizes, shared = encoded_tokens(model, forks), shares_prompts(model, forks)
    planned: list[list[int]] = []
    room = 0
    for index in sorted(range(len(forks)), key=lambda index: (forks[index].prompt, forks[index].completions)):
        alike = common(forks[planned[-1][-1]].prompt, forks[index].prompt) if shared and planned else 0
        size = sizes[index] - (alike if alike >= SHARED else 0)
        if size > room:
            planned.append([])
            room, size = token_budget, sizes[index]
        planned[-1].append(index)
        room -= size
    return planned
