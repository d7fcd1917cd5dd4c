"""lm-evaluation-harness' Hugging Face backend, given the requests as token ids.

Its settings are the defaults but for the batch size, which is the better of several (`choices.py`); "auto" finds the
largest that fits in memory, which on a CPU is not the fastest. Under bfloat16 its softmax stays in bfloat16, as by
default; for the comparison of numbers alone it is done in float32, since sums of bfloat16 log-probabilities are rough.
"""

import logging
from pathlib import Path

import torch
from lm_eval.models.huggingface import HFLM  # pyright: ignore[reportMissingImports]

from benchmarks.cases import Setting
from benchmarks.models import make_model, make_tokenizer
from benchmarks.requests import forks
from benchmarks.shape import LONGEST
from benchmarks.sides import Side


def prepare(setting: Setting, *, batch_size: int) -> Side:
    """The side of a scoring setting."""
    return Scoring(setting, batch_size)


class Scoring:
    """Log-likelihoods of all requests."""

    def __init__(self, setting: Setting, batch_size: int) -> None:
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.lm = HFLM(
            pretrained=make_model(setting),
            tokenizer=make_tokenizer(setting.vocabulary),
            batch_size=batch_size,
            max_length=LONGEST,
        )
        self.requests = [
            ((f"{number}", f"{index}"), list(fork.prompt), list(completion))
            for number, fork in enumerate(forks(setting))
            for index, completion in enumerate(fork.completions)
        ]

    def run(self) -> int:
        """Answer every request once; a unit is a request."""
        return len(self._answer())

    def check(self, gradient: Path | None) -> list[float]:
        """The log-likelihood of every request, nats."""
        self.lm.softmax_dtype = torch.float32
        return self._answer()

    def _answer(self) -> list[float]:
        return [value for value, _ in self.lm._loglikelihood_tokens(self.requests, disable_tqdm=True)]
