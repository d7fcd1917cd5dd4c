"""Trains stages, killed at moments of our choice and begun again until they are whole; then says what came of it.

    python crashes.py BASE FOLDER CASES.json

The file holds, for trainings of `crashing.py` by name, lists of cases. A case is a list: of each attempt, the write at
which the process ends itself with SIGKILL, as a share of all writes of an attempt that nothing ends ("0.3"), or of
which half reaches the disk first ("0.3 torn"), or from which on the disk is full ("0.3 full"), or seconds after which
it is killed from outside ("0.2 s"), or "" for nothing. For an attempt that nothing ends, and then for every case, a
line of JSON is printed.
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
from dataclasses import replace
from pathlib import Path

import torch
from crashing import JOBS

from pluralign import store
from pluralign.errors import RunError
from pluralign.train import beginning, checkpoint, loop, reference_cache
from pluralign.train.journal import Journal

ENTRY = store.Entry("stages", "stage", {"training": "crashes"})
JobOf = Callable[[Path, Path], loop.Job]


class Fate:
    """Counts what a process writes in `run`, and ends it at the chosen write. Snapshots from before it are durable."""

    def __init__(self, plan: str, of: int, run: Path) -> None:
        self.writes = 0
        self.last = 1 + int(float(plan.split(maxsplit=1)[0]) * of) if plan and not plan.endswith("s") else None
        self.way = plan.partition(" ")[2]
        kept = [path.stat() for path in run.glob("stages/*/steps/*/*")]
        self.durable: dict[int, int] = {status.st_ino: status.st_size for status in kept}

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


def attempt(job: JobOf, base: Path, run: Path, plan: str, of: int) -> int:
    """One process's work, `of` writes where nothing ends it; gives its exit status: 0 for whole, 3 for an error."""
    torch.set_num_threads(1)
    reference_cache.PART_TOKENS = 100
    fate = Fate(plan, of, run)
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
            loop.train(replace(job(base, partial), key=ENTRY.key))
    except RunError as error:
        (run / "error").write_text(str(error))
        return 3
    (run / "writes").write_text(str(fate.writes))
    return 0


def fork(job: JobOf, base: Path, run: Path, plan: str, of: int) -> int:
    """`attempt` in a process of its own; gives its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            status = attempt(job, base, run, plan, of)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            status = 1
        sys.stderr.flush()
        os._exit(status)
    if plan.endswith("s"):
        time.sleep(float(plan.split(maxsplit=1)[0]))
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def case(job: JobOf, base: Path, run: Path, plans: list[str], of: int = 0) -> dict:
    """Make all attempts; what they ended as, and what stands on disk then."""
    shutil.rmtree(run, ignore_errors=True)
    (run / "stages").mkdir(parents=True)
    ends = [fork(job, base, run, plan, of) for plan in plans]
    made = ENTRY.folder(run)

    def read(path: Path) -> str:
        return path.read_text() if path.exists() else ""

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    news = read(run / "stages" / "news").splitlines()
    return {
        "ends": ends,
        "weights": {str(path.relative_to(made)): digest(path) for path in made.rglob("*.safetensors")},
        "log": read(made / "log.jsonl"),
        "left": sorted(path.name for path in made.glob("*") if path.is_dir()),
        "taken_up": [int(line.split()[0]) for line in news if line.endswith("taken up")],
        "error": read(run / "error"),
        "writes": int(read(run / "writes") or 0),
    }


if __name__ == "__main__":
    base, runs = map(Path, sys.argv[1:3])
    for name, cases in json.loads(Path(sys.argv[3]).read_text()).items():
        whole = case(JOBS[name], base, runs / name / "whole", [""])
        print(json.dumps(whole), flush=True)
        for number, plans in enumerate(cases):
            found = case(JOBS[name], base, runs / name / str(number), plans, whole["writes"])
            print(json.dumps(found), flush=True)
