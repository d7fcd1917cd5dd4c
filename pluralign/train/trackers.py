"""Trackers by name: where the numbers of a training go besides `log.jsonl`.

Names are those that transformers gives them there: `train/loss`, `eval/rewards/margins`, and by group
`train/group_losses/one`. A training that is taken up again goes on in its run there; what it tells twice are the same
numbers.
"""

import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralign.errors import InputError, RunError

PROJECT = "pluralign"
"""The project of runs, unless WANDB_PROJECT or TRACKIO_PROJECT says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a tracker is told before the first number.

    `folder`: where those that keep files keep them; `config`: the options of the training; `key`: what stands for all
    that it is made of, None where it is not known; `step`: optimiser steps that were taken before.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    key: str | None = None
    step: int = 0

    @property
    def resume(self) -> str:
        """Whether a run of the same name or id is gone on with, in the words that wandb and trackio share."""
        return "never" if self.key is None else "allow"


@dataclass(frozen=True, slots=True)
class Tracker:
    """One tracker at work: `log` takes the numbers of a step, `close` whether the training failed."""

    log: Callable[[dict[str, float], int], None]
    close: Callable[[bool], None]


Note = Callable[[Mapping[str, Any]], None]
"""Takes a record of the log, and gives its numbers to every tracker."""


def check_trackers(names: Sequence[str]) -> None:
    """Refuse trackers whose package is not installed. Raises: InputError that says how to install it."""
    for name in names:
        if name in OPENERS and importlib.util.find_spec(name) is None:
            raise InputError(f'report_to: "{name}" needs the package {name}: pip install "pluralign[{name}]"')


@contextmanager
def tracking(names: Sequence[str], session: Session) -> Iterator[Note]:
    """Open the trackers, and close them after the training; "jsonl" is the log itself and needs none.

    Raises: RunError where a tracker does not start, takes no more, or does not close.
    """
    with ExitStack() as stack:
        opened = {name: stack.enter_context(_open(name, session)) for name in names if name in OPENERS}

        def note(record: Mapping[str, Any]) -> None:
            if opened and "step" in record:
                found = metrics(record)
                for name, tracker in opened.items():
                    try:
                        tracker.log(found, record["step"])
                    except Exception as error:
                        raise RunError(f'report_to: "{name}": {error}') from error

        yield note


def metrics(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a record under trackers' names, all but its step."""
    return {_tag(path): value for path, value in _numbers(record) if path != ("step",)}


def _tag(path: tuple[str, ...]) -> str:
    """The name of a number by the way to it in a record, where "languages" may stand before the measure's own name."""
    place = 1 if path[0] == "languages" else 0
    measure = path[place]
    kind = "eval" if measure.startswith("eval_") else "train"
    return "/".join((kind, *path[:place], measure.removeprefix("eval_"), *path[place + 1 :]))


def _numbers(record: Mapping[str, Any], within: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, within if name == "groups" else (*within, name))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*within, name), value


@contextmanager
def _open(name: str, session: Session) -> Iterator[Tracker]:
    try:
        tracker = OPENERS[name](session)
    except Exception as error:  # each tracker has errors of its own, of no common kind
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise RunError(f'report_to: "{name}" does not start: {reason}') from error
    try:
        yield tracker
    except BaseException as failed:
        try:
            tracker.close(True)
        except Exception as error:
            failed.add_note(f'report_to: "{name}" is not closed either: {error}')
        raise
    try:
        tracker.close(False)
    except Exception as error:
        raise RunError(f'report_to: "{name}" is not closed: {error}') from error


def _tensorboard(session: Session) -> Tracker:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(session.folder / "tensorboard"), purge_step=session.step + 1)
    writer.add_text("config", json.dumps(session.config, indent=2, default=str))

    def log(found: dict[str, float], step: int) -> None:
        for name, value in found.items():
            writer.add_scalar(name, value, step)

    return Tracker(log, lambda _failed: writer.close())


def _trackio(session: Session) -> Tracker:
    import trackio  # pyright: ignore[reportMissingImports]

    project = os.environ.get("TRACKIO_PROJECT", PROJECT)
    trackio.init(project=project, name=session.name, config=dict(session.config), resume=session.resume)
    return Tracker(lambda found, step: trackio.log(found, step=step), lambda _failed: trackio.finish())


def _wandb(session: Session) -> Tracker:
    import wandb  # pyright: ignore[reportMissingImports]

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=session.name,
        config=dict(session.config),
        id=session.key,
        resume=session.resume,
        dir=str(session.folder.resolve()),
    )
    return Tracker(lambda found, step: run.log(found, step=step), lambda failed: run.finish(exit_code=int(failed)))


OPENERS: Mapping[str, Callable[[Session], Tracker]] = {
    "tensorboard": _tensorboard,
    "trackio": _trackio,
    "wandb": _wandb,
}
