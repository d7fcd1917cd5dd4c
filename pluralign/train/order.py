"""Which examples an optimiser step sees, and what chance decides in it: functions of the seed and the step alone, so
that a run can be taken up.
"""

import math
import random
from functools import lru_cache

from pluralign.records.training import Training


def count_epoch(examples: int, training: Training, iterations: int = 1) -> int:
    """Optimiser steps of an epoch, `iterations` on each batch; the last batch may hold fewer examples."""
    return math.ceil(examples / training.batch_size) * iterations


def count_steps(examples: int, training: Training, iterations: int = 1) -> int:
    """Optimiser steps of a training, `iterations` on each batch."""
    steps = math.ceil(training.num_train_epochs * count_epoch(examples, training, iterations))
    return steps if training.max_steps is None else min(steps, training.max_steps)


def choose(step: int, examples: int, *, batch_size: int, seed: int) -> list[int]:
    """Indices of the examples of optimiser step `step` (from 1); every epoch has an order of its own."""
    steps_per_epoch = math.ceil(examples / batch_size)
    epoch, place = divmod(step - 1, steps_per_epoch)
    return list(_order(epoch, examples, seed)[place * batch_size : (place + 1) * batch_size])


@lru_cache(maxsize=1)
def _order(epoch: int, examples: int, seed: int) -> tuple[int, ...]:
    """The order of an epoch, kept for its steps: to shuffle a million examples takes half a second."""
    order = list(range(examples))
    random.Random(f"{seed} {epoch}").shuffle(order)
    return tuple(order)


def seed_of(step: int, *, seed: int) -> int:
    """The seed of all that is drawn at random at optimiser step `step`."""
    return random.Random(f"{seed} step {step}").getrandbits(63)
