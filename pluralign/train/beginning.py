"""How a training begins: its lesson, and the model that is to be trained."""

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.engine.loading.load import load_causal, make_reward_model, max_tokens, read_outline
from pluralign.engine.logprobs import logprobs
from pluralign.engine.ranks import sharded, together
from pluralign.engine.scores import Scores
from pluralign.errors import InputError
from pluralign.records.fork import Fork
from pluralign.train import adapting
from pluralign.train.job import Job, Rollouts
from pluralign.train.lesson import Lesson, add_reference, render_lesson
from pluralign.train.parallel import asking, shard
from pluralign.train.precision import autocast
from pluralign.train.reference_cache import Values
from pluralign.train.spread import load_once, on_whole_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a training begins with.

    `score` gives completions their values by `model`; of several processes all must call it equally often. `rollouts`
    are the job's; of several processes they are given a policy that is whole for the time.
    """

    lesson: Lesson
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    score: Callable[..., Scores]
    rollouts: Rollouts | None


def begin(job: Job, score: Callable[..., Scores], device: torch.device, bf16: bool) -> Beginning:
    """Render the lesson, with the reference's log-probabilities, and load the parent; one model in memory at a time.

    A reference scores what the parent's tokenizer and template make of the preferences; that of rollouts is theirs. One
    that is not the parent is loaded only where some of its log-probabilities are not in the job's cache. Of several
    processes every one must call this, and has its shards of each model.

    Raises: InputError where the parent or the reference is no model, they differ in vocabulary, or no preference fits;
    RunError where the log-probabilities cannot be kept.
    """
    found = partial(_score, budget=job.training.token_budget, autocast=partial(autocast, device, bf16))
    compares = job.method.NEEDS_REFERENCE and job.rollouts is None
    beside = compares and job.reference is not None and not _is_parent(job)
    lesson = _compared(job, found) if beside else None
    parent = load_once(lambda place: load_parent(replace(job, device=place)), job.device)
    model, tokenizer, rollouts = parent.model, parent.tokenizer, job.rollouts
    lesson = lesson or together(lambda: render_lesson(job, tokenizer, [max_tokens(model)]))
    ask = partial(sharded, logprobs)
    if parent.weights is not None:
        rollouts = None if rollouts is None else on_whole_weights(rollouts, model)
        shards = shard(parent, score)
        shards.try_out([_longest(job, lesson)])
        score, ask = shards.one_pass, shards.in_step
    if compares and not beside:
        with adapting.adapter_off(model):
            lesson = add_reference(lesson, partial(found, lambda: partial(ask, model)), job.cache)
    return Beginning(lesson=lesson, model=model, tokenizer=tokenizer, score=score, rollouts=rollouts)


def _longest(job: Job, lesson: Lesson) -> Fork:
    """A fork as long as any that the model will see: of completions that it writes, the end token stands for each."""

    def tokens(fork: Fork) -> int:
        return len(fork.prompt) + max(map(len, fork.completions)) * job.reserved

    longest = max((example.fork for example in (*lesson.train, *lesson.held_out)), key=tokens)
    return Fork(longest.prompt, tuple(each * job.reserved for each in longest.completions))


def _compared(job: Job, found: Callable[..., Values]) -> Lesson:
    """The lesson with the log-probabilities of a reference that is another model than the parent."""
    tokenizer, limit = read_outline(job.parent, adapter=job.adapter)
    its_tokenizer, its_limit = read_outline(str(job.reference), adapter=job.reference_adapter)
    if tokenizer.get_vocab() != its_tokenizer.get_vocab():
        raise InputError(f'reference "{job.reference}" has another vocabulary than "{job.parent}"')
    load = cache(partial(_load_reference, job))
    lesson = add_reference(render_lesson(job, tokenizer, [limit, its_limit]), partial(found, load), job.cache)
    load.cache_clear()
    gc.collect()
    return lesson


def _score(
    ask: Callable[[], Callable[..., Scores]],
    forks: Sequence[Fork],
    *,
    budget: int,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> Values:
    """What a model says of forks that every process asks alike; `ask` gives, and may load, what gives its scores."""
    asked = ask()
    with torch.no_grad(), autocast():
        scores = asked(forks, token_budget=budget)
    return [tuple(values.tolist()) for values, _ in scores.split()]


def _load_reference(job: Job) -> Callable[..., Scores]:
    settings: dict[str, Any] = {"dtype": "float32", "adapter": job.reference_adapter}
    loaded = load_once(lambda place: load_causal(str(job.reference), device=place, **settings), job.device)
    return partial(asking(loaded, logprobs), loaded.model)


def _is_parent(job: Job) -> bool:
    return (str(job.reference), str(job.reference_adapter)) == (str(job.parent), str(job.adapter))


def load_parent(job: Job) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model to be trained, with fresh LoRA layers where LoRA is asked for."""
    settings: dict[str, Any] = {"device": job.device, "adapter": job.adapter}
    if job.method.KIND == "reward":
        model, tokenizer = make_reward_model(job.parent, seed=job.seed, **settings)
    else:
        model, tokenizer = load_causal(job.parent, dtype="float32", **settings)
    adapting.add_lora(model, job.training, seed=job.seed)
    return model, tokenizer


def load_trained(job: Job, weights: Mapping[str, Tensor]) -> PreTrainedModel:
    """The model of the job on the CPU, with these for its trained weights."""
    model, _ = load_parent(replace(job, device="cpu"))
    held = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            held[name].copy_(weight)
    return model
