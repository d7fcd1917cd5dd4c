"""Ranks of some values."""

from collections.abc import Sequence


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of every value, 1 for the smallest; values that tie share the mean of their ranks. NaN where one is."""
    from scipy.stats import rankdata

    found: list[float] = rankdata(values, method="average").tolist()
    return found
