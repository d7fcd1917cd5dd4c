"""Every pair counts alike: the plain mean of the losses, whoever preferred.

A weighting says how much each group's mean loss counts in the objective of an optimiser step,
sum over groups of weight · mean loss. It keeps what it remembers in `state`, None at the first step.
"""

from jaxtyping import Float
from torch import Tensor

from pluralign.engine.batch import GroupLosses

VERSION = 1
NEEDS_LOSSES = False
"""Whether the weights depend on the losses; if so, the loop surveys the whole step before it trains on it."""


def weigh(
    state: None, losses: GroupLosses, head_gradients: Float[Tensor, "group width"] | None
) -> tuple[Float[Tensor, " group"], None]:
    """Weights equal to the groups' shares of the step, which makes the objective the mean over pairs."""
    return losses.shares, state
