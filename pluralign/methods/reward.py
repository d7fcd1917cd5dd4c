"""Reward models: a Bradley-Terry likelihood of the preferences.

Source: Bradley and Terry 1952, doi:10.2307/2334029; as a loss Ouyang et al. 2022, arXiv:2203.02155, eq. 1; centering
of rewards Eisenstein et al. 2023, arXiv:2312.09244, section 2 (the auxiliary loss that keeps rewards near zero);
margins Touvron et al. 2023, arXiv:2307.09288, eq. 2.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from pluralign.engine.batch import Batch, Losses
from pluralign.records.preference import Preference
from pluralign.records.training import Training

VERSION = 2
KIND = "reward"
COUNTS = "pairs"
NEEDS_REFERENCE = False
USES_MARGINS = True
METRICS = ("mean_reward", "margin", "accuracy")
TRAINING = Training(learning_rate=1e-5, batch_size=16, num_train_epochs=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`label_smoothing`: share of labels taken to be wrong; `center_rewards_coefficient`: pull of rewards towards 0."""

    label_smoothing: float = 0.0
    center_rewards_coefficient: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 0.5:
            raise ValueError(f"label_smoothing must be at least 0 and below 0.5, not {self.label_smoothing}")
        if self.center_rewards_coefficient < 0:
            raise ValueError(f"center_rewards_coefficient must be at least 0, not {self.center_rewards_coefficient}")


def completions(preference: Preference) -> tuple[str, ...]:
    """The chosen and the rejected completion."""
    return (preference.chosen, preference.rejected)


def reward_loss(
    chosen: Float[Tensor, " pair"],
    rejected: Float[Tensor, " pair"],
    margins: Float[Tensor, " pair"] | None = None,
    *,
    label_smoothing: float = 0.0,
    center_rewards_coefficient: float = 0.0,
) -> Float[Tensor, " pair"]:
    """Negative log-likelihood (nats) that the chosen completion wins, one value per pair.

    With Δ = r(chosen) - r(rejected) less the margin that was asked for (0 without `margins`), smoothing e and
    coefficient c: -(1 - e) log σ(Δ) - e log σ(-Δ) + c (r(chosen) + r(rejected))².
    """
    margin = chosen - rejected if margins is None else chosen - rejected - margins
    likelihood = (1 - label_smoothing) * logsigmoid(margin) + label_smoothing * logsigmoid(-margin)
    return center_rewards_coefficient * (chosen + rejected) ** 2 - likelihood


def losses(batch: Batch, options: Options) -> Losses:
    """The loss of every pair; its mean reward, margin and whether the chosen completion is ahead, as TRL names them."""
    chosen, rejected = batch.scores[:, 0], batch.scores[:, 1]
    per_pair = reward_loss(
        chosen,
        rejected,
        batch.margins,
        label_smoothing=options.label_smoothing,
        center_rewards_coefficient=options.center_rewards_coefficient,
    )
    metrics = {
        "mean_reward": (chosen + rejected) / 2,
        "margin": chosen - rejected,
        "accuracy": (chosen > rejected).to(chosen.dtype),
    }
    return Losses(per_pair=per_pair, metrics=metrics)
