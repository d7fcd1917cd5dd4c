"""Preferences as the forks that a method trains on, and an account of what did not fit."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.render import NoTokensError, render, render_prompt
from pluralign.data.template import Template
from pluralign.engine.batch import Drawn
from pluralign.errors import InputError
from pluralign.records.fork import Fork
from pluralign.records.preference import Preference


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is known of the completions that the policy wrote to one prompt, one value for each.

    `by_reward`: what each reward gave, by its name; `rewards`: their weighted sum; `truncated`: whether it ended only
    because it was long enough; `old`, `advantages`: as in `engine.batch.Drawn`.
    """

    by_reward: Mapping[str, tuple[float, ...]]
    rewards: tuple[float, ...]
    truncated: tuple[bool, ...]
    old: tuple[float, ...] | None = None
    advantages: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """The fork of one preference, its group and margin; `reference`: the reference's value of each completion, if any.

    `preference` is what the fork was made of. Where the policy writes the completions, `answers` tells of them; until
    it has, the fork holds the empty answer, the end token alone.
    """

    fork: Fork
    group: str
    reference: tuple[float, ...] | None = None
    margin: float = 0.0
    preference: Preference | None = None
    answers: Answers | None = None

    def tokens(self) -> int:
        """Tokens that the model reads for this example, prompt and completion once for each completion."""
        return sum(len(self.fork.prompt) + len(completion) for completion in self.fork.completions)


@dataclass(frozen=True, slots=True)
class Fitting:
    """How many preferences of each group were cut, or left out and why."""

    truncated: Counter[str] = field(default_factory=Counter)
    prompt_too_long: Counter[str] = field(default_factory=Counter)
    empty_completion: Counter[str] = field(default_factory=Counter)

    def record(self) -> dict[str, dict[str, int]]:
        """For the log: reason → group → number of preferences, without reasons that did not occur."""
        counts = {
            "truncated": self.truncated,
            "left_out_prompt_too_long": self.prompt_too_long,
            "left_out_empty_completion": self.empty_completion,
        }
        return {reason: dict(sorted(counter.items())) for reason, counter in counts.items() if counter}


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """How preferences become examples of at most `max_length` tokens.

    `completions` is the method's own; where it gives none, the policy writes them, and `reserved` tokens are left for
    each.
    """

    completions: Callable[[Preference], tuple[str, ...]]
    tokenizer: PreTrainedTokenizerBase
    template: Template
    max_length: int
    reserved: int = 1

    def render(self, preferences: Sequence[Preference]) -> tuple[list[Example], Fitting]:
        """Examples in the preferences' order, with the end token, and the account of what did not fit.

        A completion that is too long loses its end; a preference whose prompt leaves no room for a completion, or one
        of whose completions is empty (or of characters that the tokenizer drops), is left out.
        """
        fitting = Fitting()
        return list(self._examples(preferences, fitting)), fitting

    def _examples(self, preferences: Sequence[Preference], fitting: Fitting) -> Iterator[Example]:
        for preference in preferences:
            texts = self.completions(preference)
            if not texts:
                yield from self._prompt(preference, fitting)
                continue
            fork = self._fork(preference, texts)
            if fork is None:
                fitting.empty_completion[preference.group] += 1
                continue
            room = self.max_length - len(fork.prompt)
            if room < 1:
                fitting.prompt_too_long[preference.group] += 1
                continue
            if any(len(completion) > room for completion in fork.completions):
                fitting.truncated[preference.group] += 1
                fork = Fork(fork.prompt, tuple(completion[:room] for completion in fork.completions))
            yield Example(fork, preference.group, margin=preference.margin, preference=preference)

    def _prompt(self, preference: Preference, fitting: Fitting) -> Iterator[Example]:
        """The prompt with the empty answer, unless it leaves too little room to answer it."""
        end: Any = self.tokenizer.eos_token_id
        if end is None:
            raise InputError(
                f'model "{self.tokenizer.name_or_path}" has no end-of-sequence token to end an answer with'
            )
        with _named(preference):
            prompt = render_prompt(preference.prompt, self.tokenizer, self.template)
        if len(prompt) + self.reserved > self.max_length:
            fitting.prompt_too_long[preference.group] += 1
        else:
            yield Example(Fork(prompt, ((end,),)), preference.group, preference=preference)

    def _fork(self, preference: Preference, texts: tuple[str, ...]) -> Fork | None:
        """The fork of a preference; None where a text is empty, or is nothing to the tokenizer."""
        with _named(preference):
            try:
                return render(preference.prompt, texts, self.tokenizer, template=self.template, end=True)
            except NoTokensError:
                return None


@contextmanager
def _named(preference: Preference) -> Iterator[None]:
    """Put the preference in front of an InputError that is raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f'preference "{preference.prompt_id}" of {preference.source}: {error}') from error


def drawn(examples: Sequence[Example], dtype: torch.dtype, device: torch.device | None = None) -> Drawn | None:
    """What is known of the examples' completions as tensors `[example, completion]`, None where none was written."""
    answers = [example.answers for example in examples if example.answers is not None]
    if not answers:
        return None

    def table(rows: list[tuple[float, ...]]) -> torch.Tensor | None:
        return torch.tensor(rows, dtype=dtype, device=device) if rows else None

    return Drawn(
        rewards=torch.tensor([answer.rewards for answer in answers], dtype=dtype, device=device),
        truncated=torch.tensor([answer.truncated for answer in answers], device=device),
        old=table([answer.old for answer in answers if answer.old is not None]),
        advantages=table([answer.advantages for answer in answers if answer.advantages is not None]),
    )
