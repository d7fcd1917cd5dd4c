"""A run under `torchrun`: process 0 does all of it, and the others take part in its trainings.

Process 0 holds the run's lock, plans, asks and writes; between two trainings the others wait to be told of the next.
Where one of them fails, the rest are told, or lose their way to it, and end as well.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from pluralign.engine.ranks import gathered, is_told, linked, own_rank, together
from pluralign.errors import PluralignError, RunError
from pluralign.run.execute import execute, stage_job
from pluralign.run.parts import Prepared, Rung
from pluralign.run.progress import named
from pluralign.train.loop import train

PATIENCE = timedelta(days=30)
"""How long processes wait for process 0 while it asks audits; one that has ended is noticed at once."""


def execute_together(prepare: Callable[[], Prepared], *, command: str) -> str | None:
    """Make what is missing of a run with all processes of torchrun; gives what to print, None in all but process 0.

    Raises: as `prepare` and `execute`; RunError where the processes do not see the same run, or one has ended.
    """
    with _joined() as waiting:
        prepared = together(prepare)
        _check_same(prepared)
        if own_rank() > 0:
            _follow(prepared, waiting)
            return None
        said = execute(prepared, command=command, announce=lambda stage: _tell(stage, waiting))
        _tell(None, waiting)
        return said


def is_own(error: PluralignError) -> bool:
    """Whether this process is the one to tell the user of `error`."""
    return int(os.environ["RANK"]) == 0 or not is_told(error)


@contextmanager
def _joined() -> Iterator[Any]:
    """The processes of torchrun as one group, each with a GPU where there are any; gives another group to wait in."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    yield distributed.new_group(backend="gloo", timeout=PATIENCE)
    distributed.destroy_process_group()


def _check_same(prepared: Prepared) -> None:
    keys = [(str(prepared.folder.resolve()), [rung.stage.key for rung in prepared.rungs])]
    for rank, theirs in enumerate(gathered(lambda: keys)):
        if theirs != keys:
            raise RunError(f"rank {rank} sees another run: every process must see the same files at the same place")


def _tell(stage: str | None, waiting: Any) -> None:
    with linked():
        distributed.broadcast_object_list([stage], src=0, group=waiting)


def _follow(prepared: Prepared, waiting: Any) -> None:
    """Take part in every training that process 0 tells of, until it has no more."""
    while True:
        heard: list[Any] = [None]
        with linked():
            distributed.broadcast_object_list(heard, src=0, group=waiting)
        if heard[0] is None:
            return
        rung: Rung = prepared.rung(heard[0])
        if rung.entry is None:
            raise ValueError(f"stage {heard[0]} is not one that is trained")
        with named(f"stage {rung.stage.name}"):
            train(stage_job(rung, prepared, rung.entry.partial(prepared.folder)))
