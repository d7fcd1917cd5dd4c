"""REINFORCE leave-one-out: a policy trained on completions that it writes itself and a reward judges.

Each prompt is answered k times, and an answer's baseline is the mean of its siblings. With one optimiser step for what
was written, the policy that wrote it is the policy that is trained, and one forward pass gives ratio, KL and loss.

Source: Ahmadian et al. 2024, arXiv:2402.14740, section 3.2 (k siblings) and eq. 3 (the reward less the KL); clipping of
the ratio Schulman et al. 2017, arXiv:1707.06347, eq. 7. Options and metrics bear TRL's names.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pluralign.engine.batch import Batch, Drawn, Losses
from pluralign.records.preference import Preference
from pluralign.records.training import Training

VERSION = 1
KIND = "policy"
COUNTS = "pairs"
NEEDS_REFERENCE = True
NEEDS_REWARD = True
"""The policy writes the completions, and a reward that the run file names judges them."""
WITHOUT_EFFECT = ("vllm_server_timeout", "vllm_group_port")
"""Options that leave results as they are, so that a change of them trains nothing anew."""
METRICS = (
    "reward",
    "frac_reward_zero_std",
    "entropy",
    "completions/mean_length",
    "completions/clipped_ratio",
    "kl",
    "clip_ratio/low_mean",
    "clip_ratio/high_mean",
    "clip_ratio/region_mean",
)
TOKEN_METRICS = frozenset({"kl", "entropy"})
"""Metrics that are means over tokens, not over prompts."""
TRAINING = Training(learning_rate=1e-6, batch_size=16, num_train_epochs=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How completions are written, judged and learned from; `batch_size` counts prompts, `num_generations` siblings.

    `beta`: what a nat of KL to the reference costs, 0 for no reference. `temperature`, `top_p`, `top_k`: what is drawn
    from; log-probabilities are those at this temperature. `max_completion_length`: tokens, the end token with them.
    `num_iterations`: optimiser steps on the same completions, their ratio clipped to 1 - `epsilon` and 1 +
    `epsilon_high` (`epsilon` unless given). `normalize_advantages`: over the whole step. `reward_weights`: one for each
    reward; `reward_clip_range`: the lowest and the highest reward that counts. Of completions that do not end by
    themselves, `mask_truncated_completions` learns nothing, and `missing_eos_penalty` lowers the reward.

    `vllm_server_base_url`: a vLLM server that writes in place of this process, given the weights before it does over
    `vllm_group_port` (`train/vllm.py`); it must answer within `vllm_server_timeout` seconds.
    """

    num_generations: int = 2
    beta: float = 0.05
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_completion_length: int = 512
    num_iterations: int = 1
    epsilon: float = 0.2
    epsilon_high: float | None = None
    normalize_advantages: bool = False
    reward_weights: tuple[float, ...] | None = None
    reward_clip_range: tuple[float, float] | None = None
    mask_truncated_completions: bool = False
    missing_eos_penalty: float = 0.0
    vllm_server_base_url: str | None = None
    vllm_server_timeout: float = 240.0
    vllm_group_port: int = 51216

    def __post_init__(self) -> None:
        for name, least in (("num_generations", 2), ("max_completion_length", 1), ("num_iterations", 1), ("top_k", 0)):
            _require(getattr(self, name) >= least, name, getattr(self, name), f"at least {least}")
        for name in ("beta", "missing_eos_penalty"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")
        _require(self.vllm_server_timeout > 0, "vllm_server_timeout", self.vllm_server_timeout, "above 0")
        _require(self.temperature > 0, "temperature", self.temperature, "above 0")
        _require(0 < self.top_p <= 1, "top_p", self.top_p, "above 0 and at most 1")
        _require(0 < self.epsilon < 1, "epsilon", self.epsilon, "between 0 and 1")
        _require(self.epsilon_high is None or self.epsilon_high > 0, "epsilon_high", self.epsilon_high, "above 0")
        if self.vllm_server_base_url is not None:
            address = self.vllm_server_base_url
            _require(_is_address(address), "vllm_server_base_url", address, "an address such as http://host:8000")
        if self.reward_clip_range is not None:
            low, high = self.reward_clip_range
            _require(low < high, "reward_clip_range", [low, high], "two numbers, the lower one first")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of brackets that do not close, and of ports
        return False


def _require(holds: bool, name: str, value: object, bounds: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {bounds}, not {value}")


def completions(preference: Preference) -> tuple[str, ...]:
    """None: the policy writes them."""
    return ()


def leave_one_out(returns: Float[Tensor, "prompt sibling"]) -> Float[Tensor, "prompt sibling"]:
    """Advantage of every completion: A_i = R_i - mean of its siblings' R, of two siblings or more."""
    siblings = returns.shape[1]
    return returns - (returns.sum(dim=1, keepdim=True) - returns) / (siblings - 1)


def rloo_loss(
    log_ratio: Float[Tensor, "prompt sibling"],
    advantages: Float[Tensor, "prompt sibling"],
    *,
    epsilon: float = 0.2,
    epsilon_high: float | None = None,
) -> Float[Tensor, "prompt sibling"]:
    """- min(ratio · A, clip(ratio, 1 - epsilon, 1 + epsilon_high) · A) of every completion.

    `log_ratio`: log-probability (nats) under the policy less that under the policy which wrote it. Where both are one
    policy the ratio is 1, and the gradient that of - A log π(y).
    """
    ratio = log_ratio.exp()
    high = epsilon if epsilon_high is None else epsilon_high
    return -torch.min(ratio * advantages, ratio.clamp(1 - epsilon, 1 + high) * advantages)


def divergence(
    drawn: Drawn,
    old: Float[Tensor, "prompt sibling"],
    reference: Float[Tensor, "prompt sibling"] | None,
    options: Options,
) -> Float[Tensor, "prompt sibling"]:
    """KL_i = Σ_t log π(y_t) - log π_ref(y_t) of every completion (nats), 0 where nothing is learned from it.

    Raises: ValueError where there is no reference, and `beta` asks for one.
    """
    if options.beta == 0:
        return torch.zeros_like(old)
    if reference is None:
        raise ValueError("with beta above 0, RLOO needs the reference's log-probabilities")
    return (old - reference) * _learned(drawn, options)


def advantages(
    drawn: Drawn,
    old: Float[Tensor, "prompt sibling"],
    reference: Float[Tensor, "prompt sibling"] | None,
    options: Options,
) -> Float[Tensor, "prompt sibling"]:
    """Advantages of R_i = r_i - beta KL_i, the reward clipped and lowered as the options say.

    Of one batch: where they are normalised this must be a whole step, A ← (A - mean) / (standard deviation + 1e-4).
    """
    found = leave_one_out(_returns(drawn, divergence(drawn, old, reference, options), options))
    return (found - found.mean()) / (found.std() + 1e-4) if options.normalize_advantages else found


def losses(batch: Batch, options: Options) -> Losses:
    """The loss of every prompt, the mean of its completions', and what the log tells of them.

    Raises: ValueError where the completions were not drawn, or no reference is there that `beta` needs.
    """
    drawn = batch.drawn
    if drawn is None:
        raise ValueError("RLOO trains on completions that the policy wrote and a reward judged")
    learned = _learned(drawn, options)
    old = batch.scores.detach() if drawn.old is None else drawn.old
    found = drawn.advantages
    if found is None:
        found = advantages(drawn, old, batch.reference, options)
    log_ratio = torch.where(learned, batch.scores - old, torch.zeros_like(old))
    per_completion = rloo_loss(log_ratio, found, epsilon=options.epsilon, epsilon_high=options.epsilon_high)
    metrics = _metrics(batch, drawn, divergence(drawn, old, batch.reference, options), options)
    metrics |= _clipped(log_ratio.detach().exp(), found, options)
    return Losses(per_pair=per_completion.mean(dim=1), metrics=metrics)


def _learned(drawn: Drawn, options: Options) -> Bool[Tensor, "prompt sibling"]:
    """Which completions are learned from."""
    return ~drawn.truncated if options.mask_truncated_completions else torch.ones_like(drawn.truncated)


def _returns(drawn: Drawn, kl: Float[Tensor, "prompt sibling"], options: Options) -> Float[Tensor, "prompt sibling"]:
    rewards = drawn.rewards - options.missing_eos_penalty * drawn.truncated
    if options.reward_clip_range is not None:
        rewards = rewards.clamp(*options.reward_clip_range)
    return rewards - options.beta * kl


def _metrics(
    batch: Batch, drawn: Drawn, kl: Float[Tensor, "prompt sibling"], options: Options
) -> dict[str, Float[Tensor, " prompt"]]:
    """Rewards, lengths, KL and entropy; the latter two are per token that is learned from.

    The entropy is the mean of - log π(y_t) over what was drawn: without bias where the policy wrote it and `top_p` and
    `top_k` leave nothing out.
    """
    learned, wide = _learned(drawn, options), batch.scores.dtype
    tokens = (batch.tokens * learned).sum(dim=1).clamp_min(1)
    returns = _returns(drawn, kl, options)
    equal = torch.isclose(returns.std(dim=1), torch.zeros_like(returns[:, 0]))
    found = {
        "reward": drawn.rewards.mean(dim=1),
        "frac_reward_zero_std": equal.to(wide),
        "entropy": -(batch.scores.detach() * learned).sum(dim=1) / tokens,
        "completions/mean_length": batch.tokens.to(wide).mean(dim=1),
        "completions/clipped_ratio": drawn.truncated.to(wide).mean(dim=1),
    }
    return found | ({"kl": kl.sum(dim=1) / tokens} if options.beta else {})


def _clipped(
    ratio: Float[Tensor, "prompt sibling"], found: Float[Tensor, "prompt sibling"], options: Options
) -> dict[str, Float[Tensor, " prompt"]]:
    """Shares of completions whose ratio is clipped from below, from above, and either way."""
    high = options.epsilon if options.epsilon_high is None else options.epsilon_high
    below = ((ratio < 1 - options.epsilon) & (found < 0)).to(ratio.dtype).mean(dim=1)
    above = ((ratio > 1 + high) & (found > 0)).to(ratio.dtype).mean(dim=1)
    return {"clip_ratio/low_mean": below, "clip_ratio/high_mean": above, "clip_ratio/region_mean": below + above}
