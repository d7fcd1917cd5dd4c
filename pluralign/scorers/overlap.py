"""How far two answers agree, token by token."""

from collections import Counter
from collections.abc import Sequence


def f1(answer: Sequence[str], gold: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over two bags of tokens, in [0, 1]; two empty bags agree.

    Source: Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1.
    """
    if not answer or not gold:
        return float(len(answer) == len(gold))
    shared = sum((Counter(answer) & Counter(gold)).values())
    return 2 * shared / (len(answer) + len(gold))


def exact_match(answer: Sequence[str], gold: Sequence[str]) -> float:
    """1.0 where the tokens are the same in the same order, else 0.0."""
    return float(tuple(answer) == tuple(gold))
