"""Mix preferences of several groups, and split them by prompt."""

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction

from pluralign.errors import InputError, unknown
from pluralign.records.preference import Preference


def mix(
    preferences: Sequence[Preference], *, shares: Mapping[str, float], size: int | None, seed: int, place: str
) -> list[Preference]:
    """Draw preferences without replacement so that the groups stand in the given shares.

    As many as the scarcest group allows, or `size` of them. Without shares: all, or `size` of all in equal chances.
    Counts are the shares' by largest remainder, so they sum to the size. The order is the order they came in. Raises
    `InputError` for a share of an unknown group, for too small a group, and for a share that is less than one pair.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, preference in enumerate(preferences):
        groups[preference.group].append(index)
    for group, share in shares.items():
        if group not in groups:
            raise InputError(f"{place}: shares: {unknown('group', group, groups)}")
        if not 0 < share < math.inf:
            raise InputError(f'{place}: shares: "{group}" = {share}; a share must be above 0 (leave the group out)')
    if not shares:
        return _draw(preferences, list(range(len(preferences))), size, seed, place)
    exact = {group: Fraction(str(share)) for group, share in shares.items()}
    total = sum(exact.values())
    possible = min(int(len(groups[group]) * total / share) for group, share in exact.items())
    wanted = possible if size is None else size
    if wanted > possible:
        raise InputError(f"{place}: size = {size}, but these shares allow {possible} at most")
    counts = _seats({group: share / total for group, share in exact.items()}, wanted)
    for group, count in counts.items():
        if not count:
            raise InputError(
                f'{place}: shares: "{group}" = {shares[group]} is not one whole pair of {wanted}; '
                "raise size or the share, or leave the group out"
            )
    chosen = [
        index
        for group, count in counts.items()
        for index in random.Random(f"{seed}:{group}").sample(groups[group], count)
    ]
    return [preferences[index] for index in sorted(chosen)]


def _seats(shares: Mapping[str, Fraction], size: int) -> dict[str, int]:
    """`size` dealt out by shares that sum to 1: everyone's whole part, then one each by the largest remainder.

    No group gets more than its part rounded up; of equal remainders the earlier group's comes first.
    """
    seats = {group: int(size * share) for group, share in shares.items()}
    by_remainder = sorted(shares, key=lambda group: seats[group] - size * shares[group])
    for group in by_remainder[: size - sum(seats.values())]:
        seats[group] += 1
    return seats


def _draw(
    preferences: Sequence[Preference], indices: list[int], size: int | None, seed: int, place: str
) -> list[Preference]:
    if size is None:
        return list(preferences)
    if size > len(indices):
        raise InputError(f"{place}: size = {size}, but there are {len(indices)} preferences")
    return [preferences[index] for index in sorted(random.Random(f"{seed}").sample(indices, size))]


def split(preferences: Sequence[Preference], held_out: float) -> tuple[list[Preference], list[Preference]]:
    """Training and held-out preferences. The prompt decides: no prompt stands on both sides, in any language.

    The draw is a hash of `prompt_id`, so that a prompt keeps its side when other data is added.
    """

    def is_held_out(preference: Preference) -> bool:
        digest = hashlib.sha256(preference.prompt_id.encode()).digest()
        return int.from_bytes(digest[:8], "big") < held_out * 2**64

    train, test = [], []
    for preference in preferences:
        (test if is_held_out(preference) else train).append(preference)
    return train, test


def card(preferences: Sequence[Preference]) -> dict[str, object]:
    """Whose voice is in it: pairs per group and per language."""
    return {
        "pairs": len(preferences),
        "prompts": len({preference.prompt_id for preference in preferences}),
        "groups": dict(Counter(preference.group for preference in preferences).most_common()),
        "languages": dict(Counter(preference.language for preference in preferences).most_common()),
    }
