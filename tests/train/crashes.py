"""Trains one stage, killed at moments of our choice and begun again until it is whole; then says what came of it.

    python crashes.py BASE FOLDER CASES.json

A case is a list: of each attempt, the write at which the process ends itself with SIGKILL, as a share of all writes of
an attempt that nothing ends ("0.3"), or of which half reaches the disk first ("0.3 torn"), or from which on the disk is
full ("0.3 full"), or seconds after which it is killed from outside ("0.2 s"), or "" for nothing. For an attempt that
nothing ends, and then for every case, a line of JSON is printed.
"""

import hashlib
import json
import os
import resource
import shutil
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch

from pluralign import store
from pluralign.data.template import PLAIN
from pluralign.errors import RunError
from pluralign.methods import dpo
from pluralign.records.preference import Preference
from pluralign.records.training import Training
from pluralign.train import beginning, checkpoint, loop, reference_cache
from pluralign.train.journal import Journal
from pluralign.train.reference_cache import ReferenceCache

TRAINING = Training(
    learning_rate=3e-3,
    batch_size=4,
    num_train_epochs=3.0,
    eval_steps=3,
    load_best_model_at_end=True,
    metric_for_best_model="worst/eval_loss",
    save_steps=2,
)
ENTRY = store.Entry("stages", "dpo", {"training": "crashes"})


def weigh(state, losses, options):
    """Weights that remember how often they were asked for, and depend on chance."""
    asked = 1 if state is None else state["asked"] + 1
    drawn = torch.rand(len(losses.groups), dtype=torch.float64)
    last = drawn if state is None else state["last"]
    return losses.shares * (1 + 0.1 * asked + 0.5 * drawn + 0.25 * last), {"asked": asked, "last": drawn}


def job(base: Path, out: Path) -> loop.Job:
    restless = ModuleType("restless")
    restless.__dict__.update(NEEDS="shares", VERSION=1, weigh=weigh)
    texts = [("one", "a", "b"), ("two", "b", "a")]
    preferences = [
        Preference(
            prompt=f"{group} the {'x' * (number % 5)} ",
            chosen=letter * (3 + number % 4),
            rejected=other * 9,
            group=group,
            prompt_id=str(number),
            source="test",
        )
        for number in range(20)
        for group, letter, other in [texts[number % 2]]
    ]

    def tell(*, completed: int, note: str, **_: int) -> None:
        with out.with_name("news").open("a") as file:
            file.write(f"{completed} {note}\n")

    return loop.Job(
        method=dpo,
        options=dpo.Options(),
        training=TRAINING,
        parent=base,
        preferences=preferences[:12],
        held_out=preferences[12:],
        weighting=restless,
        seed=3,
        template=PLAIN,
        out=out,
        key=ENTRY.key,
        cache=ReferenceCache(run=out.parents[1], name="base", made_of={"training": "crashes"}),
        on_step=tell,
        device="cpu",
    )


class Fate:
    """Counts what a process writes, and ends it at the write that was chosen."""

    def __init__(self, plan: str, of: int) -> None:
        self.writes = 0
        self.last = 1 + int(float(plan.split(maxsplit=1)[0]) * of) if plan and not plan.endswith("s") else None
        self.way = plan.partition(" ")[2]
        self.durable: dict[int, int] = {}

    def watch(self, place: object, name: str) -> None:
        """Count calls of `place.name`, each before it is made."""
        make: Callable[..., object] = getattr(place, name)

        def watched(*given, **named):
            self.writes += 1
            if self.writes == self.last:
                self.strike(name, given)
            if name == "fsync":
                status = os.fstat(given[0])
                self.durable[status.st_ino] = status.st_size
            return make(*given, **named)

        setattr(place, name, watched)

    def strike(self, name: str, given: tuple) -> None:
        if self.way == "full":
            largest = 20_000  # bytes: room for the log and no weights
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
            return
        if self.way == "torn" and name == "fsync" and stat.S_ISREG(os.fstat(given[0]).st_mode):
            status = os.fstat(given[0])
            safe = self.durable.get(status.st_ino, 0)
            os.truncate(f"/proc/self/fd/{given[0]}", safe + (status.st_size - safe) // 2)
        os.kill(os.getpid(), signal.SIGKILL)


def attempt(base: Path, run: Path, plan: str, of: int) -> int:
    """One process's work, `of` writes where nothing ends it; gives its exit status: 0 for whole, 3 for an error."""
    torch.set_num_threads(1)
    reference_cache.PART_TOKENS = 100
    fate = Fate(plan, of)
    for place, names in (
        (os, ("fsync", "rename", "mkdir", "unlink", "rmdir")),
        (checkpoint, ("save",)),
        (Journal, ("write",)),
        (loop, ("save",)),
        (beginning, ("_score",)),
    ):
        for name in names:
            fate.watch(place, name)
    try:
        with store.making(ENTRY, run, in_steps=True) as partial:
            loop.train(job(base, partial))
    except RunError as error:
        (run / "error").write_text(str(error))
        return 3
    (run / "writes").write_text(str(fate.writes))
    return 0


def fork(base: Path, run: Path, plan: str, of: int) -> int:
    """`attempt` in a process of its own; gives its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            status = attempt(base, run, plan, of)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            status = 1
        sys.stderr.flush()
        os._exit(status)
    if plan.endswith("s"):
        time.sleep(float(plan.split(maxsplit=1)[0]))
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def case(base: Path, run: Path, plans: list[str], of: int = 0) -> dict:
    """Make all attempts; what they ended as, and what stands on disk then."""
    shutil.rmtree(run, ignore_errors=True)
    (run / "stages").mkdir(parents=True)
    ends = [fork(base, run, plan, of) for plan in plans]
    made = ENTRY.folder(run)

    def read(path: Path) -> str:
        return path.read_text() if path.exists() else ""

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""

    news = read(run / "stages" / "news").splitlines()
    return {
        "ends": ends,
        "weights": digest(made / "model.safetensors"),
        "log": read(made / "log.jsonl"),
        "left": sorted(path.name for path in made.glob("*") if path.is_dir()),
        "taken_up": [int(line.split()[0]) for line in news if line.endswith("taken up")],
        "error": read(run / "error"),
        "writes": int(read(run / "writes") or 0),
    }


if __name__ == "__main__":
    base, runs = map(Path, sys.argv[1:3])
    whole = case(base, runs / "whole", [""])
    print(json.dumps(whole), flush=True)
    for number, plans in enumerate(json.loads(Path(sys.argv[3]).read_text())):
        print(json.dumps(case(base, runs / str(number), plans, whole["writes"])), flush=True)
