"""The processes of `torchrun`, one beside the other: what they tell each other, and scoring shared between them.

Whatever fails in one of them is raised in all, so that none waits for another that has ended. Where torch.distributed
is not started, there is one process, of rank 0, and nothing here does anything but call.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

from pluralign.engine.batches import TOKEN_BUDGET
from pluralign.engine.head import inner_model
from pluralign.engine.loading.load import max_tokens
from pluralign.engine.memory import out_of_memory
from pluralign.engine.scores import Scores, refuse_longer
from pluralign.errors import InputError, RunError
from pluralign.records.fork import Fork

T = TypeVar("T")
E = TypeVar("E", bound=Exception)
TOLD = "every process was told of this"
UNTOLD = "the other processes could not be told of this, and wait for this one in a pass"
LOST = ("gloo", "Connection closed by peer", "Connection reset by peer")
"""Words of errors of the network between processes."""
Failure = tuple[str, str]
"""The kind of an error ("input", "run", "memory" or "other") and what it says."""


def own_rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if _started() else 0


def count_ranks() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if _started() else 1


def together(work: Callable[[], T]) -> T:
    """What `work` gives here, once all processes have done theirs; `gathered` where the others' is wanted too.

    Raises: what `work` raises here; where it only fails elsewhere, an error of that kind that names the rank, and
    RunError where another process has ended.
    """
    value, _ = _exchange(work, all_values=False)
    return value


def gathered(work: Callable[[], T]) -> list[T]:
    """What `work` gives in each process, by rank. Raises: as `together`. What it gives must be picklable."""
    value, values = _exchange(work, all_values=True)
    return [value] if count_ranks() == 1 else values


def from_first(work: Callable[[], T]) -> T:
    """What `work` gives in process 0, in all; the others do not call it. Raises: as `together`."""
    return gathered(lambda: work() if own_rank() == 0 else None)[0]  # pyright: ignore[reportReturnType]


@contextmanager
def linked() -> Iterator[None]:
    """Around what processes do together: that another has ended is a RunError, instead of the network's own error."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and not any(word in str(error) for word in LOST):
            raise
        raise told(RunError("another process has ended; what it said of that stands above")) from error


@contextmanager
def in_pass() -> Iterator[None]:
    """Around a pass that processes make together, where what fails in one cannot be told, since the others wait."""
    try:
        with linked():
            yield
    except Exception as error:
        if count_ranks() > 1 and not is_told(error):
            error.add_note(UNTOLD)
        raise


def _exchange(work: Callable[[], T], *, all_values: bool) -> tuple[T, list[Any]]:
    if count_ranks() == 1:
        return work(), []
    value, failed = None, None
    try:
        value = work()
    except Exception as error:  # whatever it is, the others wait to be told
        if _bears(error, TOLD, UNTOLD):
            raise
        failed = error
    said: list[Any] = [None] * count_ranks()
    try:
        with linked():
            distributed.all_gather_object(said, (_failure(failed), value if all_values else None))
    except RunError:
        if failed is not None:
            raise failed from None
        raise
    _raise_any([failure for failure, _ in said], failed)
    return value, [each for _, each in said]  # pyright: ignore[reportReturnType]


def _failure(error: Exception | None) -> Failure | None:
    if error is None:
        return None
    if out_of_memory(error):
        return "memory", str(error)
    if isinstance(error, InputError | RunError):
        return ("input" if isinstance(error, InputError) else "run"), str(error)
    return "other", f"{type(error).__name__}: {error}"


def _raise_any(failures: Sequence[Failure | None], own: Exception | None) -> None:
    """Raise the worst that happened anywhere: what cannot be mended by smaller passes before what can."""
    worst = [rank for rank, failure in enumerate(failures) if failure and failure[0] != "memory"]
    short = [rank for rank, failure in enumerate(failures) if failure and failure[0] == "memory"]
    if not worst and not short:
        return
    rank = (worst or short)[0]
    kind, text = failures[rank] or ("other", "")
    if own is not None and (out_of_memory(own) or kind != "memory") and not (worst and out_of_memory(own)):
        raise told(own)
    kinds = {"input": InputError, "memory": torch.OutOfMemoryError}
    raise told(kinds.get(kind, RunError)(f"rank {rank}: {text}"))


