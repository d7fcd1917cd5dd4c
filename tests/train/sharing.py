"""Trains stages in one process and in several; prints of every case how each process ended and what it said.

    python sharing.py FOLDER CASES.json

A case holds its name, the folders of `models`, how many `ranks`, the names of `method` and `weighting`, `options` of
the method, options of `training`, which of the models are `parent` ("base" unless given) and `reference`, whether
FOLDER/judge is `judged` by (beside a function, or "as one" with it), and how it ends early: `fails`, which rank fails
in which way ("lesson", "render": when it has read the parent, "place": before a model is dealt out, "loss", "memory",
"killed", "fsync": killed when it makes something durable, "full": the disk is full then, "reward", "asked": no memory
in a pass of a model in shards) at its which call; or `killed`, the ranks that are killed from outside when the log has
so many lines. A process is forked for every rank; the stage is left in
FOLDER/NAME, and what the first process was told of its steps in FOLDER/NAME.news. Of a case that is `watched`,
FOLDER/NAME.RANK has a line for each model that the process read ("read"), for each weight that it dealt out or was
dealt ("dealt"), and for each model that it held at a step ("held").
"""

import errno
import gc
import json
import math
import os
import signal
import sys
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import install_import_hook
from torch import distributed
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

with install_import_hook("pluralign", "beartype.beartype"):
    from pluralign.engine.loading import load
    from pluralign.train import beginning, loop, parallel, rewarding, rollouts, spread

from pluralign.data.template import PLAIN
from pluralign.engine.ranks import is_told, own_rank
from pluralign.engine.writing.sampling import sample
from pluralign.errors import InputError
from pluralign.records.preference import Preference
from pluralign.records.training import Training
from pluralign.train.judge import Judge

TEXTS = [("one", "a", "b"), ("two", "b", "a"), ("three", "c", "b")]


def preference(number: int) -> Preference:
    group, letter, other = TEXTS[number % 3]
    return Preference(
        prompt=f"{group} the {'x' * (number % 5)} ",
        chosen=letter * (3 + number % 7),
        rejected=other * (9 - number % 4),
        group=group,
        prompt_id=str(number),
        source="test",
    )


