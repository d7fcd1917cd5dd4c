"""Which stages stand above which: every way from a bottom stage to a top one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pluralign.records.stage import Stage


@dataclass(frozen=True, slots=True)
class Ladder:
    """A way through the stages, bottom first. Rungs that are not `joined` stand side by side, none above another."""

    rungs: tuple[str, ...]
    joined: bool = True


def ladders(stages: Sequence[Stage]) -> tuple[Ladder, ...]:
    """Every way from a stage without parents to one without children, in the order of `stages`, reward models last.

    Stages that are neither above nor below another stand together in one last ladder that is not joined.
    """
    parents = {stage.name: stage.parents for stage in stages}
    known = {name: tuple(parent for parent in above if parent in parents) for name, above in parents.items()}
    has_children = {parent for above in known.values() for parent in above}
    rewards = {stage.name for stage in stages if stage.kind == "reward"}
    tops = sorted((name for name in known if name not in has_children), key=lambda name: name in rewards)
    ways = [way for top in tops for way in _ways_to(top, known)]
    joined = tuple(Ladder(way) for way in ways if len(way) > 1)
    alone = tuple(way[0] for way in ways if len(way) == 1)
    return (*joined, Ladder(alone, joined=False)) if alone else joined


def whole_ways(stages: Sequence[Stage], transitions: Collection[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The first and last stage of every joined ladder, past reward models and with them, as far as they are compared.

    `transitions` are the pairs of stages that are. Each pair comes once, those past reward models first.
    """
    climbing = [stage for stage in stages if stage.kind != "reward"]
    ends = [(way.rungs[0], way.rungs[-1]) for way in (*ladders(climbing), *ladders(stages)) if way.joined]
    return tuple(way for way in dict.fromkeys(ends) if way in transitions)


def kept(found: Sequence[Ladder], present: frozenset[str]) -> tuple[Ladder, ...]:
    """Ladders less the rungs that are not `present`; without those that are then the beginning of another."""
    cut = [Ladder(tuple(rung for rung in ladder.rungs if rung in present), ladder.joined) for ladder in found]
    joined = [ladder for ladder in dict.fromkeys(cut) if ladder.rungs and ladder.joined]
    longest = [
        ladder
        for ladder in joined
        if not any(other != ladder and other.rungs[: len(ladder.rungs)] == ladder.rungs for other in joined)
    ]
    return (*longest, *(ladder for ladder in cut if ladder.rungs and not ladder.joined))


def _ways_to(top: str, parents: dict[str, tuple[str, ...]], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if top in above:
        raise ValueError(f'stage "{top}" stands above itself')
    if not parents[top]:
        return [(top, *above)]
    return [way for parent in parents[top] for way in _ways_to(parent, parents, (top, *above))]
