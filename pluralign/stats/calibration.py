"""Calibration of preferences: does a model that says 80% prefer what people preferred four times in five?

A margin m (nats or reward) of the preferred answer over the other stands for the probability σ(m) that it is preferred.
Each pair is looked at from the side that the model favours: its confidence σ(|m|), between .5 and 1, and whether people
favoured it too (a tie is half right).
Source: Naeini et al. 2015 (ECE); Guo et al. 2017, arXiv:1706.04599 (temperature); Zeng et al. 2023, arXiv:2312.07401
(ECE of reward models).
"""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int
from scipy import special as _special  # pyright: ignore[reportMissingTypeStubs]

from pluralign.errors import InputError
from pluralign.stats.bootstrap import resample
from pluralign.stats.draws import portions
from pluralign.stats.panel import Panel

special: Any = _special
DRAWS = 1000
SHARPEST, BLUNTEST = 1e-3, 1e3
"""Between these a temperature is sought; a set that is always right has no best one above zero."""


def check_bins(bins: int) -> None:
    """Refuse an odd number of bins over [0, 1]: its middle bin holds a pair and its mirror image, whose errors cancel.

    Raises: InputError.
    """
    if bins < 2 or bins % 2:
        raise InputError(f"{bins} bins: an even number from 2 on is needed, half of them for confidences from .5 to 1")


def ece(margins: Float64[np.ndarray, " pair"], bins: int) -> float:
    """Expected calibration error with `bins` equal bins over [0, 1] and both orders of each pair.

    Σ_b n_b / n |accuracy_b - confidence_b| over the bins / 2 bins between .5 and 1; NaN without any pair.
    """
    gaps = signed_gaps(margins, bins)
    known = gaps[~np.isnan(gaps)]
    return float(known.mean()) if len(known) else float("nan")


