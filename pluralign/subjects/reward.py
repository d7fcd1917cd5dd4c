"""A reward model on this machine, asked by rewards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.template import PLAIN, Template
from pluralign.engine.batches import TOKEN_BUDGET
from pluralign.engine.loading.load import load_reward
from pluralign.engine.reward_head import rewards
from pluralign.records.item import Choose, Item, Score, Write
from pluralign.records.reply import Reply
from pluralign.subjects.comparing import Comparison
from pluralign.subjects.description import describe_model
from pluralign.subjects.questions import questions, windows
from pluralign.subjects.too_long import TooLongQuestions


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSubject:
    """A reward model in a folder or on the hub; the reward is that of an answer with its end token, as in training."""

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
    ) -> "RewardSubject":
        """The subject `name` from a folder or a hub id; `loading` are the keywords of `engine.load.load_reward`.

        Raises: InputError where that is not such a model or cannot be loaded so.
        """
        loaded, tokenizer = load_reward(model, **loading)
        return cls(name=name, model=loaded, tokenizer=tokenizer, template=template)

    @property
    def answers(self) -> frozenset[type]:
        """The kinds of ask that it can answer."""
        return frozenset({Choose, Score})

    def describe(self) -> dict[str, Any]:
        """What it is, for the record."""
        return describe_model(self.model, self.tokenizer, self.template)

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        """Rewards for every `Choose` and `Score` of every item, batch by batch as they come; `Write` gets no reply.

        A question that is too long for the model gets a reply that says "missing", and a warning counts them.
        Raises: InputError for any other that the model cannot take, by the item's name.
        """
        too_long = TooLongQuestions(self.name)
        comparison = Comparison(
            score=rewards,
            model=self.model,
            tokenizer=self.tokenizer,
            template=self.template,
            token_budget=self.token_budget,
            too_long=too_long,
            whole=True,
        )
        for window in windows([asked for asked in questions(items) if not isinstance(asked.ask, Write)]):
            for question, found in comparison.values(window):
                if found is None:
                    yield question.no_reply(rewarded=True)
                else:
                    yield question.reply(rewards=found[0], tokens=found[1])
        too_long.warn()
