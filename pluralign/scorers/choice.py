"""Credit for a choice among options."""

import math
from collections.abc import Sequence


def credit(preferences: Sequence[float], right: int) -> float:
    """1.0 where option `right` is preferred to all others, its share of the win where it ties for the best, else 0.0.

    `preferences`: one value per option, higher is preferred. NaN where any of them is NaN: nobody knows who won.
    """
    if any(math.isnan(value) for value in preferences):
        return math.nan
    best = max(preferences)
    return 1.0 / preferences.count(best) if preferences[right] == best else 0.0
