"""Rollouts: the policy writes completions to a step's prompts, rewards judge them, and the reference is asked.

What is written follows from the job's seed, the step and the prompt's place in it, so that a training that was killed
writes the same again, and several processes, each of which writes to its share of the prompts, write what one writes.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.engine.loading.load import load_causal, read_outline
from pluralign.engine.logprobs import logprobs
from pluralign.engine.ranks import from_first, sharded, shared
from pluralign.engine.scores import Scores
from pluralign.engine.writing.draft import end_tokens
from pluralign.engine.writing.draw import Distribution
from pluralign.engine.writing.sampling import Sampled, Sampling, sample
from pluralign.errors import InputError
from pluralign.records.fork import Fork
from pluralign.records.preference import Preference
from pluralign.records.training import Training
from pluralign.train.adapting import adapter_off
from pluralign.train.examples import Answers, Example, drawn
from pluralign.train.job import Job
from pluralign.train.parallel import asking
from pluralign.train.precision import autocast, use_bf16
from pluralign.train.rewarding import Reward, Written, judge
from pluralign.train.spread import Loaded, load_once
from pluralign.train.vllm import VllmServer

Values = list[tuple[float, ...]]
"""A number for every completion of every prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts:
    """What an online method trains on. Called with the policy, the optimiser step and the examples of its prompts.

    `method` gives `advantages`, and `options` are its own; `reference` is a model beside the policy, whose
    log-probabilities `ask` gives, None where it is the policy without its adapter, or `beta` is 0; `rewards` are
    weighed by `options.reward_weights`, 1 each unless given; `server` writes in place of the engine where it is given,
    and hears of the first process alone.
    """

    method: ModuleType
    options: Any
    training: Training
    seed: int
    tokenizer: PreTrainedTokenizerBase
    rewards: Sequence[Reward]
    reference: PreTrainedModel | None = None
    ask: Callable[..., Scores]
    server: VllmServer | None = None

    def __call__(self, model: PreTrainedModel, step: int, examples: list[Example]) -> list[Example]:
        """The examples with the completions that `model` writes at this step, and all that is known of them.

        Raises: RunError where a reward is missing, or the model's logits are not numbers; InputError for completions
        that are too long for a reward model.
        """
        sampled = self._written(model, step, examples)
        forks = [
            Fork(example.fork.prompt, tuple(each.ids for each in siblings))
            for example, siblings in zip(examples, sampled, strict=True)
        ]
        reference = self._asked_reference(model, forks) if self.options.beta > 0 else [None] * len(forks)
        answers = self._judged(model, examples, sampled)
        old = self._logprobs(self._whole, model, forks) if self._keeps_old else [None] * len(forks)
        made = [
            replace(example, fork=fork, reference=values, answers=replace(answer, old=own))
            for example, fork, values, answer, own in zip(examples, forks, reference, answers, old, strict=True)
        ]
        return self._with_advantages(made) if self._keeps_old else made

    def _written(self, model: PreTrainedModel, step: int, examples: list[Example]) -> list[list[Sampled]]:
        """What is written to every prompt: by each process to its share, or by the server."""
        seeds = [seed_of(self.seed, step, place) for place in range(len(examples))]
        if self.server is not None:
            return from_first(lambda: self._draw(model, examples, seeds))
        room = self.options.num_generations * self.options.max_completion_length
        return shared(
            lambda places: self._draw(model, [examples[place] for place in places], [seeds[place] for place in places]),
            [len(example.fork.prompt) + room for example in examples],
        )

    @property
    def _keeps_old(self) -> bool:
        """Whether more than one step follows, or advantages that no prompt's completions give alone."""
        return self.options.num_iterations > 1 or self.options.normalize_advantages

    def _draw(self, model: PreTrainedModel, examples: Sequence[Example], seeds: Sequence[int]) -> list[list[Sampled]]:
        options = self.options
        sampling = Sampling(
            max_tokens=options.max_completion_length,
            num_generations=options.num_generations,
            distribution=Distribution(temperature=options.temperature, top_k=options.top_k, top_p=options.top_p),
        )
        prompts = [example.fork.prompt for example in examples]
        with torch.no_grad(), self._autocast(model):
            if self.server is not None:
                return self.server.write(model, self.tokenizer, prompts, seeds, sampling)
            budget = self.training.token_budget
            return sample(model, self.tokenizer, prompts, seeds, sampling, token_budget=budget)

    def _judged(
        self, model: PreTrainedModel, examples: Sequence[Example], sampled: Sequence[Sequence[Sampled]]
    ) -> list[Answers]:
        ends = frozenset(end_tokens(model, self.tokenizer))
        written = [
            Written(_preference(example), tuple(self._text(each, ends) for each in siblings))
            for example, siblings in zip(examples, sampled, strict=True)
        ]
        found = {reward.name: judge(reward, written) for reward in self.rewards}
        weights = self.options.reward_weights or (1.0,) * len(self.rewards)
        return [
            Answers(
                by_reward={name: values[place] for name, values in found.items()},
                rewards=_weighted(weights, [values[place] for values in found.values()]),
                truncated=tuple(each.truncated for each in siblings),
            )
            for place, siblings in enumerate(sampled)
        ]

    def _text(self, one: Sampled, ends: frozenset[int]) -> str:
        ids = one.ids[:-1] if one.ids[-1] in ends else one.ids
        text: Any = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def _asked_reference(self, model: PreTrainedModel, forks: Sequence[Fork]) -> Values:
        if self.reference is not None:
            return self._logprobs(self.ask, self.reference, forks)
        with adapter_off(model):
            return self._logprobs(self._whole, model, forks)

    @property
    def _whole(self) -> Callable[..., Scores]:
        """What gives the log-probabilities of a model that is whole in every process."""
        return partial(sharded, partial(logprobs, temperature=self.options.temperature))

    def _logprobs(self, ask: Callable[..., Scores], model: PreTrainedModel, forks: Sequence[Fork]) -> Values:
        with self._autocast(model):
            scores = ask(model, forks, token_budget=self.training.token_budget)
        return [tuple(values.tolist()) for values, _ in scores.split()]

    def _with_advantages(self, examples: list[Example]) -> list[Example]:
        """With the advantages that follow over the whole step from the log-probabilities of the policy that wrote."""
        references = [example.reference for example in examples if example.reference is not None]
        advantages: torch.Tensor = self.method.advantages(
            drawn(examples, torch.float64),
            torch.tensor([_answers(example).old for example in examples], dtype=torch.float64),
            torch.tensor(references, dtype=torch.float64) if references else None,
            self.options,
        )
        return [
            replace(example, answers=replace(_answers(example), advantages=tuple(found)))
            for example, found in zip(examples, advantages.tolist(), strict=True)
        ]

    def _autocast(self, model: PreTrainedModel) -> torch.autocast:
        return autocast(model.device, use_bf16(self.training.bf16, model.device))


