"""Evaluation while a stage is trained: when, of whom, which was the best, and when to stop."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralign.errors import InputError
from pluralign.methods import dpo, sft
from pluralign.records.training import Training
from pluralign.train.evaluation import Measure, best, interval, is_over, read_measure
from pluralign.train.examples import Example
from pluralign.train.loop import Job, train

STEADY = Training(
    learning_rate=3e-3, batch_size=4, num_train_epochs=4.0, warmup_ratio=0.0, lr_scheduler_type="constant"
)
numbers = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@pytest.fixture
def job(job):
    return replace(job, training=STEADY)


def log(job: Job, *events: str) -> list[dict]:
    lines = map(json.loads, (job.out / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] in events]


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def scripted(values: list[float]) -> ModuleType:
    """Direct preference optimisation whose held-out losses are as told, one evaluation after the other."""
    left = iter(values)

    def losses(batch, options):
        found = dpo.losses(batch, options)
        return found if batch.scores.requires_grad else replace(found, per_pair=found.per_pair * 0 + next(left))

    method = ModuleType("scripted")
    method.__dict__.update(vars(dpo) | {"losses": losses, "__name__": "scripted"})
    return method


def evaluations(values: list[float], name: str = "eval_loss") -> list[dict]:
    return [
        {"step": 10 * (place + 1), name: value, "groups": {name: {"a": value - 1, "b": value + 1}}}
        for place, value in enumerate(values)
    ]


@given(numbers)
def test_the_best_is_the_first_of_the_least_losses_and_of_the_greatest_rest(values):
    loss, accuracy = evaluations(values), evaluations(values, "eval_rewards/accuracies")
    by_accuracy = Training(metric_for_best_model="eval_rewards/accuracies")
    assert best(loss, Training())["step"] == 10 * (values.index(min(values)) + 1)
    assert best(accuracy, by_accuracy)["step"] == 10 * (values.index(max(values)) + 1)


def test_the_worst_group_is_that_with_the_greatest_loss_or_the_least_accuracy():
    loss, accuracy = evaluations([5.0])[0], evaluations([5.0], "eval_rewards/accuracies")[0]
    assert read_measure("worst/eval_loss").value(loss) == 6.0
    assert read_measure("eval_loss").value(loss) == 5.0
    assert read_measure("worst/eval_rewards/accuracies").value(accuracy) == 4.0


def test_a_measure_that_the_log_lacks_is_refused_with_the_nearest():
    with pytest.raises(InputError, match='metric_for_best_model "eval_los"; did you mean "eval_loss"'):
        Measure("eval_los").value(evaluations([1.0])[0])


@given(numbers, st.integers(1, 5))
def test_patience_ends_after_so_many_evaluations_without_a_better_one(values, patience):
    training = Training(eval_steps=10.0, early_stopping_patience=patience)
    in_vain, least, over = 0, float("inf"), False
    for value in values:
        in_vain = 0 if value < least else in_vain + 1
        least = min(value, least)
        over = in_vain >= patience
    assert is_over(evaluations(values), training) == over
    assert not is_over(evaluations(values), Training(eval_steps=10.0))


@given(eval_steps=st.floats(0.01, 0.99), per_epoch=st.integers(1, 1000))
def test_a_share_of_an_epoch_is_at_least_a_step(eval_steps, per_epoch):
    every = interval(eval_steps, per_epoch)
    assert every is not None
    assert every >= 1
    assert abs(every - eval_steps * per_epoch) <= max(0.5, 1 - eval_steps * per_epoch)


@pytest.mark.parametrize(
    ("eval_steps", "expected"), [(None, [12]), (5.0, [5, 10, 12]), (4.0, [4, 8, 12]), (0.5, [*range(2, 13, 2)])]
)
def test_held_out_preferences_are_judged_when_due_and_at_the_end(job, eval_steps, expected):
    train(replace(job, training=replace(STEADY, eval_steps=eval_steps)))
    found = log(job, "held_out")
    assert [line["step"] for line in found] == expected
    for line in found:
        assert line["groups"]["eval_loss"].keys() == {"one", "two"}
        assert line["eval_loss"] == pytest.approx(sum(line["groups"]["eval_loss"].values()) / 2)


def test_evaluating_and_keeping_change_nothing_of_what_is_learnt(job, tmp_path):
    plain, watched = replace(job, out=tmp_path / "plain"), replace(job, out=tmp_path / "watched", key="k")
    train(plain)
    train(replace(watched, training=replace(STEADY, eval_steps=2.0, save_steps=3, save_total_limit=2)))
    assert weights(plain.out) == weights(watched.out)
    assert log(plain, "start", "step") == log(watched, "start", "step")
    assert sorted(path.name for path in (watched.out / "steps").iterdir()) == ["000006", "000009"]


@pytest.mark.parametrize("metric", ["eval_loss", "worst/eval_loss"])
def test_the_stage_is_what_was_best(job, tmp_path, metric):
    training = replace(STEADY, eval_steps=3.0, load_best_model_at_end=True, metric_for_best_model=metric)
    train(replace(job, method=scripted([5.0, 1.0, 2.0, 3.0]), training=training))
    assert log(job, "best") == [{"event": "best", "step": 6, "metric_for_best_model": metric, "value": 1.0}]
    short = replace(job, out=tmp_path / "short", training=replace(STEADY, max_steps=6))
    train(short)
    assert weights(job.out) == weights(short.out)
    assert len(log(job, "step")) == 12


def test_the_last_may_be_the_best(job, tmp_path):
    training = replace(STEADY, eval_steps=5.0, load_best_model_at_end=True)
    train(replace(job, method=scripted([5.0, 2.0, 1.0]), training=training))
    assert log(job, "best")[0]["step"] == 12
    train(replace(job, out=tmp_path / "plain"))
    assert weights(job.out) == weights(tmp_path / "plain")


def test_training_stops_early_where_nothing_gets_better(job):
    training = replace(STEADY, eval_steps=2.0, early_stopping_patience=2)
    train(replace(job, method=scripted([3.0, 2.0, 2.0, 2.5, 1.0, 1.0]), training=training))
    assert [line["step"] for line in log(job, "held_out")] == [2, 4, 6, 8]
    assert len(log(job, "step")) == 8


def test_an_online_method_makes_what_is_trained_on_and_what_is_evaluated(job):
    asked = []

    def rollouts(model, step, examples: list[Example]) -> list[Example]:
        asked.append((step, len(examples)))
        return examples[:2]

    online = replace(job, method=sft, options=sft.Options(), rollouts=rollouts)
    train(replace(online, training=replace(STEADY, max_steps=2)))
    assert asked == [(1, 4), (2, 4), (2, 6)]
    assert log(job, "step")[0]["num_tokens"] > 0


def test_evaluation_without_held_out_preferences_is_refused(job):
    with pytest.raises(InputError, match="eval_steps: of 0 held-out preferences none"):
        train(replace(job, held_out=(), training=replace(STEADY, eval_steps=2.0)))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"eval_steps": 0.0}, "eval_steps"),
        ({"eval_steps": 2.5}, "eval_steps"),
        ({"eval_steps": -1.0}, "eval_steps"),
        ({"eval_steps": 2.0, "early_stopping_patience": 0}, "early_stopping_patience"),
        ({"early_stopping_patience": 1}, "early_stopping_patience needs eval_steps"),
        ({"load_best_model_at_end": True}, "load_best_model_at_end needs eval_steps"),
        ({"metric_for_best_model": "loss"}, 'metric_for_best_model must be .* not "loss"'),
        ({"save_steps": -1}, "save_steps"),
        ({"save_total_limit": 0}, "save_total_limit"),
    ],
)
def test_options_of_evaluation_out_of_range_are_refused(options, named):
    with pytest.raises(ValueError, match=named):
        Training(**options)
