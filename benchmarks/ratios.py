"""The arithmetic of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians of both sides' rates (units a second), and of how many times faster ours is, with its range."""

    ours: float
    peer: float
    ratio: float
    low: float
    high: float


def compare(ours: Sequence[float], peer: Sequence[float]) -> Comparison:
    """Compare rates (units a second) that were measured turn by turn, the two of a turn one after the other.

    The ratio is the median over turns of ours / peer, so that a machine that slows down for a while weighs on both
    sides of a turn alike; it need not be the ratio of the medians.

    Raises: ValueError for no turns, for other numbers of turns, and for rates that are not above 0.
    """
    if not ours or len(ours) != len(peer):
        raise ValueError(f"{len(ours)} turns of ours and {len(peer)} of the peer do not make pairs")
    if min(*ours, *peer) <= 0:
        raise ValueError("a rate must be above 0")
    by_turn = [one / other for one, other in zip(ours, peer, strict=True)]
    return Comparison(median(ours), median(peer), median(by_turn), min(by_turn), max(by_turn))
