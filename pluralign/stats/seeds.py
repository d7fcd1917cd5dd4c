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
from pluralign.stats.estimate import code_of, reference_of, relative_to
from pluralign.stats.gains import Gains, Transition, changing, gains
from pluralign.stats.many import ADJUST, together
from pluralign.stats.quantiles import student_quantile, student_tails
from pluralign.stats.spread import ALPHA, Spread
from pluralign.stats.table import Table
from pluralign.stats.verdict import judge_gains

_ROUNDING = 1e-12
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

    def of_method(self, alpha: float = ALPHA) -> tuple[Columns, Columns]:
        """Interval of level 1 - `alpha` for the method: other items, other seeds.

        Student's t with seeds - 1 degrees of freedom: where items are most of the variance, wider than it need be.
        """
        half = student_quantile(1 - alpha / 2, self._method_freedom) * self._method_error
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
    values, influence, beyond, freedom = _taken(spreads)
    return _levels(values, influence, beyond, freedom)


def levels_against(spreads: Sequence[Spread], reference: int) -> Levels:
    """The levels of every group's gain less that of group `reference`; NaN for itself, and for `all`.

    NaN too where the two groups' gains do not differ in any cluster of any seed, as in `stats.contrast`.
    """
    values, influence, beyond, freedom = _taken(spreads)
    size = (influence.mean(axis=0) ** 2).sum(axis=0) + beyond
    apart, excess = influence - influence[:, :, [reference]], beyond + beyond[reference]
    varies = (apart.mean(axis=0) ** 2).sum(axis=0) + excess > _ROUNDING * (size + size[reference])
    freedom = np.where(varies, np.minimum(freedom, freedom[reference]), np.nan)
    freedom[[reference, -1]] = np.nan
    values = values - values[:, [reference]]
    values[:, [reference, -1]] = np.nan
    return _levels(values, apart, excess, freedom)


def _taken(
    spreads: Sequence[Spread],
) -> tuple[Float64[np.ndarray, "seed group"], Float64[np.ndarray, "seed cluster group"], Columns, Columns]:
    """Gains, the clusters' contributions, the variance beyond these, and degrees of freedom, NaN where not known."""
    known = ~np.isnan([spread.error for spread in spreads]).any(axis=0)
    freedom = np.array([spread.means.freedom for spread in spreads]).min(axis=0)
    return (
        np.array([spread.means.value for spread in spreads]),
        np.array([spread.means.influence for spread in spreads]),
        np.array([np.nan_to_num(spread.excess) for spread in spreads]).mean(axis=0),
        np.where(known, freedom, np.nan),
    )


def _levels(
    values: Float64[np.ndarray, "seed group"],
    influence: Float64[np.ndarray, "seed cluster group"],
    beyond: Columns,
    freedom: Columns,
) -> Levels:
    number, known = len(values), ~np.isnan(freedom)
    shared = influence.mean(axis=0)
    items = (shared**2).sum(axis=0) + beyond
    apart = ((influence - shared) ** 2).sum(axis=(0, 1)) / (number - 1)
    between = np.maximum(values.var(axis=0, ddof=1) - apart, 0.0)
    return Levels(
        value=values.mean(axis=0),
        items=np.where(known, items, np.nan),
        freedom=freedom,
        seeds=np.where(known & (number >= FEWEST_SEEDS), between, np.nan),
        number=number,
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


@dataclass(frozen=True)
class _Slice:
    """One slice over its seeds, of which `one` is the first: gains, and gains less that of the `reference` group."""

    one: Gains
    reference: int | None
    own: Levels
    relative: Levels | None

    @property
    def relative_p(self) -> Columns:
        """P-values of the relative gains; NaN without a reference group."""
        return np.full_like(self.own.value, np.nan) if self.relative is None else self.relative.method_p


def _rows(audit: Audit, name: str, members: Sequence[Sequence[Gains]]) -> Iterator[AcrossSeeds]:
    """The rows of one transition, slice by slice."""
    if not members:
        return
    found = [_slice(audit, seeds) for seeds in members]
    rule = ADJUST[audit.adjustment]
    own = together(rule, [each.own.method_p for each in found])
    relative = together(rule, [each.relative_p for each in found])
    for each, adjusted, against in zip(found, own, relative, strict=True):
        yield from _of_slice(audit, name, each, (adjusted, against))


def _slice(audit: Audit, seeds: Sequence[Gains]) -> _Slice:
    spreads, reference = [each.spread for each in seeds], reference_of(audit, seeds[0].panel)
    relative = None if reference is None else levels_against(spreads, reference)
    return _Slice(seeds[0], reference, levels_of(spreads), relative)


def _of_slice(audit: Audit, name: str, found: _Slice, adjusted: tuple[Columns, Columns]) -> Iterator[AcrossSeeds]:
    one, levels, relative = found.one, found.own, found.relative
    least, most = one.spread.reach or (-np.inf, np.inf)
    models, method = (np.clip(bounds, least, most) for bounds in (levels.of_models, levels.of_method()))
    verdicts = judge_gains(levels.value, levels.of_method(2 * ALPHA), adjusted[0], audit.measures[name])
    unknown = np.full_like(levels.value, np.nan)
    gap_low, gap_high = (unknown, unknown) if relative is None else relative.of_method()
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
            method_p=float(levels.method_p[column]),
            method_p_adjusted=float(adjusted[0][column]),
            unit=audit.measures[name].unit,
            method_verdict=verdicts[column] if levels.number >= FEWEST_SEEDS else None,
            relative_to=relative_to(one.panel, found.reference, group),
            relative_gain=float((unknown if relative is None else relative.value)[column]),
            relative_low=float(gap_low[column]),
            relative_high=float(gap_high[column]),
            relative_p=float(found.relative_p[column]),
            relative_p_adjusted=float(adjusted[1][column]),
        )
