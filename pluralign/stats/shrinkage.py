"""Where the groups may truly stand on two sides, given their means and those of resampled clusters.

Means are noisy, so they lie further apart than the truth, and resampled ones are noisier still. With T the covariance
of the true means of the two sides over the groups and N that of their noise (by which sides that answered the same
items share some), the observed means m of a group about their centre c have the covariance S = T + N, and the true
ones, for normal means, lie around c + A (m - c) with A = T S⁻¹ and the covariance A N. So many draws are made by
giving each resampled deviation e the size that is left to the truth:

    c + A (m - c) + B e,    B = (A N)^½ N^-½

Source: Laird and Louis 1987 (empirical Bayes intervals from bootstrap samples). What S is itself is not known: it is
drawn from its inverse Wishart posterior, without which 86% are covered in place of 95%.
"""

import numpy as np
from jaxtyping import Float64

_LEAST = 1e-3
"""Smallest variance of the true means along any axis, as a share of the observed variance."""

_ROUNDING = 1e-10
Matrices = Float64[np.ndarray, "draw 2 2"]


def plausible_means(
    value: Float64[np.ndarray, "2 group"],
    drawn: Float64[np.ndarray, "draw 2 group"],
    random: np.random.Generator,
) -> Float64[np.ndarray, "draw 2 group"]:
    """Draws of the true means of both sides, in units of each side's own spread, about zero.

    `value`: means of the sample, three groups or more, not all alike on a side; `drawn`: those of resampled clusters,
    the same clusters on both sides, with the variance that the sample's means have.
    """
    centred = value - value.mean(axis=1, keepdims=True)
    scale = centred.std(axis=1, ddof=1, keepdims=True)
    observed, deviations = centred / scale, (drawn - drawn.mean(axis=0)) / scale
    products: Float64[np.ndarray, "2 2"] = np.einsum("dig,djg->ij", deviations, deviations)
    noise = products / ((len(drawn) - 1) * value.shape[1])
    spread = observed @ observed.T / (value.shape[1] - 1)
    truth = _positive(_inverse_wishart(spread, value.shape[1] - 1, len(drawn), random) - noise)
    total: Matrices = truth + noise
    shrink = np.matmul(truth, np.linalg.inv(total))
    left = truth - np.matmul(shrink, truth)
    widen = np.matmul(_root((left + np.swapaxes(left, 1, 2)) / 2), _inverse_root(noise))
    return np.matmul(shrink, observed) + np.matmul(widen, deviations)


def _inverse_wishart(
    spread: Float64[np.ndarray, "2 2"], freedom: int, draws: int, random: np.random.Generator
) -> Matrices:
    """Covariances that may have given the covariance `spread` with so many degrees of freedom, by Bartlett's way."""
    triangle = np.zeros((draws, 2, 2))
    triangle[:, 0, 0] = np.sqrt(random.chisquare(freedom, draws))
    triangle[:, 1, 1] = np.sqrt(random.chisquare(freedom - 1, draws))
    triangle[:, 1, 0] = random.normal(size=draws)
    half = np.linalg.cholesky(spread + _ROUNDING * np.eye(2))
    wishart = triangle @ np.swapaxes(triangle, 1, 2)
    return half @ (freedom * np.linalg.inv(wishart)) @ half.T


def _positive(matrices: Matrices) -> Matrices:
    """The nearest covariances that leave every axis some variance."""
    sizes, axes = np.linalg.eigh(matrices)
    return (axes * np.maximum(sizes, _LEAST)[:, None, :]) @ np.swapaxes(axes, 1, 2)


def _root(matrices: Matrices) -> Matrices:
    sizes, axes = np.linalg.eigh(matrices)
    return (axes * np.sqrt(np.maximum(sizes, 0.0))[:, None, :]) @ np.swapaxes(axes, 1, 2)


def _inverse_root(matrix: Float64[np.ndarray, "2 2"]) -> Float64[np.ndarray, "2 2"]:
    """Zero along axes without variance, as that of a side which is fixed."""
    sizes, axes = np.linalg.eigh(matrix)
    known = sizes > _ROUNDING * max(float(sizes[-1]), _ROUNDING)
    inverse = np.divide(1.0, np.sqrt(np.where(known, sizes, 1.0)), out=np.zeros_like(sizes), where=known)
    return (axes * inverse) @ axes.T