def told(error: E) -> E:
    """The error, marked as one that every process raises by itself or has heard of."""
    if count_ranks() > 1:
        error.add_note(TOLD)
    return error


def is_told(error: BaseException | None) -> bool:
    """Whether all processes know of an error that was raised here, or of what it came from."""
    return _bears(error, TOLD)


def _bears(error: BaseException | None, *notes: str) -> bool:
    """Whether one of the notes stands on an error, or on what it came from."""
    return error is not None and (
        any(note in notes for note in getattr(error, "__notes__", ())) or _bears(error.__cause__, *notes)
    )


def total(values: Tensor) -> Tensor:
    """The sum of `values` over all processes, added up in place where there are several."""
    if count_ranks() > 1:
        with linked():
            distributed.all_reduce(values)
    return values


def sharded(
    score: Callable[..., Scores], model: nn.Module, forks: Sequence[Fork], *, token_budget: int = TOKEN_BUDGET
) -> Scores:
    """`score` (`logprobs` or `rewards`) of all forks, in their order, each process scoring a share of them.

    Every process gives the same forks and has the same weights; without gradients, since these do not pass between
    processes. Forks are dealt out by size, so that the shares are about even. Where torch.distributed is not started,
    or alone, it is `score` itself without gradients.

    Raises: InputError for a fork that is too long, by its number among `forks`; what `score` raises in any process.
    """
    with torch.no_grad():
        if count_ranks() == 1:
            return score(model, forks, token_budget=token_budget)
        inner = inner_model(model)
        refuse_longer(forks, None if inner is None else max_tokens(inner))

        def scored(places: list[int]) -> list[list[float]]:
            found = score(model, [forks[place] for place in places], token_budget=token_budget)
            return [values.tolist() for values, _ in found.split()]

        by_fork = shared(scored, _sizes(forks))
    return scores_of(by_fork, forks, next(model.parameters()).device)


def scores_of(by_fork: Sequence[Sequence[float]], forks: Sequence[Fork], device: torch.device) -> Scores:
    """The values of the completions of each fork as scores on the device."""
    flat = [value for each in by_fork for value in each]
    values: Float[Tensor, " completion"] = torch.tensor(flat, dtype=torch.float64, device=device)
    tokens = torch.tensor([len(completion) for fork in forks for completion in fork.completions], device=device)
    return Scores(values, tokens, tuple(len(fork.completions) for fork in forks))


def shared(work: Callable[[list[int]], list[T]], sizes: Sequence[int]) -> list[T]:
    """What `work` gives for every index of `sizes`, in order; each process gives it those of an about even share.

    Raises: as `together`. What it gives must be picklable.
    """
    shares = [sorted(share) for share in deal(sizes, count_ranks())]
    own = shares[own_rank()]
    values = gathered(lambda: work(own) if own else [])
    found = {
        index: value
        for share, each in zip(shares, values, strict=True)
        for index, value in zip(share, each, strict=True)
    }
    return [found[index] for index in range(len(sizes))]


def deal(sizes: Sequence[int], ranks: int) -> list[list[int]]:
    """Indices of `sizes` for each rank: the largest first, each to the rank that has the least so far."""
    shares: list[list[int]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        lightest = loads.index(min(loads))
        shares[lightest].append(index)
        loads[lightest] += sizes[index]
    return shares


def _sizes(forks: Sequence[Fork]) -> list[int]:
    return [len(fork.prompt) + sum(map(len, fork.completions)) for fork in forks]


def _started() -> bool:
    return distributed.is_available() and distributed.is_initialized()
