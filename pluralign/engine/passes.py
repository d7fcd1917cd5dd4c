"""Work cut into forward passes, and cut smaller where memory does not suffice."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch import nn

from pluralign.engine.memory import out_of_memory, remember_room, room
from pluralign.engine.packing.pack import Pack
from pluralign.engine.plain import Rows

BatchT = TypeVar("BatchT", Pack, Rows)
FoundT = TypeVar("FoundT")


def in_passes(
    model: nn.Module,
    work: Sequence[Any],
    plan: Callable[[Sequence[Any], int], list[BatchT]],
    run: Callable[[BatchT], FoundT],
    token_budget: int,
) -> list[FoundT]:
    """What `run` finds in each of the batches that `plan` makes of `work` under the budget, in order.

    Where a batch runs out of memory, it and what is left are planned anew with half its tokens; what was found stays.
    Later calls with this `model` begin with no more than that.

    Raises: torch.OutOfMemoryError (of a CPU's memory: RuntimeError, MemoryError) where the smallest batch does not fit.
    """
    found: list[FoundT] = []
    waiting = list(work)
    token_budget = room(model, token_budget)
    while waiting:
        planned = plan(waiting, token_budget)
        waiting = []
        for index, batch in enumerate(planned):
            failure = _attempt(run, batch, found)
            if failure is None:
                continue
            waiting = [piece for later in planned[index:] for piece in later.work]
            token_budget = batch.tokens // 2
            if token_budget < 1 or len(plan(batch.work, token_budget)) == 1:
                raise failure
            remember_room(model, token_budget)
            break
    return found


def _attempt(run: Callable[[BatchT], FoundT], batch: BatchT, found: list[FoundT]) -> BaseException | None:
    """Run and keep what is found. The error comes back without its frames, which hold the memory of what failed."""
    try:
        found.append(run(batch))
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return error.with_traceback(None)
    return None