def make_rollouts(job: Job, rewards: Sequence[Reward]) -> Callable[..., list[Example]]:
    """The rollouts of a job of an online method. The reference is loaded beside the policy where it is another model.

    Raises: InputError where the reference is no model, or has another vocabulary than the parent.
    """
    tokenizer, _ = read_outline(job.parent, adapter=job.adapter)
    loaded = _load_reference(job, tokenizer) if job.options.beta > 0 else None
    score = partial(logprobs, temperature=job.options.temperature)
    return Rollouts(
        method=job.method,
        options=job.options,
        training=job.training,
        seed=job.seed,
        tokenizer=tokenizer,
        rewards=rewards,
        server=_server(job.options),
        reference=None if loaded is None else loaded.model,
        ask=partial(sharded, score) if loaded is None else asking(loaded, score),
    )


def _load_reference(job: Job, tokenizer: PreTrainedTokenizerBase) -> Loaded | None:
    """The reference, None where it is the policy without its adapter."""
    reference, adapter = (job.parent, job.adapter) if job.reference is None else (job.reference, job.reference_adapter)
    is_parent = (str(reference), str(adapter)) == (str(job.parent), str(job.adapter))
    if is_parent and job.training.lora_r > 0:
        return None
    loaded = load_once(lambda place: load_causal(reference, dtype="float32", device=place, adapter=adapter), job.device)
    if tokenizer.get_vocab() != loaded.tokenizer.get_vocab():
        raise InputError(f'reference "{reference}" has another vocabulary than "{job.parent}"')
    return loaded


def _server(options: Any) -> VllmServer | None:
    if getattr(options, "vllm_server_base_url", None) is None:
        return None
    timeout, port = options.vllm_server_timeout, options.vllm_group_port
    return VllmServer.at(options.vllm_server_base_url, timeout_seconds=timeout, group_port=port)


def seed_of(seed: int, step: int, place: int) -> int:
    """The seed of what is written to the prompt at `place` of a step: 64 bits."""
    return int.from_bytes(hashlib.sha256(f"{seed} {step} {place}".encode()).digest()[:8], "big")


def _weighted(weights: Sequence[float], values: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """The weighted sum of several rewards of the same completions."""
    return tuple(
        sum(weight * value for weight, value in zip(weights, each, strict=True)) for each in zip(*values, strict=True)
    )


def _answers(example: Example) -> Answers:
    if example.answers is None:
        raise ValueError("nothing was written to this example yet")
    return example.answers


def _preference(example: Example) -> Preference:
    if example.preference is None:
        raise ValueError("an example that was made of no preference has no prompt to judge")
    return example.preference
