"""Trackers are told what the log is told, under their own names; those that are not installed are refused at once."""

import importlib.util
import inspect
import json
import sys
from dataclasses import replace
from types import ModuleType

import pytest

from pluralign.data.template import PLAIN
from pluralign.errors import InputError, RunError
from pluralign.methods import dpo
from pluralign.records.preference import Preference
from pluralign.records.training import Training
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read
from pluralign.train import trackers
from pluralign.train.loop import Job, train
from pluralign.train.trackers import Session, check_trackers, metrics, tracking
from pluralign.weightings import uniform

PREFERENCES = tuple(
    Preference(prompt=f"{word} is ", chosen="in", rejected="at", group=word[0], prompt_id=word, source="test")
    for word in ("the", "a", "to", "at", "two", "an")
)


@pytest.fixture(scope="module")
def base(tiny, tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("base"), "llama", bos=True)


@pytest.fixture
def job(base, tmp_path):
    return Job(
        method=dpo,
        options=dpo.Options(beta=0.2),
        training=Training(learning_rate=1e-3, batch_size=2, max_steps=2, warmup_ratio=0.0),
        parent=base,
        preferences=PREFERENCES[:4],
        held_out=PREFERENCES[4:],
        weighting=uniform,
        seed=7,
        template=PLAIN,
        out=tmp_path / "out",
        run_name="test-dpo",
        device="cpu",
    )


def session(tmp_path, **changes):
    return replace(Session(name="a run", folder=tmp_path, config={"beta": 0.1}), **changes)


