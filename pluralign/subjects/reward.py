"""A reward model on this machine, asked by rewards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.models import check_model
from pluralign.data.render import Template, render
from pluralign.engine.batches import TOKEN_BUDGET, batches
from pluralign.engine.load import load_reward, max_tokens
from pluralign.engine.reward_head import rewards
from pluralign.records.fork import Fork
from pluralign.records.item import Choose, Item, Score, Write
from pluralign.records.reply import Reply
from pluralign.subjects.questions import Question, options, questions, windows
from pluralign.subjects.too_long import TooLongQuestions


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSubject:
    """A reward model in a folder or on the hub.

    With `end`, as in training, the reward is that of the completion with its end-of-sequence token.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: Template = "plain"
    token_budget: int = TOKEN_BUDGET
    end: bool = True

    @classmethod
    def load(
        cls,
        name: str,
        model: str | Path,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str | None = None,
        template: Template = "plain",
    ) -> "RewardSubject":
        """The subject `name` from a folder or a hub id.

        Raises: InputError where that is not such a model or cannot be reached.
        """
        check_model(str(model))
        loaded, tokenizer = load_reward(model, revision=revision, dtype=dtype, device=device)
        return cls(name=name, model=loaded, tokenizer=tokenizer, template=template)

    @property
    def answers(self) -> frozenset[type]:
        """The kinds of ask that it can answer."""
        return frozenset({Choose, Score})

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        """Rewards for every `Choose` and `Score` of every item, batch by batch as they come; `Write` gets no reply.

        A question that is too long for the model gets a reply that says "missing", and a warning counts them.
        Raises: InputError for any other that the model cannot take, by the item's name.
        """
        too_long = TooLongQuestions(self.name)
        for window in windows([asked for asked in questions(items) if not isinstance(asked.ask, Write)]):
            rendered, unfit = too_long.fitting(window, self._fork)
            yield from (question.no_reply(rewarded=True) for question in unfit)
            forks = [fork for _, fork in rendered]
            sizes = [len(fork.completions) * len(fork.prompt) + sum(map(len, fork.completions)) for fork in forks]
            for batch in batches(sizes, self.token_budget):
                with torch.no_grad():
                    scores = rewards(self.model, [forks[index] for index in batch], token_budget=self.token_budget)
                for index, (values, tokens) in zip(batch, scores.split(), strict=True):
                    yield rendered[index][0].reply(rewards=tuple(values.tolist()), tokens=tuple(tokens.tolist()))
        too_long.warn()

    def _fork(self, question: Question) -> Fork:
        return render(
            question.ask.prompt,
            options(question.ask),
            self.tokenizer,
            template=self.template,
            end=self.end,
            max_tokens=max_tokens(self.model),
        )
