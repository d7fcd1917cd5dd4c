"""Numbers and records in words: shares become per cent and points here, and only here."""

from dataclasses import dataclass
from math import isfinite, isnan
from typing import Literal

from pluralign.records.estimate import ALL, Change, Estimate
from pluralign.records.measure import Measure
from pluralign.stats.means import FEWEST_CLUSTERS, MOST_MISSING

NOT_KNOWN = "not known"
NONE = "–"
"""Where there is nothing to say: the gap of the reference group to itself."""

ROUNDS_TO_THOUSAND = 999.5
"""From here on three digits do not write a number out: 1,000, not 1e+03."""

Kind = Literal["gain", "loss", "equivalent", "inconclusive", "described", "better", "worse", "unsure", "reference"]
"""How a change is shown. `better`, `worse` and `unsure` are of a change less that of the reference group."""

WORDS: dict[Kind, str] = {
    "gain": "gained",
    "loss": "lost",
    "equivalent": "same",
    "inconclusive": "unclear",
    "described": "",
    "better": "ahead",
    "worse": "behind",
    "unsure": "unclear",
    "reference": "reference",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """How values of a measure are written: a share in per cent, its changes in points; anything else as it is."""

    name: str

    @property
    def share(self) -> bool:
        """Whether values are shares."""
        return self.name == "share"

    @property
    def of_levels(self) -> str:
        """The unit of a value, for the head of a column."""
        return "%" if self.share else self.name

    @property
    def of_changes(self) -> str:
        """The unit of a change."""
        return "points" if self.share else self.name

    def level(self, value: float) -> str:
        """A value: `62.1%`, `3.42`; `not known` for NaN."""
        if isnan(value):
            return NOT_KNOWN
        return self._digits(value, signed=False) + ("%" if self.share else "")

    def change(self, value: float, *, signed: bool = True) -> str:
        """A change without its unit: `+6.2`, `−0.31`; `not known` for NaN."""
        return NOT_KNOWN if isnan(value) else self._digits(value, signed=signed)

    def interval(self, low: float, high: float, *, signed: bool = False) -> str:
        """Both ends of an interval: `58.0 to 66.2`; `not known` where an end is not."""
        if isnan(low) or isnan(high):
            return NOT_KNOWN
        return f"{self._digits(low, signed=signed)} to {self._digits(high, signed=signed)}"

    def tick(self, value: float, *, signed: bool) -> str:
        """A round number on an axis: `60%`, `+20`, without digits that say nothing."""
        text = self._digits(value, signed=signed)
        return (text.removesuffix(".0") if self.share else text) + ("%" if self.share and not signed else "")

    def _digits(self, value: float, *, signed: bool) -> str:
        if not isfinite(value):
            return "−∞" if value < 0 else "∞"
        size = abs(value)
        plain = f"{size:,.0f}" if size >= ROUNDS_TO_THOUSAND else f"{size:.3g}"
        digits = f"{100 * size:.1f}" if self.share else plain
        if not float(digits.replace(",", "")):
            return digits
        return ("−" if value < 0 else "+" if signed else "") + digits


def unit_of(measure: Measure) -> Unit:
    """How values of a measure are written."""
    return Unit(measure.unit)


def p_value(p: float) -> str:
    """A p-value to three places."""
    if isnan(p):
        return NOT_KNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(number: int, noun: str) -> str:
    """A number and its noun: `1 item`, `1,204 items`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


ALIKE = "no interval: the two groups answered alike in every cluster"


def unknown_estimate(estimate: Estimate, *, bounded: bool) -> str:
    """Why an estimate, or its interval, is not known; empty where it is. `bounded`: whether the measure has bounds."""
    if estimate.n is None or estimate.clusters is None or estimate.missing is None:
        return f"too few clusters ({estimate.suppressed}) for a cell of an intersection"
    if isnan(estimate.value):
        missing = f", {count(estimate.missing, 'answer')} missing" if estimate.missing else ""
        return f"no usable answer{missing}" if not estimate.n else f"no value from {count(estimate.n, 'item')}{missing}"
    if not isnan(estimate.low) and not isnan(estimate.high):
        return ""
    asked = estimate.n + estimate.missing
    if estimate.clusters >= FEWEST_CLUSTERS and estimate.missing > MOST_MISSING * asked:
        return f"no interval: {estimate.missing:,} of {count(asked, 'answer')} are missing"
    return _no_interval(estimate.clusters, "" if bounded else "(almost) all answers have one value")


def unknown_gap(estimate: Estimate, *, bounded: bool, reference_known: bool) -> str:
    """Why the gap to the reference group is not known; empty where it is, or where it has no meaning."""
    if not estimate.relative_to or estimate.group in (ALL, estimate.relative_to):
        return ""
    own = unknown_estimate(estimate, bounded=bounded)
    if isnan(estimate.gap):
        return own or "the value of the reference group is not known"
    if not isnan(estimate.gap_low) and not isnan(estimate.gap_high):
        return ""
    return own or (ALIKE if reference_known else "no interval: that of the reference group is not known")


def unknown_change(change: Change, *, bounded: bool) -> str:
    """Why a change, or its interval, is not known; empty where it is. `bounded`: whether the measure has bounds."""
    if isnan(change.gain):
        if not change.n:
            return "no item was answered at both stages"
        return f"no value from {count(change.n, 'item')} answered at both stages"
    if not isnan(change.low) and not isnan(change.high):
        return ""
    return _no_interval(change.clusters, "" if bounded else "(almost) no answer changed", sure=change.gain == 0)


def unknown_relative(change: Change, *, bounded: bool, reference_known: bool) -> str:
    """Why the change less that of the reference group is not known; empty where it is, or where it has no meaning.

    `reference_known`: whether the interval of the reference group's own change is known.
    """
    if not change.relative_to or change.group in (ALL, change.relative_to):
        return ""
    own = unknown_change(change, bounded=bounded)
    if isnan(change.relative_gain):
        return own or "the change of the reference group is not known"
    if not isnan(change.relative_low) and not isnan(change.relative_high):
        return ""
    return own or (ALIKE if reference_known else "no interval: that of the reference group is not known")


def unknown_others(change: Change, *, bounded: bool) -> str:
    """Why the change less the mean of the other groups' is not known; empty where it is, or where it has no meaning."""
    if change.group == ALL or not isnan(change.others_low):
        return ""
    alike = "no interval: it changed as the other groups did in every cluster"
    alone = "no other group's change is known" if isnan(change.others_gain) else alike
    return unknown_change(change, bounded=bounded) or alone


def _no_interval(clusters: int, alike: str = "", *, sure: bool = True) -> str:
    """Why there is no interval. `alike`: what may be the cause where a measure has no bounds; is that `sure`?"""
    if clusters < FEWEST_CLUSTERS:
        return f"no interval: only {count(clusters, 'independent cluster')}"
    if alike and sure:
        return f"no interval: {alike}, and the measure has no bounds"
    several = "too many answers are missing, or too much hangs on too few clusters"
    return f"no interval: {several}" + (f", or {alike} and the measure has no bounds" if alike else "")