def log(job):
    return [json.loads(line) for line in (job.out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


class Told:
    """What a tracker in the place of wandb or trackio was told; it has the call signatures that those have."""

    def __init__(self):
        self.calls = []

    def wandb(self) -> ModuleType:
        """As wandb: `init` gives a run, which has `log` and `finish`."""
        module, told = ModuleType("wandb"), self.calls

        class Run:
            def log(self, data, step=None, commit=None):
                told.append(("log", step, data))

            def finish(self, exit_code=None, quiet=None):
                told.append(("finish", exit_code))

        def init(entity=None, project=None, dir=None, id=None, name=None, config=None, reinit=None, resume=None):
            told.append(("init", project, name, config, resume, id))
            return Run()

        module.init = init
        return module

    def trackio(self) -> ModuleType:
        """As trackio: `init`, `log` and `finish` are functions of the module."""
        module, told = ModuleType("trackio"), self.calls

        def init(project, name=None, group=None, space_id=None, config=None, resume="never"):
            told.append(("init", project, name, config, resume, None))

        def log(metrics, step=None):
            told.append(("log", step, metrics))

        def finish():
            told.append(("finish", 0))

        module.init, module.log, module.finish = init, log, finish
        return module


@pytest.fixture
def told(monkeypatch):
    """All packages of trackers in the place of the real ones."""
    made = Told()
    real = importlib.util.find_spec
    for name in ("wandb", "trackio"):
        monkeypatch.setitem(sys.modules, name, getattr(made, name)())
        monkeypatch.delenv(f"{name.upper()}_PROJECT", raising=False)
    monkeypatch.setattr(
        trackers.importlib.util, "find_spec", lambda name, *other: name in ("wandb", "trackio") or real(name, *other)
    )
    return made


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_is_told_every_step_and_evaluation_under_transformers_names(job, told, name):
    train(replace(job, training=replace(job.training, report_to=("jsonl", name), eval_steps=1.0)))
    (init, *logged, finish) = told.calls
    assert init[:3] == ("init", "pluralign", "test-dpo")
    assert init[3]["beta"] == 0.2
    assert init[3]["learning_rate"] == 1e-3
    assert (init[3]["method"], init[3]["seed"]) == ("dpo", 7)
    assert init[4] == "never"
    assert finish == ("finish", 0)
    records = [record for record in log(job) if "step" in record]
    assert [call[1] for call in logged] == [record["step"] for record in records] == [1, 1, 2, 2]
    step, evaluation = logged[0][2], logged[1][2]
    assert step["train/loss"] == records[0]["loss"]
    assert step["train/rewards/margins"] == records[0]["rewards/margins"]
    assert {f"train/group_losses/{group}": value for group, value in records[0]["group_losses"].items()}.items() <= (
        step.items()
    )
    assert evaluation["eval/loss"] == records[1]["eval_loss"]
    assert evaluation["eval/rewards/accuracies/t"] == records[1]["groups"]["eval_rewards/accuracies"]["t"]
    for found in (step, evaluation):
        assert "train/step" not in found
        assert all(isinstance(value, int | float) for value in found.values())


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_training_that_is_known_by_a_key_goes_on_in_its_run(told, tmp_path, name):
    with tracking((name,), session(tmp_path, key="abc", step=4)):
        pass
    assert told.calls[0][4] == "allow"
    assert told.calls[0][5] == ("abc" if name == "wandb" else None)


def test_a_record_becomes_flat_numbers():
    record = {
        "step": 3,
        "loss": 0.5,
        "group_losses": {"a": 1.0},
        "autocast": None,
        "best": True,
        "metric_for_best_model": "eval_loss",
    }
    assert metrics(record) == {"train/loss": 0.5, "train/group_losses/a": 1.0}
    found = {"step": 3, "eval_loss": 0.25, "groups": {"eval_loss": {"a": 0.125}}}
    assert metrics(found) == {"eval/loss": 0.25, "eval/loss/a": 0.125}
    by_language = {"step": 3, "languages": {"eval_reward": {"de": 0.5}, "reward": {"eval_x": 1.0}}}
    assert metrics(by_language) == {"eval/languages/reward/de": 0.5, "train/languages/reward/eval_x": 1.0}


def test_what_was_best_is_no_number_of_a_step(job, told):
    training = replace(job.training, report_to=("wandb",), eval_steps=1.0, load_best_model_at_end=True)
    train(replace(job, training=training))
    assert [record["event"] for record in log(job)][-1] == "best"
    logged = [call for call in told.calls if call[0] == "log"]
    assert [step for _, step, _ in logged] == [1, 1, 2, 2]
    assert not any("train/value" in found for _, _, found in logged)


def test_a_tracker_that_does_not_close_is_named_and_hides_no_other_failure(told, tmp_path, monkeypatch):
    def refuse(**_):
        raise ConnectionError("gone")

    def track(failure: Exception | None = None):
        with tracking(("trackio",), session(tmp_path)):
            if failure is not None:
                raise failure

    monkeypatch.setattr(sys.modules["trackio"], "finish", refuse)
    with pytest.raises(RunError, match='report_to: "trackio" is not closed: gone'):
        track()
    with pytest.raises(RunError, match="no number") as caught:
        track(RunError("no number"))
    assert caught.value.__notes__ == ['report_to: "trackio" is not closed either: gone']


def test_a_tracker_is_closed_as_failed_when_the_training_fails(job, told, monkeypatch):
    def fail(*_, **__):
        raise RunError("no number")

    monkeypatch.setattr("pluralign.train.loop.gather_gradients", fail)
    with pytest.raises(RunError, match="no number"):
        train(replace(job, training=replace(job.training, report_to=("wandb",))))
    assert told.calls[-1] == ("finish", 1)


def test_a_tracker_that_does_not_start_is_named_and_the_others_are_closed(told, tmp_path, monkeypatch):
    def refuse(**_):
        raise ValueError("no API key configured\nuse wandb login")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    with (
        pytest.raises(RunError, match=r'report_to: "wandb" does not start: no API key configured$'),
        tracking(("trackio", "wandb"), session(tmp_path)),
    ):
        pass
    assert [call[0] for call in told.calls] == ["init", "finish"]


def test_a_tracker_that_takes_no_more_is_named(told, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError(101, "Network is unreachable")

    monkeypatch.setattr(sys.modules["trackio"], "log", refuse)
    with (
        pytest.raises(RunError, match=r'report_to: "trackio": .*Network is unreachable'),
        tracking(("trackio",), session(tmp_path)) as note,
    ):
        note({"event": "step", "step": 1, "loss": 0.5})


def test_the_project_is_that_of_the_environment(told, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "ours")
    monkeypatch.setenv("TRACKIO_PROJECT", "theirs")
    with tracking(("wandb", "trackio"), session(tmp_path)):
        pass
    assert [call[1] for call in told.calls if call[0] == "init"] == ["ours", "theirs"]


def test_the_log_alone_needs_no_tracker(tmp_path):
    with tracking(("jsonl",), session(tmp_path)) as note:
        note({"step": 1, "loss": 1.0})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_a_tracker_that_is_not_installed_is_refused_with_what_to_install(monkeypatch, name):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(InputError, match=rf'report_to: "{name}" needs the package {name}: pip .*"pluralign\[{name}\]"'):
        check_trackers(("jsonl", name))


RUN = """
base = "{base}"
[data.voices]
rows = "{rows}"
[[stage]]
name = "dpo"
method = "dpo"
data = "voices"
report_to = {report_to}
"""


@pytest.mark.parametrize(
    ("report_to", "message"),
    [
        ('["wandbb"]', r'stage "dpo".*unknown tracker "wandbb"; did you mean "wandb"'),
        ('["jsonl", "trackio"]', r'stage "dpo": report_to: "trackio" needs the package trackio'),
    ],
)
def test_a_run_file_is_refused_before_anything_is_computed(tmp_path, base, monkeypatch, report_to, message):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda *_: None)
    rows = tmp_path / "rows.jsonl"
    columns = ("prompt", "chosen", "rejected", "prompt_id", "group")
    rows.write_text("".join(json.dumps({name: getattr(each, name) for name in columns}) + "\n" for each in PREFERENCES))
    path = tmp_path / "run.toml"
    path.write_text(RUN.format(base=base, rows=rows, report_to=report_to), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        prepare(read(path), tmp_path / "runs")


def test_tensorboard_reads_what_was_told(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tracking(("tensorboard",), session(tmp_path)) as note:
        for step in (1, 2, 3):
            note({"step": step, "loss": 1.0 / step, "group_losses": {"a": 2.0}})
    with tracking(("tensorboard",), session(tmp_path, step=1)) as note:
        note({"step": 2, "loss": 5.0})
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in found.Scalars("train/loss")] == [(1, 1.0), (2, 5.0)]
    assert "train/group_losses/a" in found.Tags()["scalars"]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_the_real_ones_take_the_calls_that_are_made(name):
    module = pytest.importorskip(name)
    inspect.signature(module.init).bind(project="p", name="n", config={}, resume="never")
    if name == "wandb":
        inspect.signature(module.init).bind(project="p", name="n", config={}, id="i", resume="allow", dir="d")
        inspect.signature(module.Run.log).bind(None, {}, step=1)
        inspect.signature(module.Run.finish).bind(None, exit_code=1)
    else:
        inspect.signature(module.log).bind({}, step=1)
        inspect.signature(module.finish).bind()
