"""A causal language model on this machine, asked by log-probabilities and by text."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.render import TooLongError, render_prompt
from pluralign.data.template import PLAIN, Template
from pluralign.engine.batches import TOKEN_BUDGET
from pluralign.engine.loading.load import load_causal, max_tokens
from pluralign.engine.logprobs import logprobs
from pluralign.engine.writing.draft import Ids
from pluralign.engine.writing.draw import Distribution
from pluralign.engine.writing.sampling import Sampling, Text, write, write_drawn
from pluralign.records.item import Choose, Item, Score, Write
from pluralign.records.reply import Reply
from pluralign.subjects.comparing import Comparison
from pluralign.subjects.description import describe_model
from pluralign.subjects.questions import Question, questions, windows
from pluralign.subjects.too_long import TooLongQuestions


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSubject:
    """A model in a folder or on the hub."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: Template = PLAIN
    token_budget: int = TOKEN_BUDGET

    @classmethod
    def load(
        cls,
        name: str,
        model: str | Path,
        *,
        template: Template = PLAIN,
        **loading: Any,
    ) -> "LocalSubject":
        """The subject `name` from a folder or a hub id; `loading` are the keywords of `engine.load.load_causal`.

        Raises: InputError where that is not such a model or cannot be loaded so.
        """
        loaded, tokenizer = load_causal(model, **loading)
        return cls(name=name, model=loaded, tokenizer=tokenizer, template=template)

    @property
    def answers(self) -> frozenset[type]:
        """The kinds of ask that it can answer."""
        return frozenset({Choose, Score, Write})

    def describe(self) -> dict[str, Any]:
        """What it is, for the record."""
        return describe_model(self.model, self.tokenizer, self.template)

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        """A reply to every ask of every item, batch by batch as they come.

        A question that is too long for the model gets a reply that says "missing", and a warning counts them.
        Raises: InputError for any other that the model cannot take, by the item's name.
        """
        too_long = TooLongQuestions(self.name)
        for window in windows(questions(items)):
            yield from self._score([asked for asked in window if not isinstance(asked.ask, Write)], too_long)
            yield from self._write([asked for asked in window if isinstance(asked.ask, Write)], too_long)
        too_long.warn()

    def _score(self, asked: list[Question], too_long: TooLongQuestions) -> Iterator[Reply]:
        comparison = Comparison(
            score=logprobs,
            model=self.model,
            tokenizer=self.tokenizer,
            template=self.template,
            token_budget=self.token_budget,
            too_long=too_long,
        )
        for question, found in comparison.values(asked):
            yield question.no_reply() if found is None else question.reply(logprobs=found[0], tokens=found[1])

    def _write(self, asked: list[Question], too_long: TooLongQuestions) -> Iterator[Reply]:
        rendered, unfit = too_long.fitting(asked, self._prompt)
        yield from (question.no_reply() for question in unfit)
        kinds: dict[tuple[int, tuple[str, ...], float], list[int]] = defaultdict(list)
        for index, (_, (_, ask)) in enumerate(rendered):
            kinds[ask.max_tokens, ask.stop, ask.temperature].append(index)
        for members in kinds.values():
            alike = [rendered[index] for index in members]
            ask, prompts = alike[0][1][1], [prompt for _, (prompt, _) in alike]
            if ask.temperature == 0:
                for place, text in self._greedy(ask, prompts):
                    yield alike[place][0].reply(text=text)
            else:
                for drawn in self._drawn(ask, prompts, [question.seed for question, _ in alike]):
                    yield alike[drawn.prompt][0].reply(text=drawn.text, ended=drawn.ended)

    def _greedy(self, ask: Write, prompts: Sequence[Ids]) -> Iterator[tuple[int, str]]:
        budget = self.token_budget
        return write(self.model, self.tokenizer, prompts, max_tokens=ask.max_tokens, stop=ask.stop, token_budget=budget)

    def _drawn(self, ask: Write, prompts: Sequence[Ids], seeds: Sequence[int]) -> Iterator[Text]:
        distribution = Distribution(temperature=ask.temperature)
        sampling = Sampling(max_tokens=ask.max_tokens, distribution=distribution, stop=ask.stop)
        return write_drawn(self.model, self.tokenizer, prompts, seeds, sampling, token_budget=self.token_budget)

    def _prompt(self, question: Question) -> tuple[Ids, Write]:
        ask = question.ask
        if not isinstance(ask, Write):
            raise TypeError(f"item {question.item!r}, ask {question.number} does not ask for text")
        prompt = render_prompt(ask.prompt, self.tokenizer, self.template)
        limit = max_tokens(self.model)
        if limit is not None and len(prompt) + ask.max_tokens > limit:
            wanted = f"a prompt of {len(prompt)} tokens and {ask.max_tokens} to write"
            raise TooLongError(f"{wanted}: the model takes {limit}")
        return prompt, ask
