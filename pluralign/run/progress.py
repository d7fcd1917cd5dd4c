"""Progress on the terminal, and the name of what went wrong in it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pluralign.errors import PluralignError

Meter = Callable[..., None]
"""Called with `completed`, and optionally `total` and `note`, to move a progress bar."""


def bars() -> Progress:
    """Bars on a terminal; elsewhere one line as each thing is done."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )


@contextmanager
def bar(progress: Progress, what: str) -> Iterator[Meter]:
    """The bar of one thing, with a meter that moves it."""
    task = progress.add_task(what, total=None, note="")

    def move(*, completed: int = 0, total: int | None = None, note: str = "") -> None:
        if total is not None:
            progress.update(task, total=total)
        progress.update(task, completed=completed, note=note)

    yield move
    done = next(each for each in progress.tasks if each.id == task)
    progress.update(task, total=done.completed, completed=done.completed)
    if progress.disable:
        print(f"{what}: done ({done.completed:.0f} in {done.elapsed or 0:.0f} s)", file=sys.stderr, flush=True)


@contextmanager
def named(what: str) -> Iterator[None]:
    """Put the stage's or the audit's name before what went wrong in it."""
    try:
        yield
    except PluralignError as error:
        raise type(error)(f"{what}: {error}") from error
