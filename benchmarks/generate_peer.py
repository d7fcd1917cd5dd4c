"""transformers' `generate` in batches of 8 as the prompts come, the way of most evaluation scripts."""

from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from benchmarks.cases import Setting
from benchmarks.models import make_model
from benchmarks.requests import END, end_tokens, new_tokens, prompts
from benchmarks.sides import Side

TOGETHER = 8


def prepare(setting: Setting) -> Side:
    """The side of a writing setting."""
    return Writing(setting)


class Writing:
    """Text of all prompts: the most probable, or drawn at temperature 1 from the whole distribution."""

    def __init__(self, setting: Setting) -> None:
        torch.manual_seed(1)
        self.model: Any = make_model(setting)
        given = prompts(setting)
        self.batches = [_pad_left(given[start : start + TOGETHER]) for start in range(0, len(given), TOGETHER)]
        self.ends = frozenset(end_tokens(setting))
        self.drawn = setting.case == "write_sampled"
        drawing = {"do_sample": True, "top_k": 0} if self.drawn else {"do_sample": False}
        self.settings = GenerationConfig(
            max_new_tokens=new_tokens(setting), eos_token_id=sorted(self.ends), pad_token_id=END, **drawing
        )

    def run(self) -> int:
        """Write everything once; a unit is a token, a drawn end token with the others."""
        return sum(map(len, self._write()))

    def check(self, gradient: Path | None) -> list[float]:
        """The token ids, text after text; of drawn texts how many tokens each has."""
        written = self._write()
        return (
            [float(len(text)) for text in written]
            if self.drawn
            else [float(token) for text in written for token in text]
        )

    def _write(self) -> list[list[int]]:
        written: list[list[int]] = []
        for ids, mask in self.batches:
            with torch.no_grad():
                rows = self.model.generate(
                    input_ids=ids.to(self.model.device),
                    attention_mask=mask.to(self.model.device),
                    generation_config=self.settings,
                )
            written += [self._useful(row) for row in rows[:, ids.shape[1] :].tolist()]
        return written

    def _useful(self, row: list[int]) -> list[int]:
        """What stands before the padding that follows an end token; with that token where texts are drawn."""
        end = next((place for place, token in enumerate(row) if token in self.ends), None)
        return row if end is None else row[: end + self.drawn]


def _pad_left(some: list[tuple[int, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, some))
    ids = torch.tensor([[END] * (width - len(prompt)) + list(prompt) for prompt in some])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in some])
    return ids, mask
