"""Rewards of what a policy wrote: from a reward model, or from a function of the user's own.

Every reward reads texts, not tokens: a reward model has a tokenizer and a chat template of its own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.hub import locate
from pluralign.data.models import own_quantization
from pluralign.data.render import render_written
from pluralign.data.template import Template
from pluralign.engine.batches import TOKEN_BUDGET
from pluralign.engine.loading.load import load_reward, max_tokens
from pluralign.engine.ranks import shared, together
from pluralign.engine.reward_head import rewards
from pluralign.engine.scores import Scores
from pluralign.errors import InputError, RunError
from pluralign.records.fork import Fork
from pluralign.records.preference import Message, Preference
from pluralign.train.parallel import asking
from pluralign.train.spread import load_once, load_whole


@dataclass(frozen=True, slots=True)
class Written:
    """Texts that the policy wrote to the prompt of `preference`, without end tokens; a text may be empty."""

    preference: Preference
    texts: tuple[str, ...]


@runtime_checkable
class Reward(Protocol):
    """Judges what was written."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    def rewards(self, written: Sequence[Written]) -> list[tuple[float, ...]]:
        """A number for every text of every prompt. Raises: RunError where there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReward:
    """A reward model on this machine. The reward is that of the text with its end token, as in the model's training.

    `ask` gives the model's scores; of several processes every one must ask for the same.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: Template
    ask: Callable[..., Scores]
    token_budget: int = TOKEN_BUDGET

    @classmethod
    def load(
        cls, name: str, model: str | Path, *, template: Template, device: str | None = None, **loading: Any
    ) -> "ModelReward":
        """The model of a folder or hub id; `loading` are the other keywords of `engine.loading.load.load_reward`.

        Of several processes each has its shards, but of a quantised model, which is whole in all.

        Raises: InputError where that is no reward model, or cannot be loaded so.
        """
        quantized = loading.get("quantization") or own_quantization(locate(str(model)).folder)
        load = load_whole if quantized else load_once
        found = load(lambda place: load_reward(model, device=place, **loading), device)
        ask = asking(found, rewards)
        return cls(name=name, model=found.model, tokenizer=found.tokenizer, template=template, ask=ask)

    def rewards(self, written: Sequence[Written]) -> list[tuple[float, ...]]:
        """Rewards of all texts, those to one prompt in one go.

        Raises: InputError for a prompt and text that are longer than the model takes.
        """
        texts = [len(one.texts) for one in written]
        forks = shared(lambda places: [self._fork(written[place]) for place in places], texts)
        scores = self.ask(self.model, forks, token_budget=self.token_budget)
        return [tuple(values.tolist()) for values, _ in scores.split()]

    def _fork(self, written: Written) -> Fork:
        try:
            return render_written(
                written.preference.prompt,
                written.texts,
                self.tokenizer,
                template=self.template,
                max_tokens=max_tokens(self.model),
            )
        except InputError as error:
            raise InputError(f'reward "{self.name}": {error}; a lower max_completion_length may help') from error


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionReward:
    """A function of the user's own, called as TRL calls its reward functions.

    It gets lists with an element for every text: `prompts` and `completions` (texts; of conversations lists of
    messages), and as further keywords the columns of the preferences (`group`, `language`, `prompt_id`, `source`,
    `chosen`, `rejected`, and what they bring along in `provenance`). It gives a list of numbers.
    """

    name: str
    function: Callable[..., Any]

    def rewards(self, written: Sequence[Written]) -> list[tuple[float, ...]]:
        """Rewards of all texts. Raises: RunError where the function fails or gives another number of rewards."""
        each = [(one.preference, text) for one in written for text in one.texts]
        try:
            found = list(
                self.function(
                    prompts=[_prompt(preference) for preference, _ in each],
                    completions=[_completion(preference, text) for preference, text in each],
                    **_columns([preference for preference, _ in each]),
                )
            )
        except Exception as error:
            raise RunError(f'reward "{self.name}": the function fails: {type(error).__name__}: {error}') from error
        if len(found) != len(each):
            raise RunError(f'reward "{self.name}": the function gives {len(found)} rewards for {len(each)} completions')
        values = iter(found)
        return [tuple(_number(next(values)) for _ in one.texts) for one in written]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanReward:
    """An ensemble: the mean of several rewards, averaged as they are, as `subjects.ensemble` answers audits."""

    name: str
    members: tuple[Reward, ...]

    def rewards(self, written: Sequence[Written]) -> list[tuple[float, ...]]:
        """Mean rewards of all texts. Raises: as the members, and RunError where one of them gives no finite number."""
        by_member = [judge(member, written) for member in self.members]
        return [
            tuple(math.fsum(values) / len(values) for values in zip(*of_prompt, strict=True))
            for of_prompt in zip(*by_member, strict=True)
        ]


def judge(reward: Reward, written: Sequence[Written]) -> list[tuple[float, ...]]:
    """The rewards, every one of them a finite number.

    Of several processes every one must call this with the same texts. Reward models are asked of all of them together,
    any other reward by each process of a share.

    Raises: RunError that names the first prompt and completion for which there is none.
    """
    if isinstance(reward, ModelReward | MeanReward):
        found = reward.rewards(written)
        return together(lambda: _finite(reward, written, found))

    def judged(places: list[int]) -> list[tuple[float, ...]]:
        some = [written[place] for place in places]
        return _finite(reward, some, reward.rewards(some))

    return shared(judged, [len(one.texts) for one in written])


def _finite(reward: Reward, written: Sequence[Written], found: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """What was found, where every number is finite. Raises: as `judge`."""
    for one, values in zip(written, found, strict=True):
        for index, value in enumerate(values):
            if not math.isfinite(value):
                raise RunError(
                    f'reward "{reward.name}": {value} for completion {index} of prompt "{one.preference.prompt_id}" '
                    f"of {one.preference.source}: {one.texts[index][:60]!r}"
                )
    return found


def _number(value: Any) -> float:
    """The value as a float; what is no number (TRL's functions may give None) becomes NaN, which `judge` refuses."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _prompt(preference: Preference) -> str | list[dict[str, str]]:
    prompt = preference.prompt
    return prompt if isinstance(prompt, str) else [_message(turn) for turn in prompt]


def _message(turn: Message) -> dict[str, str]:
    return {"role": turn.role, "content": turn.content}


def _completion(preference: Preference, text: str) -> str | list[dict[str, str]]:
    return text if isinstance(preference.prompt, str) else [{"role": "assistant", "content": text}]


def _columns(preferences: Sequence[Preference]) -> Mapping[str, list[str | None]]:
    """The preferences' own fields, and of what they bring along the names that no field has."""
    brought = sorted({name for preference in preferences for name in preference.provenance})
    own = ("group", "language", "prompt_id", "source", "chosen", "rejected")
    columns: dict[str, list[str | None]] = {
        name: [preference.provenance.get(name) for preference in preferences]
        for name in brought
        if name not in ("prompts", "completions")
    }
    return columns | {name: [getattr(preference, name) for preference in preferences] for name in own}
