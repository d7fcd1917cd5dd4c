"""Cells of an intersection, shrunk towards what their groups alone would give: empirical Bayes.

A cell's mean y has the sampling variance v. Its true mean is drawn around a prediction with variance τ² (Paule and
Mandel), so that what is likely noise is drawn in: the more, the noisier the cell and the better the predictions. The
prediction is additive: a number for every group of every slice, as if there were no interaction; where cells are too
few for that it is one number for all, and with fewer than four cells there is none. Shrinkage and its variance are
those of Morris, who allows for τ² and the prediction being estimated. Cells are taken as independent.
Source: Paule and Mandel 1982; Morris 1983, Journal of the American Statistical Association 78(381), eq. 4.1-4.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from pluralign.stats.quantiles import normal_quantile
from pluralign.stats.spread import ALPHA

Cells = Float64[np.ndarray, " cell"]
Towards = Literal["additive", "mean", ""]
FEWEST_LEFT = 3
"""Cells beyond the parameters of the prediction that are needed to tell how far to shrink."""
_HALVINGS = 80


@dataclass(frozen=True)
class Shrunk:
    """Shrunk means with 95% intervals, NaN where a cell's own uncertainty is not known; `towards` which prediction."""

    value: Cells
    low: Cells
    high: Cells
    towards: Towards


def shrink(value: Cells, error: Cells, groups: Sequence[Sequence[str]]) -> Shrunk:
    """Shrink the means of cells with standard errors; `groups` names a cell's group in each slice."""
    centre, low, high = (np.full_like(value, np.nan) for _ in range(3))
    here = np.flatnonzero((error > 0) & ~np.isnan(value))
    design, towards = _prediction([groups[place] for place in here.tolist()])
    if towards:
        centre[here], low[here], high[here] = _morris(value[here], error[here] ** 2, design)
    return Shrunk(centre, low, high, towards)


def _prediction(groups: Sequence[Sequence[str]]) -> tuple[Float64[np.ndarray, "cell parameter"], Towards]:
    """An orthonormal basis of the predictions: of the additive ones if enough cells are left, else of one number."""
    one = np.ones((len(groups), 1))
    for towards, columns in (("additive", [one, *_indicators(groups)]), ("mean", [one])):
        axes, sizes, _ = np.linalg.svd(np.hstack(columns), full_matrices=False)
        kept = axes[:, sizes > 1e-9 * max(len(groups), 1)]
        if len(groups) - kept.shape[1] >= FEWEST_LEFT:
            return kept, "additive" if towards == "additive" else "mean"
    return one, ""


def _indicators(groups: Sequence[Sequence[str]]) -> list[Float64[np.ndarray, "cell group"]]:
    """For every slice, which group a cell is in."""
    made: list[Float64[np.ndarray, "cell group"]] = []
    for members in zip(*groups, strict=True):
        names = sorted(set(members))
        made.append(np.array([[float(member == name) for name in names] for member in members]))
    return made


def _morris(value: Cells, variance: Cells, design: Float64[np.ndarray, "cell parameter"]) -> tuple[Cells, Cells, Cells]:
    """Shrunk value and bounds."""
    left = len(value) - design.shape[1]
    prior = paule_mandel(value, variance, design)
    predicted, leverage = _fitted(value, variance + prior, design)
    pull = (left - 2) / left * variance / (variance + prior)
    off = value - predicted
    weight = 1 / (variance + prior)
    typical = float((weight * (variance + prior)).sum() / weight.sum())
    unsure = 2 / (left - 2) * pull**2 * off**2 * typical / (variance + prior)
    half = normal_quantile(1 - ALPHA / 2) * np.sqrt(variance * (1 - (1 - leverage) * pull) + unsure)
    shrunk = predicted + (1 - pull) * off
    return shrunk, shrunk - half, shrunk + half


def _fitted(value: Cells, variance: Cells, design: Float64[np.ndarray, "cell parameter"]) -> tuple[Cells, Cells]:
    """Weighted least squares with weights 1 / variance: the predictions, and their leverages."""
    root = 1 / np.sqrt(variance)
    axes, _ = np.linalg.qr(design * root[:, None])
    return (axes @ (axes.T @ (value * root))) / root, (axes**2).sum(axis=1)


def paule_mandel(value: Cells, variance: Cells, design: Float64[np.ndarray, "cell parameter"]) -> float:
    """τ² at which the weighted squares of the residuals are as many as cells less parameters; 0 where none are more."""
    left = len(value) - design.shape[1]

    def excess(prior: float) -> bool:
        predicted, _ = _fitted(value, variance + prior, design)
        return float(((value - predicted) ** 2 / (variance + prior)).sum()) > left

    if not excess(0.0):
        return 0.0
    low, high = 0.0, float(variance.max())
    while excess(high):
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) else (low, middle)
    return high
