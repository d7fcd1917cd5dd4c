"""AdamW and its learning rate."""

import math

import torch
from torch import nn

from pluralign.records.training import Training
from pluralign.train.spread import number


def make_optimiser(model: nn.Module, training: Training) -> torch.optim.AdamW:
    """AdamW over the model's trainable parameters, fused where the device can; norms and biases do not decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    fused = all(map(_has_fused_form, {parameter.device for parameter in trained}))
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True if fused else None)


def _has_fused_form(device: torch.device) -> bool:
    """Whether AdamW is one kernel on this device, found by a step; PyTorch chooses the next best where it is not."""
    trial = nn.Parameter(torch.zeros(1, device=device))
    trial.grad = torch.zeros_like(trial)
    try:
        torch.optim.AdamW([trial], fused=True).step()
    except RuntimeError:  # PyTorch's answer for devices without one
        return False
    return True


def learning_rate(step: int, total: int, training: Training) -> float:
    """The rate of optimiser step `step` (from 1) of `total`.

    It rises linearly over the warm-up steps and then stays, or falls towards zero in a line or along half a cosine.
    """
    warmup = math.ceil(training.warmup_ratio * total)
    if step <= warmup:
        return training.learning_rate * step / warmup
    done = (step - 1 - warmup) / max(1, total - warmup)
    match training.lr_scheduler_type:
        case "constant":
            return training.learning_rate
        case "linear":
            return training.learning_rate * (1 - done)
        case "cosine":
            return training.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def clip(model: nn.Module, max_norm: float) -> float:
    """Scale all gradients down to the norm `max_norm`, 0 for never; gives the norm that they had."""
    bound = max_norm if max_norm > 0 else math.inf
    return number(nn.utils.clip_grad_norm_(model.parameters(), bound))
