"""The machine's peak rate of matrix multiplication, measured: the best of several shapes."""

import time
from collections.abc import Callable

import torch

SHAPES = ((512, 512, 1376), (2048, 512, 2048), (2048, 2048, 2048), (4096, 512, 8192), (4096, 4096, 4096))
"""Rows, inner width, columns."""
TURNS = 5


def peak_gemm_flops(dtype: torch.dtype, device: torch.device) -> float:
    """Operations a second of `[rows, inner] @ [inner, columns]`, the best shape's best turn."""
    return max(_rate(shape, dtype, device) for shape in SHAPES)


def _rate(shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> float:
    rows, inner, columns = shape
    left = torch.randn(rows, inner, device=device).to(dtype)
    right = torch.randn(columns, inner, device=device).to(dtype).T
    out = torch.empty(rows, columns, dtype=dtype, device=device)
    flops = 2.0 * rows * inner * columns
    repeats = max(1, int(4e9 / flops)) * (50 if device.type == "cuda" else 1)

    def product() -> None:
        for _ in range(repeats):
            torch.mm(left, right, out=out)

    product()
    return repeats * flops / min(timed(product, device) for _ in range(TURNS))


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds until `work` is done on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    before = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - before
