"""From numbers to a verdict, and what could have been seen at all."""

import numpy as np
from jaxtyping import Float64

from pluralign.records.estimate import Verdict
from pluralign.records.measure import Measure
from pluralign.stats.quantiles import student_quantile
from pluralign.stats.spread import ALPHA, Spread, interval

POWER = 0.8

Columns = Float64[np.ndarray, " group"]


def judge(spread: Spread, p_adjusted: Columns, measure: Measure) -> list[Verdict]:
    """One verdict per column of `spread`, whose means are gains signed so that positive is better."""
    return judge_gains(spread.means.value, interval(spread, 2 * ALPHA), p_adjusted, measure)


def judge_gains(
    gains: Columns, ninety: tuple[Columns, Columns], p_adjusted: Columns, measure: Measure
) -> list[Verdict]:
    """One verdict per gain, signed so that positive is better; `ninety` is its 90% interval.

    Equivalent where two one-sided tests at the 5% level hold the gain within the measure's margin, that is where the
    90% interval lies inside it; else a gain or a loss where the adjusted p is below .05; else inconclusive. A measure
    that describes (`better` is "neither") has no gains and losses: what changed stays "inconclusive" as a verdict.
    Source: Schuirmann 1987.
    """
    low, high = ninety
    judged: list[Verdict] = []
    for column, gain in enumerate(gains.tolist()):
        if measure.margin is not None and low[column] > -measure.margin and high[column] < measure.margin:
            judged.append("equivalent")
        elif measure.better != "neither" and p_adjusted[column] < ALPHA:
            judged.append("gain" if gain > 0 else "loss")
        else:
            judged.append("inconclusive")
    return judged


def minimum_detectable(spread: Spread) -> Columns:
    """The gain that 80% of such audits would have seen at the two-sided 5% level, given the standard errors."""
    freedom = np.where(spread.means.freedom > 0, spread.means.freedom, np.nan)
    return (student_quantile(1 - ALPHA / 2, freedom) + student_quantile(POWER, freedom)) * spread.error
