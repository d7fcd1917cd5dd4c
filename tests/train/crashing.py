"""The trainings that `crashes.py` kills, by name: each remembers something else from one step to the next."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import peft  # noqa: F401 imported once, and not in every process that is killed
import torch
from conftest import make_preference

from pluralign.data.template import PLAIN
from pluralign.errors import InputError
from pluralign.methods import dpo, reward, rloo
from pluralign.records.training import Training
from pluralign.train.job import Job
from pluralign.train.precision import use_bf16
from pluralign.train.reference_cache import ReferenceCache
from pluralign.train.rewarding import FunctionReward
from pluralign.train.rollouts import make_rollouts
from pluralign.weightings import group_dro, more

TRAINING = Training(
    learning_rate=3e-3,
    batch_size=4,
    num_train_epochs=3.0,
    eval_steps=3,
    load_best_model_at_end=True,
    metric_for_best_model="worst/eval_loss",
    save_steps=2,
)


def weigh(state, losses, options):
    """Weights that remember how often they were asked for, and depend on chance."""
    asked = 1 if state is None else state["asked"] + 1
    drawn = torch.rand(len(losses.groups), dtype=torch.float64)
    last = drawn if state is None else state["last"]
    return losses.shares * (1 + 0.1 * asked + 0.5 * drawn + 0.25 * last), {"asked": asked, "last": drawn}


def restless(base: Path, out: Path) -> Job:
    """DPO with log-probabilities of its reference that are kept, and a weighting that draws and remembers."""
    weighting = ModuleType("restless")
    weighting.__dict__.update(NEEDS="shares", VERSION=1, weigh=weigh)

    def tell(*, completed: int, note: str, **_: int) -> None:
        with out.with_name("news").open("a") as file:
            file.write(f"{completed} {note}\n")

    return Job(
        method=dpo,
        options=dpo.Options(),
        training=TRAINING,
        parent=base,
        preferences=tuple(map(make_preference, range(12))),
        held_out=tuple(map(make_preference, range(12, 20))),
        weighting=weighting,
        seed=3,
        template=PLAIN,
        out=out,
        key="",
        cache=ReferenceCache(run=out.parents[1], name="base", made_of={"training": "crashes"}),
        on_step=tell,
        device="cpu",
    )


def by_more(base: Path, out: Path) -> Job:
    """A reward model by MORE, with running means of the groups' gradients."""
    job = replace(restless(base, out), method=reward, options=reward.Options())
    return replace(job, weighting=more, weighting_options=more.Options(ema=0.5))


def by_group_dro(base: Path, out: Path) -> Job:
    """DPO by group DRO, whose weights add up."""
    return replace(restless(base, out), weighting=group_dro, weighting_options=group_dro.Options(eta=0.5))


def by_lora(base: Path, out: Path) -> Job:
    """DPO of LoRA's matrices, held against the model without them."""
    return replace(restless(base, out), training=replace(TRAINING, lora_r=2, learning_rate=3e-2))


def checkpointed(base: Path, out: Path) -> Job:
    """DPO whose layers are run again in the backward pass, in bfloat16 where the CPU computes in it."""
    try:
        bf16 = use_bf16(True, torch.device("cpu"))
    except InputError:
        bf16 = False
    return replace(
        restless(base, out), training=replace(TRAINING, gradient_checkpointing=True, bf16=bf16, num_train_epochs=2.0)
    )


def by_rloo(base: Path, out: Path) -> Job:
    """RLOO with two steps on the same completions, between which the only snapshot comes."""

    def vowels(prompts: list[str], completions: list[str], **columns: object) -> list[float]:
        return [sum(letter in "aeiou" for letter in text) / 4 for text in completions]

    job = replace(
        restless(base, out),
        method=rloo,
        options=rloo.Options(num_generations=2, num_iterations=2, max_completion_length=4, beta=0.05),
        training=replace(TRAINING, save_steps=7, load_best_model_at_end=False, num_train_epochs=2.0),
        cache=None,
    )
    return replace(job, rollouts=make_rollouts(job, [FunctionReward(name="vowels", function=vowels)]))


def stopping(base: Path, out: Path) -> Job:
    """DPO that ends once all held-out pairs are told apart for some evaluations, and takes back what was first best."""
    training = replace(TRAINING, eval_steps=1, num_train_epochs=12.0, learning_rate=1e-2)
    measure = "eval_rewards/accuracies"
    training = replace(training, metric_for_best_model=measure, early_stopping_patience=4, save_steps=3)
    return replace(restless(base, out), training=training)


JOBS: dict[str, Callable[[Path, Path], Job]] = {
    "restless": restless,
    "more": by_more,
    "group_dro": by_group_dro,
    "lora": by_lora,
    "checkpointed": checkpointed,
    "rloo": by_rloo,
    "stopping": stopping,
}
