"""The names that a method declares are those that its losses give."""

from types import ModuleType

import pytest
import torch

from pluralign.engine.batch import Batch, Drawn
from pluralign.methods import dpo, reward, rloo, sft


@pytest.mark.parametrize("method", [sft, reward, dpo, rloo])
def test_declared_metrics_are_what_the_log_gets(method: ModuleType):
    scores = torch.tensor([[-3.0, -4.0], [-5.0, -2.0]])
    drawn = Drawn(rewards=-scores, truncated=scores < -4.5) if method is rloo else None
    tokens = torch.ones(2, 2, dtype=torch.long)
    batch = Batch(scores=scores, reference=scores - 1.0, tokens=tokens, drawn=drawn)
    assert tuple(method.losses(batch, method.Options()).metrics) == method.METRICS
