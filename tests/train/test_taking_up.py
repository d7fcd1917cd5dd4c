"""What a training goes on from: the newest whole snapshot of the same job, and the log up to there."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pluralign.errors import RunError
from pluralign.methods import dpo, reward, sft
from pluralign.records.training import Training
from pluralign.train.loop import Job, train

TRAINING = Training(learning_rate=3e-3, batch_size=4, num_train_epochs=3.0, eval_steps=3.0, save_steps=2)
LORA = replace(TRAINING, lora_r=2)


@pytest.fixture
def job(job):
    return replace(job, training=TRAINING, held_out=job.held_out[:4], key="the job")


class CutError(Exception):
    """Stands for whatever ends a process."""


def cut(job: Job, after: int) -> list[int]:
    """Train until `after` steps are done, and no further; gives the steps that were told."""
    told: list[int] = []

    def tell(*, completed: int, **_: object) -> None:
        told.append(completed)
        if completed == after:
            raise CutError

    with pytest.raises(CutError):
        train(replace(job, on_step=tell))
    return told


def finish(job: Job) -> list[int]:
    """Train to the end; gives the steps that were told."""
    told: list[int] = []
    train(replace(job, on_step=lambda **news: told.append(news["completed"])))
    return told


def left(job: Job) -> tuple[bytes, bytes]:
    """Weights and log."""
    return (job.out / "model.safetensors").read_bytes(), (job.out / "log.jsonl").read_bytes()


@pytest.fixture
def whole(job, tmp_path):
    at_once = replace(job, out=tmp_path / "at_once")
    train(at_once)
    return left(at_once)


def snapshots(job: Job) -> list[str]:
    return sorted(path.name for path in (job.out / "steps").iterdir())


@pytest.mark.parametrize(("method", "training"), [(sft, TRAINING), (reward, TRAINING), (dpo, TRAINING), (dpo, LORA)])
@pytest.mark.parametrize("after", [1, 5])
def test_a_training_that_was_cut_ends_as_if_it_had_not_been(job, tmp_path, method, training, after):
    job = replace(job, method=method, options=method.Options(), training=training)
    at_once = replace(job, out=tmp_path / "at_once")
    train(at_once)
    cut(job, after)
    assert finish(job)[0] == {1: 1, 5: 4}[after]
    assert left(job) == left(at_once)


def test_cut_again_and_again(job, whole):
    assert [cut(job, after)[0] for after in (3, 4, 7, 8)] == [1, 2, 4, 6]
    assert snapshots(job) == ["000008"]
    finish(job)
    assert left(job) == whole


def test_lines_behind_the_snapshot_and_torn_ones_are_dropped(job, whole):
    cut(job, 5)
    with (job.out / "log.jsonl").open("ab") as file:
        file.write(b'{"event": "step", "step": 6, "lo')
    finish(job)
    assert left(job) == whole


@pytest.mark.parametrize("missing", ["DONE", "the key", "the log", "the folder's name"])
def test_what_is_no_snapshot_of_the_job_is_not_gone_on_from(job, whole, missing):
    cut(job, 5)
    found = job.out / "steps" / "000004"
    if missing == "DONE":
        (found / "DONE").unlink()
    elif missing == "the log":
        (job.out / "log.jsonl").write_bytes(b"{}\n")
    elif missing == "the folder's name":
        found.rename(found.with_name(".000004.writing"))
    if missing == "the key":
        cut(replace(job, key="another"), 1)
        assert snapshots(job) == []
    assert finish(job)[0] == 1
    assert left(job) == whole


def test_a_job_without_a_key_begins_anew(job, whole):
    cut(job, 5)
    assert finish(replace(job, key=None))[0] == 1
    assert left(job) == whole


def test_a_damaged_snapshot_gives_way_to_the_one_before(job, whole):
    job = replace(job, training=replace(TRAINING, save_total_limit=3))
    cut(job, 7)
    assert snapshots(job) == ["000002", "000004", "000006"]
    (job.out / "steps" / "000006" / "DONE").unlink()
    assert finish(job)[0] == 4
    assert left(job) == whole


@pytest.mark.parametrize("damage", ["torn", "gone", "another release"])
def test_a_snapshot_that_cannot_be_read_is_told(job, damage):
    cut(job, 5)
    memory = job.out / "steps" / "000004" / "memory.pt"
    if damage == "torn":
        memory.write_bytes(memory.read_bytes()[:40])
    elif damage == "gone":
        memory.unlink()
    else:
        memory.write_bytes(b"cno_such_module\nThing\n.")
    with pytest.raises(RunError, match=rf"{memory.parent}: memory.pt cannot be read \(.*; delete the folder"):
        finish(job)


def test_the_best_is_kept_beside_the_newest(job, tmp_path):
    training = replace(TRAINING, load_best_model_at_end=True, num_train_epochs=4.0)
    job, at_once = replace(job, training=training), replace(job, training=training, out=tmp_path / "at_once")
    train(at_once)
    best = json.loads((at_once.out / "log.jsonl").read_text().splitlines()[-1])
    assert best["event"] == "best"
    cut(job, 11)
    kept = {int(name) for name in snapshots(job)}
    assert max(kept) == 10
    assert len(kept) <= 2
    shutil.copytree(job.out, tmp_path / "copy")
    finish(job)
    assert left(job) == left(at_once)
    copy = replace(job, out=Path(tmp_path / "copy"))
    finish(copy)
    assert left(copy) == left(at_once)
