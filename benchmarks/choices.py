"""The settings of a peer that are tried out before it is measured; the fastest is what it is compared with."""

from typing import Any

from benchmarks.cases import Setting
from benchmarks.requests import forks

LOGIT_BYTES = 3 * 2**30
"""Logits that a batch of lm-evaluation-harness may have, float32: their log-softmax takes as much again."""


def choices(setting: Setting) -> list[dict[str, Any]]:
    """Options for `prepare` of the setting's peer, at least one; one where it is to be quick."""
    found = _choices(setting)
    return found[len(found) // 2 :][:1] if setting.quick else found


def _choices(setting: Setting) -> list[dict[str, Any]]:
    if setting.scores:
        longest = max(len(fork.prompt) + max(map(len, fork.completions)) for fork in forks(setting))
        fitting = [size for size in (1, 4, 16, 64) if size * longest * setting.vocabulary * 4 <= LOGIT_BYTES]
        return [{"batch_size": size} for size in fitting or [1]]
    if setting.case == "dpo":
        return [{"pairs_together": size} for size in (1, 2, 4, 8) if size <= len(forks(setting))]
    return [{}]
