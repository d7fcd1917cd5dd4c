"""Weights on their way between one process and all: read by the first, dealt out as shards, put together again.

One process alone reads a model from disk, in its main memory. The others are told its form, that is the model with
everything but its weights, so that theirs is the same module for module; each then gets its shard of one weight after
the other. No device ever holds more than its shards and one weight.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.engine.loading.device import pick_device
from pluralign.engine.ranks import count_ranks, from_first, own_rank, together

T = TypeVar("T")
Weights = dict[str, Tensor]
Load = Callable[[str | None], tuple[PreTrainedModel, PreTrainedTokenizerBase]]
"""Loads a model and its tokenizer on a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model for `device` and its tokenizer: whole, or without weights, which process 0 then has in `weights`."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    weights: Weights | None = None


def load_whole(load: Load, device: str | None) -> Loaded:
    """What `load` gives on the device, in every process that calls this."""
    model, tokenizer = load(device)
    return Loaded(model=model, tokenizer=tokenizer, device=pick_device(device))


def load_once(load: Load, device: str | None) -> Loaded:
    """What `load` gives; of several processes the first alone calls it, and the weights stay in its main memory.

    Every process must call this. Raises: what `load` raises, and what fails in placing the model, in all.
    """
    if count_ranks() == 1:
        return load_whole(load, device)
    weights: Weights = {}

    def read() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        model, tokenizer = load("cpu")
        weights.update((name, weight.detach()) for name, weight in model.named_parameters())
        return hollow(model), tokenizer

    model, tokenizer = from_first(read)
    place = together(lambda: _place_buffers(model, device))
    return Loaded(model=model, tokenizer=tokenizer, device=place, weights=weights)


def _place_buffers(model: PreTrainedModel, device: str | None) -> torch.device:
    """Put what the model has beside its weights on the device."""
    place = pick_device(device)
    for buffer in model.buffers():
        buffer.data = buffer.data.to(place)
    return place


def hollow(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of the model without the values of its weights, which are on the device "meta"; buffers are copied."""
    empty: dict[int, Any] = {
        id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
        for weight in model.parameters()
    }
    return copy.deepcopy(model, empty)


def deal_out(weights: Weights, model: PreTrainedModel, device: torch.device) -> None:
    """Fill a hollow model that is in shards with the weights that process 0 has, which are let go one by one."""
    made: dict[int, nn.Parameter] = {}
    found: dict[str, nn.Parameter] = {}
    for name, shard in model.named_parameters(remove_duplicate=False):
        if id(shard) not in made:
            weight = weights.pop(name) if own_rank() == 0 else None
            made[id(shard)] = nn.Parameter(_dealt(weight, shard, device), shard.requires_grad)
        found[name] = made[id(shard)]
    model.load_state_dict(found, strict=False, assign=True)


def _dealt(weight: Tensor | None, shard: Any, device: torch.device) -> DTensor:
    """What process 0 gives as `weight`, of which this process has the part that `shard` is, without values."""
    whole = torch.empty(shard.shape, dtype=shard.dtype, device=device) if weight is None else weight.to(device)
    return distribute_tensor(whole, shard.device_mesh, shard.placements)


def whole_tensors(tensors: Iterable[tuple[str, Tensor]]) -> Weights:
    """Tensors by name, put together from their shards on the CPU of process 0; the others get none.

    Every process must ask for the same ones in the same order.
    """
    found: Weights = {}
    for name, tensor in tensors:
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if own_rank() == 0:
            found[name] = full.detach().cpu() if isinstance(tensor, DTensor) else full.detach()
    return found


def on_whole_weights(work: Callable[..., T], model: PreTrainedModel) -> Callable[..., T]:
    """`work`, whose first argument is `model`, for the time when that is sharded: it is given a body of the same form.

    `model` must not be sharded yet. The body holds nothing but while it works: then all weights, in every process, so
    that each may run it as often as it likes. Every process must call this together, and what is given back.
    """
    body = hollow(model)
    empty = dict(body.named_parameters(remove_duplicate=False))

    def worked(sharded: PreTrainedModel, *given: Any) -> T:
        body.load_state_dict(_whole_parameters(sharded), strict=False, assign=True)
        try:
            return work(body, *given)
        finally:
            body.load_state_dict(empty, strict=False, assign=True)

    return worked


def _whole_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """All weights, each put together from its shards once however many names it has."""
    made: dict[int, nn.Parameter] = {}
    found: dict[str, nn.Parameter] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        if id(weight) not in made:
            full = weight.full_tensor() if isinstance(weight, DTensor) else weight
            made[id(weight)] = nn.Parameter(full.detach(), weight.requires_grad)
        found[name] = made[id(weight)]
    return found


def number(value: Tensor) -> float:
    """A number that may be spread over the processes, such as a norm. Every process must ask for it."""
    return float(value.full_tensor() if isinstance(value, DTensor) else value)
