"""Numbers for a group that are no mean of single readings: spread, outliers, calibration.

Each becomes the mean of values that are given to the single items, so that clusters, pairs of stages, gaps between
groups and verdicts are those of any other measure. For the standard deviation these are its influence values; for the
calibration error, gaps signed by their bins; both to first order, as if what is common to the group (mean, deviation,
signs, temperature) were known. Where the error of that matters, at one stage, a bootstrap over clusters gives the
bounds instead.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from pluralign.records.findings import Audit
from pluralign.records.measure import Measure, Statistic
from pluralign.stats.calibration import bootstrap, noise_floor, scaled_by_other_half, signed_gaps
from pluralign.stats.distance import drift, moved
from pluralign.stats.panel import Panel, panels
from pluralign.stats.standing import share_above
from pluralign.stats.table import Table

Values = Float64[np.ndarray, " unit"]


@dataclass(frozen=True)
class Sample:
    """Values of a rung's units whose means by group are what the measure says.

    `everyone`: the values whose mean it is for all groups together, None where they are the same. `bounds`: lower and
    upper 95% bounds by group, `all` last, where they do not follow from the values. `only`: the one group that it is
    said of, None for all and everyone.
    """

    values: Values
    everyone: Values | None = None
    bounds: tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, " group"]] | None = None
    only: int | None = None


def panels_of(table: Table, audit: Audit, name: str) -> Iterator[Panel]:
    """The panels of a measure: of its own readings, or of those that its statistic is made of."""
    statistic = audit.measures[name].statistic
    of = name if statistic is None else statistic.of
    for source in (of,) if isinstance(of, str) else of:
        yield from panels(table, audit.name, source, audit.measures[source])


def held_against(audit: Audit, panel: Panel, rung: int) -> Values | None:
    """The readings of the stage that a rung is held against: those of the same seed, or of its only rung.

    None where there is no such stage, or it is not clear which of its seeds.
    """
    name, seed = audit.against.get(panel.rungs[rung].stage), panel.rungs[rung].seed
    found = {other.seed: place for place, other in enumerate(panel.rungs) if other.stage == name}
    if seed not in found and len(found) != 1:
        return None
    return panel.values[found.get(seed, next(iter(found.values())))]


def reach_of(measure: Measure) -> tuple[float, float] | None:
    """The smallest and the largest of the values that `sample` gives an item, None where there is no bound.

    These are the bounds of the measure, but for a calibration error: it lies between 0 and 1, the gaps signed by their
    bins whose mean it is between -1 and 1.
    """
    signed = measure.statistic is not None and measure.statistic.kind == "ece"
    return (-1.0, 1.0) if signed else measure.bounds


def sample(  # noqa: PLR0911 one return a kind
    measure: Measure,
    values: Values,
    panel: Panel,
    reference: int | None = None,
    before: Values | None = None,
    *,
    bounded: bool = True,
) -> Sample:
    """What the means of a measure are taken of, from the readings of one rung, `values`, one per unit of `panel`.

    `reference`: the index of the reference group, None where there is none; `before`: the readings of the stage that
    this one is held against, for a statistic that needs them. Without `bounded` no bounds are drawn for a calibration
    error, which takes longer than all else: changes between stages have bounds of their own.
    """
    statistic = measure.statistic
    if statistic is None:
        return Sample(values)
    given = scaled_by_other_half(values, panel.cluster) if statistic.scaled else values
    match statistic.kind:
        case "nll":
            known = ~np.isnan(given)
            return Sample(np.logaddexp(0.0, -given, out=np.full_like(given, np.nan), where=known))
        case "ece":
            return _ece(statistic, given, panel, bounded=bounded)
        case "ece_floor":
            return _floor(statistic, given, panel)
        case "sd":
            return _each(_deviations, given, panel)
        case "drift":
            return _drift(given, panel)
        case "moved":
            return _moved(given, before, panel)
        case "outlying":
            return _each(_outlying, given, panel)
        case "ranked_worse":
            return _standing(given, panel, reference)


def _ece(statistic: Statistic, margins: Values, panel: Panel, *, bounded: bool) -> Sample:
    def gaps(some: Values) -> Values:
        return signed_gaps(some, statistic.bins)

    made = _each(gaps, margins, panel)
    return Sample(made.values, made.everyone, bootstrap(margins, panel, statistic.bins) if bounded else None)


def _floor(statistic: Statistic, margins: Values, panel: Panel) -> Sample:
    members = [panel.group == column for column in range(len(panel.groups))]
    members.append(np.ones(len(margins), np.bool_))
    found = np.array([noise_floor(margins[here], statistic.bins) for here in members])
    known = ~np.isnan(margins)
    values = np.where(known, found[panel.group, 0], np.nan)
    return Sample(values, np.where(known, found[-1, 0], np.nan), (found[:, 1], found[:, 2]))


def _drift(values: Values, panel: Panel) -> Sample:
    found, low, high = drift(values, panel)
    return Sample(np.where(np.isnan(values), np.nan, found[panel.group]), bounds=(low, high))


def _standing(values: Values, panel: Panel, reference: int | None) -> Sample:
    """The share of the other groups above the reference group, for that group alone."""
    if reference is None:
        return Sample(np.full_like(values, np.nan), only=-1)
    share, low, high = share_above(values, panel, reference)
    own = (panel.group == reference) & ~np.isnan(values)
    bounds = np.full((2, len(panel.groups) + 1), np.nan)
    bounds[:, reference] = low, high
    return Sample(np.where(own, share, np.nan), bounds=(bounds[0], bounds[1]), only=reference)


def _moved(values: Values, before: Values | None, panel: Panel) -> Sample:
    if before is None:
        return Sample(np.full_like(values, np.nan))
    found, low, high = moved(before, values, panel)
    return Sample(np.where(np.isnan(values + before), np.nan, found[panel.group]), bounds=(low, high))


def _each(transform: Callable[[Values], Values], values: Values, panel: Panel) -> Sample:
    """What `transform` makes of every group's values, and of everyone's."""
    made = np.full_like(values, np.nan)
    for column in range(len(panel.groups)):
        here: Bool[np.ndarray, " unit"] = (panel.group == column) & ~np.isnan(values)
        made[here] = transform(values[here])
    everyone = np.full_like(values, np.nan)
    known = ~np.isnan(values)
    everyone[known] = transform(values[known])
    return Sample(made, everyone)


def _deviations(values: Values) -> Values:
    """Values with the standard deviation s (over n) as their mean: s + ((x - m)² - s²) / 2s."""
    if not len(values):
        return values
    squares = (values - values.mean()) ** 2
    deviation = float(np.sqrt(squares.mean()))
    return np.zeros_like(values) if deviation == 0 else deviation + (squares - deviation**2) / (2 * deviation)


def _outlying(values: Values) -> Values:
    """1 for what lies more than three standard deviations from the mean."""
    if not len(values):
        return values
    return (np.abs(values - values.mean()) > 3 * values.std()).astype(np.float64)
