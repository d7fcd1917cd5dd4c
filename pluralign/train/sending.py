"""How the policy's weights reach the workers of a vLLM server: the group of all, the checksum, the broadcast."""

import hashlib
import importlib
import json
import socket
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pluralign.errors import InputError

BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@runtime_checkable
class Group(Protocol):
    """The trainer, rank 0, and the server's workers."""

    def broadcast(self, tensor: Tensor, src: int) -> Any:
        """Send `tensor` from rank `src` to all others."""
        ...


def join_nccl(init_info: dict[str, Any]) -> Group:
    """The group of trainer and workers, by vLLM's own means. Raises: InputError where vLLM is not installed here."""
    try:
        module = importlib.import_module("vllm.distributed.weight_transfer.nccl_common")
    except ImportError as error:
        raise InputError(
            "vllm_server_base_url: weights are sent by vLLM's own means: install vllm 0.28 or later here as well"
        ) from error
    return module.trainer_init(init_info)


def checksum(model: PreTrainedModel) -> str:
    """What weights are known by: a SHA-256 over their names and the sums of their bits, found where they lie."""
    sums = {
        name: int(weight.detach().contiguous().view(BITS[weight.element_size()]).sum(dtype=torch.int64))
        for name, weight in model.named_parameters()
    }
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()


def broadcast(group: Group, weights: Sequence[Tensor]) -> None:
    """Send the weights, one after the other, from this process to the workers."""
    if weights[0].device.type == "cuda":
        torch.cuda.set_device(weights[0].device)  # of this thread
    for weight in weights:
        group.broadcast(weight.detach().contiguous(), src=0)
    if weights[0].device.type == "cuda":
        torch.cuda.synchronize()


def own_address(url: str) -> str:
    """The address of this machine as the machine of the server at `url` sees it."""
    parts = urlsplit(url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((parts.hostname, parts.port or 80))
        return way.getsockname()[0]