def letters(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """The share of the letters a to m."""
    return [sum("a" <= letter <= "m" for letter in text) / 8 for text in completions]


class Server:
    """Writes what the engine writes, and notes who asked."""

    def __init__(self, asked: Path) -> None:
        self.asked = asked

    def write(self, model: Any, tokenizer: Any, prompts: Any, seeds: Any, sampling: Any) -> Any:
        with self.asked.open("a") as file:
            file.write(f"{own_rank()} {len(prompts)}\n")
        return sample(model, tokenizer, prompts, seeds, sampling)


def online(job: loop.Job, case: dict[str, Any]) -> loop.Job:
    reward = rewarding.FunctionReward(name="letters", function=letters)
    rewards: list[Any] = [reward]
    if case.get("judged"):
        folder = job.out.with_name("judge")
        judge: Any = rewarding.ModelReward.load("judge", folder, template=PLAIN, device="cpu")
        as_one = rewarding.MeanReward(name="judge", members=(judge, reward))
        rewards.append(as_one if case["judged"] == "as one" else judge)
    made: Any = rollouts.make_rollouts(job, rewards)
    if case.get("served"):
        object.__setattr__(made, "server", Server(job.out.with_name(f"{job.out.name}.asked")))
    return replace(job, rollouts=made)


class Watch:
    """Notes what a process has of every model: its bytes here, and those of the whole."""

    def __init__(self, out: Path) -> None:
        self.notes = out.with_name(f"{out.name}.{own_rank()}")
        self.dealt = spread.distribute_tensor
        spread.distribute_tensor = self._deal
        self.read = load.read_weights
        load.read_weights = self._read

    def held(self) -> None:
        """Note what every causal model and classifier in memory has of its weights."""
        gc.collect()
        models = [each for each in gc.get_objects() if issubclass(type(each), PreTrainedModel)]
        for model in models:
            if type(model).__name__.endswith(("CausalLM", "Classification")):
                self._note("held", model, sum(map(_bytes_here, model.parameters())))

    def _deal(self, tensor: torch.Tensor, *rest: Any) -> Any:
        self._say({"what": "dealt", "here": tensor.nbytes})
        return self.dealt(tensor, *rest)

    def _read(self, *given: Any, **named: Any) -> Any:
        model, tokenizer = self.read(*given, **named)
        self._note("read", model, sum(map(_bytes_here, model.parameters())))
        return model, tokenizer

    def _note(self, what: str, model: PreTrainedModel, here: int) -> None:
        whole = sum(weight.numel() * weight.element_size() for weight in model.parameters())
        largest = max(weight.numel() * weight.element_size() for weight in model.parameters())
        kind = type(model).__name__
        self._say({"what": what, "model": kind, "here": here, "whole": whole, "largest": largest})

    def _say(self, note: dict[str, Any]) -> None:
        with self.notes.open("a") as file:
            file.write(json.dumps(note) + "\n")


def _bytes_here(weight: torch.Tensor) -> int:
    here = weight.to_local() if isinstance(weight, DTensor) else weight
    return 0 if here.is_meta else here.numel() * here.element_size()


def tell(news: Path, watch: Watch | None, *, completed: int, note: str, **_: int) -> None:
    if watch is not None:
        watch.held()
    if own_rank() == 0:
        with news.open("a") as file:
            file.write(f"{completed} {note}\n")


def job(case: dict[str, Any], out: Path) -> loop.Job:
    watch = Watch(out) if case.get("watched") else None
    method = import_module(f"pluralign.methods.{case['method']}")
    found = loop.Job(
        method=method,
        options=method.Options(**case.get("options", {})),
        training=Training(**case["training"]),
        parent=case["models"][case.get("parent", "base")],
        reference=case["models"][case["reference"]] if "reference" in case else None,
        preferences=tuple(map(preference, range(20))),
        held_out=tuple(map(preference, range(20, 27))),
        weighting=import_module(f"pluralign.weightings.{case['weighting']}"),
        seed=0,
        template=PLAIN,
        out=out,
        key=case.get("key"),
        on_step=partial(tell, out.with_name(f"{out.name}.news"), watch),
        device="cpu",
    )
    return online(found, case) if case["method"] == "rloo" else found


def spoil(what: str, at: int) -> None:
    """Have this process fail at its call number `at` of what the case says."""
    calls = 0
    losses = Judge.losses

    def spoilt(judge: Judge, examples: Any) -> Any:
        nonlocal calls
        calls += 1
        found = losses(judge, examples)
        if calls >= at and what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if calls >= at and what == "loss":
            found.per_pair.data.fill_(float("nan"))
        if calls >= at and what == "memory":
            raise torch.OutOfMemoryError("none left")
        return found

    def refuse(*_: Any) -> Any:
        raise InputError("no such model")

    def fsync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= at and what == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if calls >= at:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(handle)

    def starved(shards: parallel.Shards, forks: Any, *, trial: bool = False) -> Any:
        nonlocal calls
        calls += 1
        if calls >= at:
            raise torch.OutOfMemoryError("none left")
        return run(shards, forks, trial=trial)

    run = parallel.Shards.forward
    sync = os.fsync
    if what in ("fsync", "full"):
        os.fsync = fsync
    elif what == "lesson":
        loop.begin = refuse
    elif what == "render":
        beginning.render_lesson = refuse
    elif what == "place":
        spread.pick_device = refuse
    elif what == "asked":
        parallel.Shards.forward = starved
    elif what == "reward":
        rewarding.FunctionReward.rewards = lambda _, written: [(math.nan,) * len(one.texts) for one in written]
    else:
        Judge.losses = spoilt


def take_part(meeting: Path, rank: int, case: dict[str, Any], out: Path) -> None:
    if case["ranks"] > 1:
        place, ranks = f"file://{meeting}", case["ranks"]
        distributed.init_process_group(
            "gloo", init_method=place, rank=rank, world_size=ranks, timeout=timedelta(hours=1)
        )
    if "fails" in case and case["fails"][0] == rank:
        spoil(*case["fails"][1:])
    loop.train(job(case, out))
    if case["ranks"] > 1:
        distributed.destroy_process_group()


def fork(folder: Path, number: int, rank: int, case: dict[str, Any]) -> int:
    """Start a process for one rank of case `number`; what it says of an error is in a file of its own."""
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        take_part(folder / f"{number}.meeting", rank, case, folder / case["name"])
    except BaseException as error:
        said = {"error": f"{type(error).__name__}: {error}", "told": is_told(error)}
        (folder / f"{number}.{rank}").write_text(json.dumps(said))
        os._exit(3)
    os._exit(0)


def kill(children: list[int], out: Path, lines: int) -> None:
    """End processes as soon as the log in `out` has so many lines, or in the end."""
    log, latest = out / "log.jsonl", time.monotonic() + 60
    while time.monotonic() < latest and not (log.exists() and log.read_bytes().count(b"\n") >= lines):
        time.sleep(0.001)
    for child in children:
        os.kill(child, signal.SIGKILL)


def main(folder: Path, cases: list[dict[str, Any]]) -> None:
    torch.set_num_threads(1)
    for number, case in enumerate(cases):
        began = time.monotonic()
        children = [fork(folder, number, rank, case) for rank in range(case["ranks"])]
        if "killed" in case:
            kill([children[rank] for rank in case["killed"]["ranks"]], folder / case["name"], case["killed"]["lines"])
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        files = [folder / f"{number}.{rank}" for rank in range(case["ranks"])]
        said = [json.loads(file.read_text()) if file.exists() else None for file in files]
        print(json.dumps({"ends": ends, "said": said, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
