"""The only training loop: from a parent and preferences to a stage in a folder.

Dropout is off, the order of the examples and all chance follow from the seed and the step, and weights stay in float32,
so that the same job gives the same bits on the same CPU, and one that was killed goes on as if it had not been.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign import store
from pluralign.engine.budget import Budget
from pluralign.engine.checkpointing import rerunning
from pluralign.engine.loading.device import pick_device
from pluralign.engine.loading.load import save
from pluralign.engine.loading.scored import format_of
from pluralign.engine.logprobs import logprobs
from pluralign.engine.memory import out_of_memory
from pluralign.engine.ranks import count_ranks, from_first, linked, own_rank, together, told
from pluralign.engine.reward_head import rewards
from pluralign.engine.scores import Scores
from pluralign.errors import RunError
from pluralign.train import adapting, snapshot
from pluralign.train.beginning import begin, load_trained
from pluralign.train.evaluation import interval, is_over
from pluralign.train.examples import Example
from pluralign.train.job import Job
from pluralign.train.journal import Journal, by_group, held_out_record, mean
from pluralign.train.keeping import keep_if_due, take_best
from pluralign.train.lesson import Lesson
from pluralign.train.optimiser import clip, learning_rate, make_optimiser
from pluralign.train.order import choose, count_epoch, count_steps, seed_of
from pluralign.train.precision import autocast, use_bf16
from pluralign.train.rollout_log import rollout_record
from pluralign.train.snapshot import State, trained
from pluralign.train.spread import whole_tensors
from pluralign.train.step import Judge, gather_gradients, survey
from pluralign.train.trackers import Session, check_trackers, tracking

__all__ = ["Job", "train"]


def train(job: Job) -> None:
    """Train a stage and leave its weights, tokenizer and `log.jsonl` in `job.out`, which transformers can load.

    A job with a key that was killed goes on from the newest snapshot in `job.out`, and ends as if it had not been.

    Raises: InputError where the parent or the reference is no model, no preference fits, or there is nothing to
    evaluate on as the options ask; RunError where a loss or a gradient is not finite, or the memory or the disk is too
    small. Of several processes of torch.distributed every one calls this, with the same job; what fails in one of
    them is raised in all, or ends their connection to it.
    """
    try:
        with linked():
            _train(job)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        budget = job.training.token_budget
        raise RunError(f"{_method(job)}: the memory is too small; lower token_budget (now {budget})") from error


def _train(job: Job) -> None:
    check_trackers(job.training.report_to)
    device = pick_device(job.device)
    bf16 = use_bf16(job.training.bf16, device)
    start = together(lambda: begin(job, _score(job), device, bf16))
    lesson, model = start.lesson, start.model
    job = dataclasses.replace(job, rollouts=start.rollouts)
    judge = Judge(
        model=model,
        method=job.method,
        options=job.options,
        score=start.score,
        budget=Budget(job.training.token_budget),
        autocast=partial(autocast, device, bf16),
    )
    state = State(model=model, optimiser=make_optimiser(model, job.training))
    with store.writing(job.out):
        from_first(lambda: job.out.mkdir(parents=True, exist_ok=True))
    log = job.out / "log.jsonl"
    kept = snapshot.take_up(job.out / store.STEPS, state, key=job.key, log=log)
    trackers = job.training.report_to if own_rank() == 0 else ()
    with tracking(trackers, _session(job, state)) as note, _journal(log, kept, note) as journal:
        journal.evaluations = from_first(lambda: journal.evaluations)
        if state.step == 0:
            total = count_steps(len(lesson.train), job.training, job.iterations)
            circumstances = _circumstances(job, lesson, device, bf16)
            journal.write("start", steps=total, saved_as=format_of(model), **circumstances)
        with rerunning(model) if job.training.gradient_checkpointing else nullcontext():
            _learn(job, judge, lesson, state, journal)
        _assemble(job, state)
        from_first(lambda: _finish(job, state, journal, start.tokenizer))


def _journal(log: Path, kept: int, note: Callable[[Mapping[str, Any]], None]) -> Journal:
    """The log, which the first of several processes writes; the others remember its evaluations alone."""
    return Journal(log, kept, note) if own_rank() == 0 else Journal(None)


def _score(job: Job) -> Callable[..., Scores]:
    """What gives completions their values by a whole model."""
    return rewards if job.method.KIND == "reward" else partial(logprobs, temperature=job.temperature)


def _assemble(job: Job, state: State) -> None:
    """Give the first of several processes a model of its own with the weights that all have trained."""
    if count_ranks() > 1:
        weights = whole_tensors(trained(state.model).items())
        if own_rank() == 0:
            state.model = load_trained(job, weights)


def _finish(job: Job, state: State, journal: Journal, tokenizer: PreTrainedTokenizerBase) -> None:
    """Leave the stage in its folder, as it was at its best or in the end."""
    if job.training.load_best_model_at_end:
        take_best(job, state, journal)
    if job.template.jinja is not None:
        tokenizer.chat_template = job.template.jinja
    base = None if job.adapter else str(job.parent)
    adapting.merge_lora(state.model, job.out / adapting.FOLDER, base=base)
    save(state.model, tokenizer, job.out)


def _learn(job: Job, judge: Judge, lesson: Lesson, state: State, journal: Journal) -> None:
    """Take every step that is left, with the evaluations and the snapshots that are due, and a last evaluation."""
    total = count_steps(len(lesson.train), job.training, job.iterations)
    every = interval(job.training.eval_steps, count_epoch(len(lesson.train), job.training, job.iterations))
    _tell(job, state, total, "taken up" if state.step else "")
    while state.step < total and not is_over(journal.evaluations, job.training):
        record = _advance(job, judge, lesson, state, total)
        journal.write("step", **record)
        if every is not None and state.step % every == 0:
            journal.write("held_out", **_evaluate(job, judge, lesson, state))
        if state.step < total:
            keep_if_due(job, state, journal)
        _tell(job, state, total, f"loss {record['loss']:.4f}")
    evaluated = [found["step"] for found in journal.evaluations]
    if lesson.held_out and state.step not in evaluated:
        journal.write("held_out", **_evaluate(job, judge, lesson, state))


def _tell(job: Job, state: State, total: int, note: str) -> None:
    if job.on_step is not None and state.step:
        job.on_step(completed=state.step, total=total, note=note, tokens=state.num_tokens)


def _session(job: Job, state: State) -> Session:
    options = dataclasses.asdict(job.training) | dataclasses.asdict(job.options)
    config = {"method": _method(job), "seed": job.seed, **options}
    name = job.run_name or job.out.name
    return Session(name=name, folder=job.out, config=config, key=job.key, step=state.step)


def _circumstances(job: Job, lesson: Lesson, device: torch.device, bf16: bool) -> dict[str, Any]:
    """What the log says before the first step."""
    return {
        "method": _method(job),
        "seed": job.seed,
        "device": str(device),
        "dtype": "float32",
        "autocast": "bfloat16" if bf16 else None,
        "threads": torch.get_num_threads(),
        "ranks": count_ranks(),
        "preferences": len(lesson.train),
        "held_out": len(lesson.held_out),
        **lesson.fitting.record(),
        **{f"held_out_{reason}": counts for reason, counts in lesson.held_out_fitting.record().items()},
    }


def _advance(job: Job, judge: Judge, lesson: Lesson, state: State, total: int) -> dict[str, Any]:
    """Take one optimiser step; gives what the log says of it."""
    step = state.step + 1
    torch.manual_seed(seed_of(step, seed=job.seed))
    examples = _examples(job, lesson, state, step)
    rate = learning_rate(step, total, job.training)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    try:
        outcome, state.weighting = gather_gradients(
            judge, examples, lesson.groups, job.weighting, state.weighting, job.weighting_options
        )
    except RunError as error:
        raise RunError(f"{_method(job)}, step {step} of {total}: {error}") from error
    norm = clip(state.model, job.training.max_grad_norm)
    if not math.isfinite(norm):
        place = f"{_method(job)}, step {step} of {total}"
        raise told(RunError(f"{place}: the gradient's norm is {norm}; a lower learning_rate may help"))
    state.optimiser.step()
    state.optimiser.zero_grad(set_to_none=True)  # now, so that no gradient is held while a policy writes
    state.step = step
    state.num_tokens += sum(example.tokens() for example in examples)
    ones = torch.ones_like(outcome.masses)
    return {
        "step": step,
        "epoch": step / count_epoch(len(lesson.train), job.training, job.iterations),
        "loss": outcome.objective,
        "learning_rate": rate,
        "grad_norm": norm,
        "num_tokens": state.num_tokens,
        **{name: mean(values, ones) for name, values in outcome.metrics.items()},
        **rollout_record(job.method, job.options, examples, outcome.metrics),
        "group_losses": by_group(outcome.per_pair, outcome.masses, examples),
        "group_weights": dict(zip(lesson.groups, outcome.weights.tolist(), strict=True)),
    }


def _evaluate(job: Job, judge: Judge, lesson: Lesson, state: State) -> dict[str, Any]:
    """What the log says of the held-out preferences at this step."""
    torch.manual_seed(seed_of(state.step, seed=job.seed))
    examples = _made(job, state.model, state.step, lesson.held_out)
    per_pair, metrics = survey(judge, examples)
    found = held_out_record(per_pair, metrics, judge.masses(examples), examples)
    written = rollout_record(job.method, job.options, examples, metrics, prefix="eval_")
    return {"step": state.step, **found, **written, "groups": found["groups"] | written.get("groups", {})}


def _examples(job: Job, lesson: Lesson, state: State, step: int) -> list[Example]:
    """What a step trains on: its share of the lesson, or what was made of it, which serves `iterations` steps."""
    before, iteration = divmod(step - 1, job.iterations)
    if iteration > 0 and state.written is not None:
        return state.written
    chosen = choose(before + 1, len(lesson.train), batch_size=job.training.batch_size, seed=job.seed)
    examples = _made(job, state.model, step, [lesson.train[index] for index in chosen])
    state.written = examples if job.iterations > 1 else None
    return examples


def _made(job: Job, model: PreTrainedModel, step: int, examples: list[Example]) -> list[Example]:
    """The examples as they are, or what the policy makes of their prompts at this step."""
    return examples if job.rollouts is None else job.rollouts(model, step, examples)


def _method(job: Job) -> str:
    return job.method.__name__.rpartition(".")[2]
