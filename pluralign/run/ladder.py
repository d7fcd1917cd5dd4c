"""Ladders: which stage stands on which, and between which two a change is looked at."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from pluralign.records.stage import Stage

Transition = tuple[str, str]


def climbs(ladders: Iterable[Sequence[str]]) -> tuple[Transition, ...]:
    """The transitions of some ladders: each rung from the one below it, and each from the ladder's first."""
    found: dict[Transition, None] = {}
    for ladder in ladders:
        for below, above in pairwise(ladder):
            found[below, above] = None
        for above in ladder[2:]:
            found[ladder[0], above] = None
    return tuple(found)


def ways(stages: Sequence[Stage]) -> list[list[str]]:
    """The way to every top stage from the bottom, past reward models: their numbers are of another kind.

    `stages` stand after their parents.
    """
    way: dict[str, list[str]] = {}
    for stage in stages:
        below = way.get(stage.parents[0], []) if stage.parents else []
        way[stage.name] = below if stage.kind == "reward" else [*below, stage.name]
    tops = [names for names in way.values() if not any(_is_below(names, other) for other in way.values())]
    return [list(names) for names in dict.fromkeys(tuple(names) for names in tops)]


def _is_below(names: Sequence[str], other: Sequence[str]) -> bool:
    return len(names) < len(other) and list(other[: len(names)]) == list(names)


def declared(ladders: Sequence[Sequence[str]], found: Iterable[str]) -> tuple[list[list[str]], list[str]]:
    """Declared ladders without their absent stages, and a notice for what is absent or stands on no ladder."""
    there = list(found)
    notices: list[str] = []
    kept: list[list[str]] = []
    for ladder in ladders:
        absent = [name for name in ladder if name not in there]
        if absent:
            notices.append(f"Ladder {' → '.join(ladder)}: no recorded outputs of {', '.join(absent)}; left out.")
        kept.append([name for name in ladder if name in there])
    apart = [name for name in there if not any(name in ladder for ladder in ladders)]
    if apart:
        notices.append(f"On no declared ladder, so without changes: {', '.join(apart)}.")
    return [ladder for ladder in kept if ladder], notices


def parents(ladders: Iterable[Sequence[str]]) -> Mapping[str, tuple[str, ...]]:
    """The stage below each stage; several where ladders meet."""
    below: dict[str, dict[str, None]] = {}
    for ladder in ladders:
        for lower, upper in pairwise(ladder):
            below.setdefault(upper, {})[lower] = None
    return {name: tuple(names) for name, names in below.items()}
