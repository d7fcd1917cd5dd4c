"""A panel: one measure in one slice, as a matrix of what every rung of the ladder answered to every unit.

A unit is an item for a group: the thing that is asked again at every rung, so that gains are paired on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from pluralign.errors import InputError
from pluralign.records.estimate import ALL
from pluralign.records.measure import Measure
from pluralign.stats.table import NO_STEP, Table


@dataclass(frozen=True, slots=True)
class Rung:
    """A stage, the seed of its training, and the training step that was audited (None: the finished stage)."""

    stage: str
    seed: int
    step: int | None


@dataclass(frozen=True)
class Panel:
    """What every rung answered to every unit of a slice.

    `groups` is sorted; `group` and `cluster` are indices, `clusters` their number. `values` is NaN where a unit's
    reading is missing, be it that the audit gave NaN or that this rung was never asked.
    """

    slice: str
    rungs: tuple[Rung, ...]
    groups: tuple[str, ...]
    group: Int[np.ndarray, " unit"]
    cluster: Int[np.ndarray, " unit"]
    clusters: int
    values: Float64[np.ndarray, "rung unit"]


def panels(table: Table, audit: str, measure: str, meaning: Measure) -> Iterator[Panel]:
    """One panel per slice, in the order of the readings.

    InputError where a reading cannot be true: infinite, outside the measure's bounds, given twice, of a group
    called "all", or of an item whose cluster is another one elsewhere.
    """
    view = table.view(audit, measure)
    where = f'audit "{audit}", measure "{measure}"'
    _check_values(view, meaning.bounds, where)
    codes, first = np.unique(view.slice.codes, return_index=True)
    order: list[int] = codes[np.argsort(first)].tolist()
    for code in order:
        yield _panel(view.take(np.flatnonzero(view.slice.codes == code)), view.slice.words[code], where)


def _panel(view: Table, name: str, where: str) -> Panel:
    groups, group = _sorted_words(view.group.codes, view.group.words)
    if ALL in groups:
        raise InputError(f'{where}: slice "{name}" has a group "{ALL}", the name that stands for everyone; rename it')
    keys, unit = np.unique(view.item.codes.astype(np.int64) * len(groups) + group, return_inverse=True)
    rungs, rung = _rungs(view)
    _check_unique(rung * len(keys) + unit, view, where)
    cluster = np.empty(len(keys), np.int64)
    cluster[unit] = view.cluster.codes
    _check(cluster[unit] == view.cluster.codes, view, f"{where}: an item has two clusters")
    names, cluster = np.unique(cluster, return_inverse=True)
    values = np.full((len(rungs), len(keys)), np.nan)
    values[rung, unit] = view.value
    return Panel(name, rungs, groups, keys % len(groups), cluster, len(names), values)


def _sorted_words(
    codes: Int[np.ndarray, " reading"], words: tuple[str, ...]
) -> tuple[tuple[str, ...], Int[np.ndarray, " reading"]]:
    """The words in use, sorted, and every reading's index among them."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(words)))
    order = sorted(used.tolist(), key=lambda code: words[code])
    place = np.zeros(len(words), np.int64)
    place[order] = np.arange(len(order))
    return tuple(words[code] for code in order), place[codes]


def _rungs(view: Table) -> tuple[tuple[Rung, ...], Int[np.ndarray, " reading"]]:
    """The rungs in the order of their stages, then seeds, then steps (a finished stage last), and each reading's."""
    steps = np.where(view.step == NO_STEP, np.iinfo(np.int32).max, view.step).astype(np.int64)
    stages, stage_of = np.unique(view.stage.codes, return_inverse=True)
    seeds, seed_of = np.unique(view.seed, return_inverse=True)
    ends, end_of = np.unique(steps, return_inverse=True)
    key = (stage_of * len(seeds) + seed_of) * len(ends) + end_of
    present, rung = np.unique(key, return_inverse=True)
    rungs: list[Rung] = []
    for code in present.tolist():
        rest, end = divmod(code, len(ends))
        stage, seed = divmod(rest, len(seeds))
        step = int(ends[end])
        final = step == np.iinfo(np.int32).max
        rungs.append(Rung(view.stage.words[int(stages[stage])], int(seeds[seed]), None if final else step))
    return tuple(rungs), rung


def _check_values(view: Table, bounds: tuple[float, float] | None, where: str) -> None:
    _check(~np.isinf(view.value), view, f"{where}: a reading is infinite")
    if bounds is not None:
        low, high = bounds
        inside = ~((view.value < low) | (view.value > high))
        _check(inside, view, f"{where}: a reading lies outside the measure's bounds {low:g} to {high:g}")


def _check_unique(cell: Int[np.ndarray, " reading"], view: Table, where: str) -> None:
    """`cell` numbers the rung and unit of every reading."""
    once = np.bincount(cell)[cell] == 1
    _check(once, view, f"{where}: an item was read twice for one group")


def _check(fine: Bool[np.ndarray, " reading"], view: Table, problem: str) -> None:
    """InputError that names the first reading that is not fine."""
    if fine.all():
        return
    row = int(np.argmin(fine))
    stage, item, group = view.stage.at(row), view.item.at(row), view.group.at(row)
    raise InputError(f'{problem}: stage "{stage}", item "{item}", group "{group}", value {view.value[row]:g}')
