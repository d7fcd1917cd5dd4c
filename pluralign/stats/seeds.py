"""Training seeds as a level of their own: what is known of these models, and what of the method that made them.

With seeds s = 1 … S and items i, a gain is μ_i + τ_s + ε_is. Items move all seeds together (μ) and each for itself
(ε); τ is what training makes of another seed. The mean over seeds has the variance of its items, found from the
clusters' contributions averaged over the seeds, and Var(τ) / S. Var(τ) is the variance of the seeds' gains less what ε
adds to it, which is found from how the clusters' contributions differ between seeds; never below zero.
Source: variance components of a crossed design, Searle, Casella and McCulloch 1992, chapter 4.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pluralign.records.across_seeds import FEWEST_SEEDS, AcrossSeeds
from pluralign.records.estimate import ALL
from pluralign.records.findings import Audit
from pluralign.stats.estimate import code_of
from pluralign.stats.gains import Gains, Transition, changing, gains
from pluralign.stats.many import ADJUST
from pluralign.stats.quantiles import student_quantile, student_tails
from pluralign.stats.spread import ALPHA, Spread
from pluralign.stats.table import Table

Columns = Float64[np.ndarray, " group"]


@dataclass(frozen=True)
class Levels:
    """Mean gains over seeds by group, `all` last, and their variance by level.

    `items`: variance of the mean through items, with `freedom`; `seeds`: variance of a seed's true gain, NaN with fewer
    than three seeds; `number` of seeds.
    """

    value: Columns
    items: Columns
    freedom: Columns
    seeds: Columns
    number: int

    @property
    def of_models(self) -> tuple[Columns, Columns]:
        """95% interval for these models: other items, the same weights."""
        half = student_quantile(1 - ALPHA / 2, self.freedom) * np.sqrt(self.items)
        return self.value - half, self.value + half

    @property
    def _method_error(self) -> Columns:
        return np.sqrt(self.items + self.seeds / self.number)

    @property
    def _method_freedom(self) -> Columns:
        return np.full_like(self.value, max(self.number - 1, 1))

    @property
    def of_method(self) -> tuple[Columns, Columns]:
        """95% interval for the method: other items, other seeds; Student's t with seeds - 1 degrees of freedom.

        Where items are most of the variance this is wider than it need be.
        """
        half = student_quantile(1 - ALPHA / 2, self._method_freedom) * self._method_error
        return self.value - half, self.value + half

    @property
    def method_p(self) -> Columns:
        """Two-sided p that the method's gain is zero."""
        known = self._method_error > 0
        t = np.divide(self.value, self._method_error, out=np.full_like(self.value, np.nan), where=known)
        return student_tails(t, self._method_freedom)


def levels_of(spreads: Sequence[Spread]) -> Levels:
    """The levels of one slice's gains, a spread per seed (at least two) of the same panel.

    NaN where a seed's uncertainty is not known.
    """
    values = np.array([spread.means.value for spread in spreads])
    influence = np.array([spread.means.influence for spread in spreads])
    known = ~np.isnan([spread.error for spread in spreads]).any(axis=0)
    shared = influence.mean(axis=0)
    beyond = np.array([np.nan_to_num(spread.excess) for spread in spreads]).mean(axis=0)
    items = (shared**2).sum(axis=0) + beyond
    apart = ((influence - shared) ** 2).sum(axis=(0, 1)) / (len(spreads) - 1)
    between = np.maximum(values.var(axis=0, ddof=1) - apart, 0.0)
    freedom = np.array([spread.means.freedom for spread in spreads]).min(axis=0)
    return Levels(
        value=values.mean(axis=0),
        items=np.where(known, items, np.nan),
        freedom=np.where(known, freedom, np.nan),
        seeds=np.where(known & (len(spreads) >= FEWEST_SEEDS), between, np.nan),
        number=len(spreads),
    )


def across_seeds(table: Table, audit: Audit, transitions: Sequence[Transition]) -> list[AcrossSeeds]:
    """One row per measure, transition, slice and group, `all` last, where there are several seeds of a transition.

    P-values are adjusted for the groups of all slices together, by the audit's rule, as in `stats.compare`.
    """
    rows: list[AcrossSeeds] = []
    for name, _ in changing(audit):
        found = _by_place(gains(table, audit, name, transitions))
        for way in dict.fromkeys(way for way, _ in found):
            members = [each for (other, _), each in found.items() if other == way and len(each) > 1]
            rows.extend(_rows(audit, name, members))
    return rows


def _by_place(found: Iterable[Gains]) -> dict[tuple[Transition, str], list[Gains]]:
    """The seeds' gains by transition and slice."""
    places: dict[tuple[Transition, str], list[Gains]] = {}
    for each in found:
        places.setdefault(((each.from_stage, each.to_stage), each.panel.slice), []).append(each)
    return places


def _rows(audit: Audit, name: str, members: Sequence[Sequence[Gains]]) -> Iterator[AcrossSeeds]:
    """The rows of one transition, slice by slice."""
    if not members:
        return
    found = [levels_of([each.spread for each in seeds]) for seeds in members]
    p = [levels.method_p for levels in found]
    together = ADJUST[audit.adjustment](np.concatenate([each[:-1] for each in p]))
    ends = np.cumsum([len(each) - 1 for each in p])
    for seeds, levels, own, adjusted in zip(members, found, p, np.split(together, ends[:-1]), strict=True):
        yield from _of_slice(audit, name, seeds[0], levels, np.append(adjusted, own[-1]))


def _of_slice(audit: Audit, name: str, one: Gains, levels: Levels, adjusted: Columns) -> Iterator[AcrossSeeds]:
    least, most = one.spread.reach or (-np.inf, np.inf)
    models, method = (np.clip(bounds, least, most) for bounds in (levels.of_models, levels.of_method))
    p = levels.method_p
    for column, group in enumerate((*one.panel.groups, ALL)):
        yield AcrossSeeds(
            audit=audit.name,
            measure=name,
            from_stage=one.from_stage,
            to_stage=one.to_stage,
            slice=one.panel.slice,
            group=group,
            code=code_of(audit, one.panel.slice, group),
            seeds=levels.number,
            gain=float(levels.value[column]),
            item_error=float(np.sqrt(levels.items[column])),
            models_low=float(models[0][column]),
            models_high=float(models[1][column]),
            seed_sd=float(np.sqrt(levels.seeds[column])),
            method_low=float(method[0][column]),
            method_high=float(method[1][column]),
            method_p=float(p[column]),
            method_p_adjusted=float(adjusted[column]),
            unit=audit.measures[name].unit,
        )
