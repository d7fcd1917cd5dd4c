"""One setting measured: both sides in processes of their own, turn by turn, and then compared number by number."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.cases import Setting
from benchmarks.choices import choices, larger_batch
from benchmarks.equality import gradient_difference, largest_difference
from benchmarks.sides import Spec, our_module, peer_module
from benchmarks.worker import Memory, Turn, Worker

OURS = "pluralign"
PEER, PEER_TUNED, PEER_LARGER = "peer", "peer with our allocator", "peer, larger batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a side did turn by turn: rates (units a second); operations that a unit takes; memory; its settings."""

    rates: tuple[float, ...]
    operations: float
    memory: Memory
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Both sides of a setting, by name, and the largest differences of each peer from ours."""

    sides: dict[str, Measured]
    differences: dict[str, float]
    gradient_differences: dict[str, float]


def measure(setting: Setting, turns: int, *, gpu: bool, tell: Callable[[str], None]) -> Result:
    """Measure a setting in `turns` turns; on a GPU, and elsewhere than on Linux, the allocator is nobody's concern.

    Raises: UnequalError where the sides do not find the same; WorkerError where one fails.
    """
    tuned = not gpu and sys.platform.startswith("linux")
    specs = {OURS: Spec(our_module(setting), allocator=tuned)} | _peers(setting, tuned, tell)
    with _workers(specs, setting) as workers:
        for worker in [] if setting.trains else workers.values():  # a training is long beside what warms up
            worker.ask("turn")
        taken: dict[str, list[Turn]] = {name: [] for name in workers}
        for turn in range(turns):
            tell(f"{setting}: turn {turn + 1} of {turns}")
            for name in order(list(workers), turn):
                taken[name].append(workers[name].ask("turn"))
        memory = {name: worker.ask("memory") for name, worker in workers.items()}
        operations = {name: worker.ask("operations") for name, worker in workers.items()}
        differences, gradients = _compare(workers, setting)
    sides = {
        name: Measured(
            rates=tuple(turn.units / turn.seconds for turn in taken[name]),
            operations=operations[name],
            memory=memory[name],
            options=specs[name].options,
        )
        for name in specs
    }
    return Result(sides=sides, differences=differences, gradient_differences=gradients)


def _peers(setting: Setting, tuned: bool, tell: Callable[[str], None]) -> dict[str, Spec]:
    """The peer as it comes, with our allocator, with a larger batch; ourselves as a peer have our allocator anyhow."""
    module = peer_module(setting)
    ranked = rank(setting, choices(setting), False, tell)
    found = {PEER: Spec(module, False, ranked[0])}
    larger = larger_batch(setting)
    if larger not in (None, ranked[0]):
        found[PEER_LARGER] = Spec(module, False, larger)
    if tuned:
        found[PEER_TUNED] = Spec(module, True, rank(setting, ranked[: 1 if setting.trains else 2], True, tell)[0])
    return {PEER_TUNED: found[PEER_TUNED]} if tuned and module == our_module(setting) else found


def rank(
    setting: Setting, candidates: list[dict[str, Any]], allocator: bool, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The peer's options, the fastest first, each tried in a process of its own.

    So the peak memory of the comparison is that of the options that are compared.
    """
    if len(candidates) == 1:
        return candidates
    seconds: list[float] = []
    for options in candidates:
        with _workers({PEER: Spec(peer_module(setting), allocator, options)}, setting) as workers:
            turn = workers[PEER].ask("turn")
            seconds.append(turn.seconds / turn.times)
            allocating = ", our allocator" if allocator else ""
            tell(f"{setting}: the peer with {options}{allocating} takes {seconds[-1]:.2f} s")
    return [candidates[index] for index in sorted(range(len(candidates)), key=seconds.__getitem__)]


def order(names: list[str], turn: int) -> list[str]:
    """Who comes first changes from turn to turn, so that nobody always follows the same one."""
    start = turn % len(names)
    return names[start:] + names[:start]


@contextmanager
def _workers(specs: dict[str, Spec], setting: Setting) -> Iterator[dict[str, Worker]]:
    workers: dict[str, Worker] = {}
    try:
        for name, spec in specs.items():
            workers[name] = Worker(spec, setting)
        yield workers
    finally:
        for worker in workers.values():
            worker.stop()


def _compare(workers: dict[str, Worker], setting: Setting) -> tuple[dict[str, float], dict[str, float]]:
    differences: dict[str, float] = {}
    gradients: dict[str, float] = {}
    differentiates = setting.case == "dpo"
    with TemporaryDirectory() as folder:
        files = {
            name: Path(folder) / f"{number}.npy" if differentiates else None for number, name in enumerate(workers)
        }
        found = {name: worker.ask("check", files[name]) for name, worker in workers.items()}
        for name in workers:
            if name == OURS:
                continue
            differences[name] = largest_difference(found[OURS], found[name], setting)
            mine, theirs = files[OURS], files[name]
            if mine is not None and theirs is not None:
                gradients[name] = gradient_difference(mine, theirs, setting)
    return differences, gradients
