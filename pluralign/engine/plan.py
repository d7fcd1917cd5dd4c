"""What attention needs to know of a pack: who sees whom, and what follows from that, made once per pack."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pluralign.engine.calls import TOGETHER, Call, Calls, group
from pluralign.engine.tree import Run

CAPPED_ROWS = 512
"""Queries of a call whose scores are made in the open, so that a long prompt's are never held at once."""

MadeT = TypeVar("MadeT")


@dataclass(frozen=True, slots=True)
class Manner:
    """How one layer attends: how many positions back (`window`), and what it makes of scores and weights.

    Scores are multiplied by `scaling`, 1/√width unless given, and capped to cap · tanh(score / cap) by a `softcap`;
    `dropout` is the share of weights dropped.
    """

    window: int | None = None
    softcap: float | None = None
    scaling: float | None = None
    dropout: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The attention of one pack: who sees whom (`ends`, see `pack`), each token's position, and the calls.

    `attended` gathers the ids of the modules that asked for it.
    """

    ends: Int[Tensor, " token"]
    positions: Int[Tensor, " token"]
    calls: Calls
    attended: set[int] = field(default_factory=set)
    _made: dict[object, Any] = field(default_factory=dict)

    @cached_property
    def depth(self) -> int:
        """Tokens of the longest sequence."""
        return int(self.positions.max()) + 1

    def sees(self, queries: Int[Tensor, "query 1"], keys: Int[Tensor, "1 key"]) -> Bool[Tensor, "query key"]:
        """Whether token `queries` sees token `keys`, whatever the window."""
        return (keys <= queries) & (self.ends[keys] > queries)

    def binding(self, window: int | None) -> int | None:
        """The window where it hides anything, else None."""
        return None if window is None or window >= self.depth else window

    def once(self, name: object, make: Callable[[], MadeT]) -> MadeT:
        """What `make` makes, kept under `name` for as long as the plan lives."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def calls_for(self, manner: Manner) -> Calls:
        """The calls, long ones split where a window or the room for open scores asks for it."""
        window = self.binding(manner.window)
        rows = None if window is None else max(TOGETHER, window)
        if manner.softcap is not None:
            rows = CAPPED_ROWS if rows is None else min(rows, CAPPED_ROWS)
        return self.calls if rows is None else self.once((rows, window), partial(self.calls.split, rows, window))

    def is_plain(self, call: Call, window: int | None) -> bool:
        """Whether a call's tokens see each other up to their own place and nothing else, so that it needs no mask."""
        return call.alone and call.rows == call.columns and (window is None or call.rows <= window)

    def mask(self, call: Call, window: int | None, like: Tensor) -> Float[Tensor, "query key"]:
        """What to add to the scores of a call: 0 where a key is seen, minus infinity elsewhere.

        With a `window`, only keys less than that many positions back are seen. `like` gives dtype and device. Calls of
        one run share a mask where they have as many queries and keys.
        """
        window = None if window is None or window >= call.columns else window
        shape = (call.rows, call.columns) if call.alone else call
        return self.once((shape, window, like.dtype, like.device), partial(self._mask, call, window, like))

    def corner(self, call: Call, window: int | None, like: Tensor) -> Float[Tensor, "query last_key"]:
        """As `mask`, but for a run without a window only its own keys: all of its queries see those before."""
        if call.alone and (window is None or call.columns <= window):
            call = Call(call.start, call.stop, ((call.start, call.stop),), alone=True, depth=call.depth)
        return self.mask(call, window, like)

    def _mask(self, call: Call, window: int | None, like: Tensor) -> Float[Tensor, "query key"]:
        seen = _band(call, window) if call.alone else self._seen(call, window)
        return torch.zeros(seen.shape, dtype=like.dtype).masked_fill_(~seen, float("-inf")).to(like.device)

    def _seen(self, call: Call, window: int | None) -> Bool[Tensor, "query key"]:
        queries = torch.arange(call.start, call.stop)[:, None]
        keys = torch.cat([torch.arange(start, stop) for start, stop in call.keys])[None]
        seen = self.sees(queries, keys)
        return seen if window is None else seen & (self.positions[queries] - self.positions[keys] < window)


def plan_calls(runs: Sequence[Run], ends: Int[Tensor, " token"], positions: Int[Tensor, " token"]) -> Plan:
    """The plan for `runs`, which cover all tokens in order."""
    return Plan(ends, positions, group(runs))


def _band(call: Call, window: int | None) -> Bool[Tensor, "query key"]:
    """One run: its queries stand at the end of its keys, and keys follow one another without a gap."""
    before = call.columns - call.rows
    seen = torch.ones(call.rows, call.columns, dtype=torch.bool).tril_(before)
    return seen if window is None else seen.triu_(before - window + 1)
