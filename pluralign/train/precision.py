"""bfloat16 where the hardware computes in it, decided by capability."""

from typing import Literal

import torch

from pluralign.engine.loading.device import pick_device
from pluralign.errors import InputError


def use_bf16(wish: bool | Literal["auto"], device: torch.device) -> bool:
    """Whether to train under bfloat16 autocast: as wished, and by "auto" on a GPU that has it.

    Raises: InputError where it is wished and the hardware would only emulate it.
    """
    if wish == "auto":
        return device.type == "cuda" and _native(device)
    if wish and not _native(device):
        raise InputError(
            f'bf16 = true: as PyTorch tells, this {device.type} does not compute in bfloat16; leave it at "auto"'
        )
    return wish


def autocast(device: torch.device, bf16: bool) -> torch.autocast:
    """The context in which forward passes run."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def hardware(wish: bool | Literal["auto"]) -> str:
    """What a training would compute on and in here, such as "cpu float32": results differ between them.

    Raises: InputError as `use_bf16`.
    """
    device = pick_device(None)
    return f"{device.type} {'bfloat16' if use_bf16(wish, device) else 'float32'}"


def _native(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "sve_bf16", "bf16"))
