"""Forks laid end to end as a tree, so that what they share is encoded once.

The completions of a fork are sorted; each is laid down from the first token that it does not share with the one before
it. The tree of prefixes stands thus in depth-first order, and one number per token tells who sees whom: token i sees
token j where j <= i and the subtree of j ends after i. A token's position is its depth. Forks whose prompts begin alike
for `SHARED_PROMPT` tokens or more share that beginning too.

The last token of a completion is a target and never an input, unless the state at its end is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from pluralign.engine.plan import Plan, plan_calls
from pluralign.engine.tree import Tree
from pluralign.records.fork import Fork

SHARED_PROMPT = 32
"""Tokens from which two forks' common beginning is worth its longer keys."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some completions (by index) of one fork (by index)."""

    fork: int
    completions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """One forward pass: the tokens of its pieces, and where each completion's values are found.

    `rows`: tokens whose next token counts; `pair_row`, `pair_target`: (index into `rows`, token id), each once;
    `owners`: (fork, completion) in the pack's order, of `lengths` tokens; `use_pair`: the pair of each of these tokens,
    one completion after the other; `finals`: the token at each owner's end where ends were asked for.
    """

    work: tuple[Piece, ...]
    plan: Plan
    ids: Int[Tensor, "1 token"]
    rows: Int[Tensor, " row"]
    pair_row: Int[Tensor, " pair"]
    pair_target: Int[Tensor, " pair"]
    use_pair: Int[Tensor, " use"]
    owners: tuple[tuple[int, int], ...]
    lengths: list[int]
    finals: Int[Tensor, " owner"]

    @property
    def tokens(self) -> int:
        """Tokens that are encoded."""
        return self.ids.shape[1]


def whole(forks: Sequence[Fork]) -> list[Piece]:
    """All completions of all forks."""
    return [Piece(index, tuple(range(len(fork.completions)))) for index, fork in enumerate(forks)]


def plan_packs(forks: Sequence[Fork], work: Sequence[Piece], token_budget: int, *, ends: bool) -> list[Pack]:
    """Packs of at most `token_budget` encoded tokens; one completion that exceeds it goes alone with its prompt.

    A fork that exceeds the budget is split over packs, its prompt encoded in each.
    """
    pieces = [part for piece in work for part in _parts(forks[piece.fork], piece, token_budget, ends)]
    pieces.sort(key=lambda part: (forks[part.fork].prompt, part.fork, part.completions))
    packs: list[Pack] = []
    filling = _Filling(forks, ends)
    for piece in pieces:
        if filling.pieces and filling.size(piece) > token_budget:
            packs.append(filling.pack())
            filling = _Filling(forks, ends)
        filling.add(piece)
    return [*packs, filling.pack()] if filling.pieces else packs


def _encoded(completion: tuple[int, ...], ends: bool) -> tuple[int, ...]:
    return completion if ends else completion[:-1]


def _parts(fork: Fork, piece: Piece, token_budget: int, ends: bool) -> list[Piece]:
    """Cut a piece, its completions sorted, so that each part keeps to the budget."""
    order = sorted(piece.completions, key=lambda index: (fork.completions[index], index))
    parts: list[list[int]] = []
    size, before = 0, ()
    for index in order:
        encoded = _encoded(fork.completions[index], ends)
        size += len(encoded) - common(before, encoded)
        if not parts or size > token_budget:
            parts.append([])
            size = len(fork.prompt) + len(encoded)
        parts[-1].append(index)
        before = encoded
    return [Piece(piece.fork, tuple(part)) for part in parts]


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences share from their beginning."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))


class _Filling:
    """A pack in the making."""

    def __init__(self, forks: Sequence[Fork], ends: bool) -> None:
        self.forks = forks
        self.ends = ends
        self.pieces: list[Piece] = []
        self.tree = Tree()
        self.pairs: dict[tuple[int, int], int] = {}
        self.uses: list[int] = []
        self.lengths: list[int] = []
        self.finals: list[int] = []

    def size(self, piece: Piece) -> int:
        """Tokens of the pack if `piece` were added."""
        fork = self.forks[piece.fork]
        size, before = len(self.tree.ids) + len(fork.prompt) - self._shared(fork.prompt), ()
        for index in piece.completions:
            encoded = _encoded(fork.completions[index], self.ends)
            size += len(encoded) - common(before, encoded)
            before = encoded
        return size

    def add(self, piece: Piece) -> None:
        fork = self.forks[piece.fork]
        depth = len(fork.prompt)
        shared = self._shared(fork.prompt)
        before: tuple[int, ...] = ()
        for place, index in enumerate(piece.completions):
            completion = fork.completions[index]
            encoded = _encoded(completion, self.ends)
            if place == 0:
                self.tree.lay(shared, fork.prompt[shared:] + encoded)
            else:
                same = common(before, encoded)
                self.tree.lay(depth + same, encoded[same:])
            before = encoded
            self._count(completion, depth)
        self.pieces.append(piece)

    def pack(self) -> Pack:
        """What was added, as tensors."""
        ids, runs, ends, positions = self.tree.close()
        pairs = torch.tensor(list(self.pairs), dtype=torch.long).view(-1, 2)
        rows, pair_row = pairs[:, 0].unique(return_inverse=True)
        owners = tuple((piece.fork, index) for piece in self.pieces for index in piece.completions)
        return Pack(
            work=tuple(self.pieces),
            plan=plan_calls(runs, ends, positions),
            ids=ids,
            rows=rows,
            pair_row=pair_row,
            pair_target=pairs[:, 1].contiguous(),
            use_pair=torch.tensor(self.uses, dtype=torch.long),
            owners=owners,
            lengths=self.lengths,
            finals=torch.tensor(self.finals, dtype=torch.long),
        )

    def _shared(self, prompt: tuple[int, ...]) -> int:
        shared = common(self.tree.path_ids, prompt)
        return shared if shared >= SHARED_PROMPT else 0

    def _count(self, completion: tuple[int, ...], depth: int) -> None:
        path = self.tree.path
        self.lengths.append(len(completion))
        if self.ends:
            self.finals.append(path[depth + len(completion) - 1])
        for row, target in zip(path[depth - 1 :], completion, strict=False):
            self.uses.append(self.pairs.setdefault((row, target), len(self.pairs)))
