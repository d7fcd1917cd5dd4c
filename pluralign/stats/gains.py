"""What every unit of a slice gained between two rungs of the ladder, paired item by item."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pluralign.records.findings import Audit
from pluralign.records.measure import Measure
from pluralign.stats.panel import Panel
from pluralign.stats.spread import Spread, take_spread
from pluralign.stats.statistics import panels_of, reach_of, sample
from pluralign.stats.table import Table

Transition = tuple[str, str]
Values = Float64[np.ndarray, " unit"]


@dataclass(frozen=True)
class Gains:
    """Gains of one slice between two rungs, signed so that positive is better (or larger, where neither is).

    `first` and `second` are the readings of the earlier and the later rung, `each` the gain, one per unit of `panel`,
    NaN where either rung has no reading. `spread`: their means by group, and how far off these may be.
    """

    panel: Panel
    from_stage: str
    to_stage: str
    seed: int
    first: Values
    second: Values
    each: Values
    spread: Spread

    @property
    def family(self) -> tuple[str, str, int]:
        """What is adjusted together: transition and seed, over all slices."""
        return self.from_stage, self.to_stage, self.seed


def changing(audit: Audit) -> list[tuple[str, Measure]]:
    """The measures of which a change between stages means anything."""
    return [(name, measure) for name, measure in audit.measures.items() if measure.changes]


def gains(table: Table, audit: Audit, name: str, transitions: Sequence[Transition]) -> Iterator[Gains]:
    """The gains by one measure, slice by slice, transition by transition; none where a stage has no readings.

    A stage is taken at its last step. Seeds are compared with their equals, or all with the one seed of the earlier
    stage.
    """
    for panel in panels_of(table, audit, name):
        for before, after in paired_rungs(panel, transitions):
            yield _gains(panel, audit.measures[name], before, after)


def paired_rungs(panel: Panel, transitions: Sequence[Transition]) -> Iterator[tuple[int, int]]:
    """Indices of the rungs to compare, the earlier one first; where there are seeds, a pair for each."""
    last: dict[str, dict[int, int]] = {}
    for index, rung in enumerate(panel.rungs):  # steps ascend, so that the last one stays
        last.setdefault(rung.stage, {})[rung.seed] = index
    for earlier, later in dict.fromkeys(transitions):
        befores, afters = last.get(earlier, {}), last.get(later, {})
        for seed, after in afters.items():
            if seed in befores:
                yield befores[seed], after
            elif len(befores) == 1:
                yield next(iter(befores.values())), after


def _gains(panel: Panel, measure: Measure, before: int, after: int) -> Gains:
    sign = -1.0 if measure.better == "lower" else 1.0
    reach = reach_of(measure)
    if reach is not None:
        reach = (reach[0] - reach[1], reach[1] - reach[0])
    both = np.where(np.isnan(panel.values[before] + panel.values[after]), np.nan, 0.0)
    readings = panel.values[before] + both, panel.values[after] + both
    first, second = (sample(measure, values, panel, bounded=False) for values in readings)
    everyone = None
    if first.everyone is not None and second.everyone is not None:
        everyone = sign * (second.everyone - first.everyone)
    each = sign * (second.values - first.values)
    later = panel.rungs[after]
    return Gains(
        panel=panel,
        from_stage=panel.rungs[before].stage,
        to_stage=later.stage,
        seed=later.seed,
        first=readings[0],
        second=readings[1],
        each=each,
        spread=take_spread(each, panel, reach, everyone),
    )
