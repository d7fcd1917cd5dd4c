"""A causal language model on this machine, asked by log-probabilities and by greedy text."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.models import check_model
from pluralign.data.render import Template, render, render_prompt
from pluralign.engine.batches import TOKEN_BUDGET, batches
from pluralign.engine.load import load_causal, max_tokens
from pluralign.engine.logprobs import logprobs
from pluralign.engine.sampling import write
from pluralign.errors import InputError
from pluralign.records.item import Choose, Item, Score, Write
from pluralign.records.reply import Reply
from pluralign.subjects.questions import Question, options, questions, windows


class LocalSubject:
    """A model in a folder or on the hub. It is loaded when it is first asked."""

    answers: frozenset[type] = frozenset({Choose, Score, Write})

    def __init__(
        self,
        name: str,
        model: str | Path,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str | None = None,
        template: Template = "plain",
        token_budget: int = TOKEN_BUDGET,
    ) -> None:
        check_model(str(model))
        self.name = name
        self.model = str(model)
        self.revision = revision
        self.dtype = dtype
        self.device = device
        self.template: Template = template
        self.token_budget = token_budget

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        """A reply to every ask of every item, batch by batch as they come.

        Raises: InputError for a question that the model cannot take, by the item's name.
        """
        for window in windows(questions(items)):
            yield from self._score([question for question in window if not isinstance(question.ask, Write)])
            yield from self._write([question for question in window if isinstance(question.ask, Write)])

    @cached_property
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        return load_causal(self.model, revision=self.revision, dtype=self.dtype, device=self.device)

    def _score(self, asked: list[Question]) -> Iterator[Reply]:
        if not asked:
            return
        model, tokenizer = self._loaded
        forks = []
        for question in asked:
            with question.named():
                forks.append(
                    render(
                        question.ask.prompt,
                        options(question.ask),
                        tokenizer,
                        template=self.template,
                        end=False,
                        max_tokens=max_tokens(model),
                    )
                )
        sizes = [len(fork.completions) * len(fork.prompt) + sum(map(len, fork.completions)) for fork in forks]
        for batch in batches(sizes, self.token_budget):
            with torch.no_grad():
                scores = logprobs(model, [forks[index] for index in batch], token_budget=self.token_budget)
            for index, (values, tokens) in zip(batch, scores.split(), strict=True):
                yield asked[index].reply(logprobs=tuple(values.tolist()), tokens=tuple(tokens.tolist()))

    def _write(self, asked: list[Question]) -> Iterator[Reply]:
        kinds: dict[tuple[int, tuple[str, ...]], list[tuple[Question, tuple[int, ...]]]] = defaultdict(list)
        for question in asked:
            if isinstance(question.ask, Write):
                with question.named():
                    kinds[question.ask.max_tokens, question.ask.stop].append((question, self._prompt(question.ask)))
        for (longest, stop), group in kinds.items():
            model, tokenizer = self._loaded
            for batch in batches([len(prompt) + longest for _, prompt in group], self.token_budget):
                prompts = [group[index][1] for index in batch]
                texts = write(model, tokenizer, prompts, max_tokens=longest, stop=stop, token_budget=self.token_budget)
                for index, text in zip(batch, texts, strict=True):
                    yield group[index][0].reply(text=text)

    def _prompt(self, ask: Write) -> tuple[int, ...]:
        model, tokenizer = self._loaded
        prompt = render_prompt(ask.prompt, tokenizer, self.template)
        limit = max_tokens(model)
        if limit is not None and len(prompt) + ask.max_tokens > limit:
            raise InputError(f"a prompt of {len(prompt)} tokens and {ask.max_tokens} to write: the model takes {limit}")
        return prompt