def signed_gaps(margins: Float64[np.ndarray, " pair"], bins: int) -> Float64[np.ndarray, " pair"]:
    """Each pair's confidence less whether it was right, signed as its bin's sum: their mean is the ECE.

    With the signs held fixed the ECE is a mean over pairs, so that everything known of means holds of it.
    """
    gaps, places = gaps_and_bins(margins, bins)
    known = ~np.isnan(gaps)
    sums = np.bincount(places[known], gaps[known], minlength=bins // 2)
    return gaps * np.sign(sums)[places]


def gaps_and_bins(
    margins: Float64[np.ndarray, " pair"], bins: int
) -> tuple[Float64[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Each pair's confidence less whether it was right, and its bin, from 0; a missing pair's gap is NaN.

    Raises: InputError for an odd number of bins.
    """
    check_bins(bins)
    confidence = special.expit(np.abs(margins))
    right = (np.sign(margins) + 1) / 2
    return confidence - right, _bins(confidence, bins)


def _bins(confidence: Float64[np.ndarray, " pair"], bins: int) -> Int[np.ndarray, " pair"]:
    """The bin of each confidence; a bin holds its lower edge, the last one 1 too."""
    place = np.floor((np.where(np.isnan(confidence), 0.5, confidence) - 0.5) * bins)
    return np.minimum(place, bins // 2 - 1).astype(np.int64)


def noise_floor(margins: Float64[np.ndarray, " pair"], bins: int, seed: int = 0) -> tuple[float, float, float]:
    """ECE of a perfectly calibrated model with these confidences and this many pairs: its mean, 5% and 95% points.

    In each of 1000 draws every pair is right with the probability that the model says, independently. NaN without any
    pair. Raises: InputError for an odd number of bins.
    """
    check_bins(bins)
    known = margins[~np.isnan(margins)]
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    confidence = special.expit(np.abs(known))
    order = np.argsort(_bins(confidence, bins), kind="stable")
    confidence, starts = confidence[order], _starts(_bins(confidence[order], bins))
    draw = np.random.default_rng(seed)
    drawn: list[Float64[np.ndarray, " draw"]] = []
    for rows in portions(DRAWS, len(known)):
        gaps = confidence - (draw.random((rows, len(known))) < confidence)
        drawn.append(np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1) / len(known))
    errors = np.concatenate(drawn)
    low, high = np.quantile(errors, (0.05, 0.95))
    return float(errors.mean()), float(low), float(high)


def _starts(places: Int[np.ndarray, " pair"]) -> Int[np.ndarray, " bin"]:
    """Where each bin begins in a sorted list of bins."""
    return np.flatnonzero(np.diff(places, prepend=-1))


def temperature(margins: Float64[np.ndarray, " pair"]) -> float:
    """The temperature T > 0 at which Σ log(1 + exp(-m / T)) is least; NaN without any pair.

    The sum is convex in 1 / T: its slope is brought to zero by bisection, to full precision. NaN too where it is the
    less the smaller T is, as where all pairs are right; 1000 where a larger T would be better (more wrong than right).
    """
    known = margins[~np.isnan(margins)]
    if not len(known):
        return float("nan")
    low, high = np.log(1 / BLUNTEST), np.log(1 / SHARPEST)
    if _slope(known, low) >= 0:
        return BLUNTEST
    if _slope(known, high) <= 0:
        return float("nan")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _slope(known, middle) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def _slope(margins: Float64[np.ndarray, " pair"], log_sharpness: float) -> float:
    return float(-(margins * special.expit(-np.exp(log_sharpness) * margins)).sum())


def scaled_by_other_half(
    margins: Float64[np.ndarray, " pair"], cluster: Int[np.ndarray, " pair"]
) -> Float64[np.ndarray, " pair"]:
    """Margins over the temperature that fits the other half of the prompts.

    Prompts are dealt into two halves by a draw of fixed seed, whatever order they stand in; all groups share the two
    temperatures, and no pair's own prompt decides on its temperature. NaN where the other half has none.
    """
    half = np.random.default_rng(0).permutation(cluster.max(initial=-1) + 1)[cluster] % 2
    fitted = np.array([temperature(margins[half == 1]), temperature(margins[half == 0])])
    return margins / fitted[half]


def bootstrap(
    margins: Float64[np.ndarray, " unit"], panel: Panel, bins: int, seed: int = 0
) -> tuple[Float64[np.ndarray, " group"], Float64[np.ndarray, " group"]]:
    """95% bounds of every group's ECE, `all` (everyone's pairs in the same bins) last, from 1000 draws of clusters.

    A resample is noisier than the sample, which moves its ECE up: the draws' quantiles are taken around their own mean
    and set around the ECE found, so that the bounds speak of the ECE at this many pairs, beside its noise floor. They
    are cut at 0 and 1.
    """
    gaps, places = gaps_and_bins(margins, bins)
    columns, half = len(panel.groups) + 1, bins // 2
    sums, counts = np.zeros((panel.clusters, columns * half)), np.zeros((panel.clusters, columns))
    known = np.flatnonzero(~np.isnan(gaps))
    cluster, group = panel.cluster[known], panel.group[known]
    for column in (group, np.full_like(group, columns - 1)):
        np.add.at(sums, (cluster, column * half + places[known]), gaps[known])
        np.add.at(counts, (cluster, column), 1.0)
    both = np.column_stack((sums, counts))
    value = _errors(both.sum(axis=0)[None], columns)[0]
    drawn = np.where(np.isnan(value), 0.0, _errors(resample(both, DRAWS, seed), columns))
    low, high = np.nanquantile(drawn, (0.025, 0.975), axis=0) - np.nanmean(drawn, axis=0)
    return np.clip(value + low, 0.0, 1.0), np.clip(value + high, 0.0, 1.0)


def _errors(drawn: Float64[np.ndarray, "draw cell"], columns: int) -> Float64[np.ndarray, "draw group"]:
    """The ECE of every group from the sums of its bins and, in the last `columns`, its pairs; NaN where it is empty."""
    total = drawn[:, -columns:]
    cells = np.abs(drawn[:, :-columns]).reshape(len(drawn), columns, -1).sum(axis=2)
    return np.divide(cells, total, out=np.full_like(total, np.nan), where=total > 0)
