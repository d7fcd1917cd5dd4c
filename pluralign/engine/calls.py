"""A pack's attention as a few dense calls.

Runs that follow one another are attended together while they are few tokens; a long run goes alone. The keys of a call
are what its first run comes after, and the call's own tokens: in depth-first order nothing else can be seen from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pluralign.engine.tree import Run, Span

TOGETHER = 128
"""Tokens up to which several runs share a call: below it a call costs more than the keys that it hides."""


@dataclass(frozen=True, slots=True)
class Call:
    """Queries `start` up to `stop`, the keys they are given, and whether each sees all keys up to its own place."""

    start: int
    stop: int
    keys: tuple[Span, ...]
    causal: bool


@dataclass(frozen=True)
class Plan:
    """The attention of one pack: who sees whom (`ends`, see `pack`), each token's position, and the calls.

    `attended` gathers the ids of the modules that asked for it.
    """

    ends: Int[Tensor, " token"]
    positions: Int[Tensor, " token"]
    calls: tuple[Call, ...]
    attended: set[int] = field(default_factory=set)
    _masks: dict[object, Tensor] = field(default_factory=dict)

    @cached_property
    def depth(self) -> int:
        """Tokens of the longest sequence."""
        return int(self.positions.max()) + 1

    @cached_property
    def query_sizes(self) -> list[int]:
        """Queries of each call; the calls cover all tokens in order."""
        return [call.stop - call.start for call in self.calls]

    @cached_property
    def piece_sizes(self) -> list[int]:
        """Sizes of the pieces that all tokens are cut into so that every call's keys are whole pieces."""
        cuts = self._cuts
        return [stop - start for start, stop in pairwise(cuts)]

    @cached_property
    def key_pieces(self) -> list[list[int]]:
        """The pieces that make each call's keys."""
        at = {cut: index for index, cut in enumerate(self._cuts)}
        return [[piece for start, stop in call.keys for piece in range(at[start], at[stop])] for call in self.calls]

    @cached_property
    def _cuts(self) -> list[int]:
        return sorted({edge for call in self.calls for span in (*call.keys, (call.start, call.stop)) for edge in span})

    def sees(self, queries: Int[Tensor, "query 1"], keys: Int[Tensor, "1 key"]) -> Bool[Tensor, "query key"]:
        """Whether token `queries` sees token `keys`, whatever the window."""
        return (keys <= queries) & (self.ends[keys] > queries)

    def mask(self, index: int, window: int | None, like: Tensor) -> Float[Tensor, "query key"] | None:
        """What to add to the scores of call `index`: 0 where a key is seen, minus infinity elsewhere; None for causal.

        With a `window`, only keys less than that many positions back are seen. `like` gives dtype and device.
        """
        window = None if window is None or window >= self.depth else window
        call = self.calls[index]
        if call.causal and len(call.keys) == 1 and call.keys[0][0] == call.start and window is None:
            return None
        name = (index, window, like.dtype, like.device)
        if name not in self._masks:
            self._masks[name] = self._make(call, window, like)
        return self._masks[name]

    def _make(self, call: Call, window: int | None, like: Tensor) -> Float[Tensor, "query key"]:
        device = self.ends.device
        queries = torch.arange(call.start, call.stop, device=device)[:, None]
        keys = torch.cat([torch.arange(start, stop, device=device) for start, stop in call.keys])[None]
        seen = self.sees(queries, keys)
        if window is not None:
            seen &= self.positions[queries] - self.positions[keys] < window
        mask = torch.zeros(seen.shape, dtype=like.dtype, device=device)
        return mask.masked_fill_(~seen, float("-inf")).to(like.device)


def plan_calls(runs: Sequence[Run], ends: Int[Tensor, " token"], positions: Int[Tensor, " token"]) -> Plan:
    """The calls for `runs`, which cover all tokens in order."""
    calls: list[Call] = []
    first = 0
    while first < len(runs):
        last = first
        while last + 1 < len(runs) and runs[last + 1].stop - runs[first].start <= TOGETHER:
            last += 1
        calls.append(_call(runs[first : last + 1]))
        first = last + 1
    return Plan(ends, positions, tuple(calls))


def _call(runs: Sequence[Run]) -> Call:
    start, stop, keys = runs[0].start, runs[-1].stop, list(runs[0].before)
    if keys and keys[-1][1] == start:
        keys[-1] = (keys[-1][0], stop)
    else:
        keys.append((start, stop))
    return Call(start, stop, tuple(keys), causal=len(runs) == 1)
