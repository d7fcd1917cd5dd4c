"""The attention of a pack, in the place of a model's own.

transformers looks attention functions up by name. `attending` puts ours in a model's configuration and takes it out
again, so that outside the engine a model is as it was found; the plan of the pack comes with the forward pass, as the
keyword `PLAN`. No mask is registered under the name, for which transformers makes none.

Each call of the plan is one scaled dot-product attention of torch, on a CPU and on a GPU alike; keys that several query
heads share are not repeated. Scores with a soft cap (Gemma 2) are computed step by step, in float32 or wider.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout as drop
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from pluralign.engine.calls import Plan
from pluralign.errors import PluralignError

NAME = "pluralign_pack"
PLAN = "pluralign_plan"

_HARMLESS = frozenset({"position_ids", "cache_position", "position_embeddings", "layer_idx", "use_cache"})
"""Keywords that say nothing about who sees whom, or repeat what the plan says."""


class UnsupportedError(PluralignError):
    """A model's attention asks for something that the packed attention does not do."""


def attend(
    module: nn.Module,
    query: Float[Tensor, "1 head token width"],
    key: Float[Tensor, "1 key_head token width"],
    value: Float[Tensor, "1 key_head token value_width"],
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Float[Tensor, "1 token head value_width"], None]:
    """Attention by the plan in `others`, as transformers asks for it: one row that holds the whole pack.

    `dropout`: share of weights dropped; `scaling`: of the scores, 1/√width unless given. Of the others, with
    `sliding_window` tokens see keys less than that many positions back, and `softcap` makes of scores
    cap · tanh(score / cap).

    Raises: UnsupportedError for a mask, for keywords that it does not implement, and without a plan.
    """
    plan, window, softcap = (others.pop(name, None) for name in (PLAN, "sliding_window", "softcap"))
    _refuse(module, plan, attention_mask, others)
    assert isinstance(plan, Plan)
    plan.attended.add(id(module))
    queries = query.split(plan.query_sizes, dim=2)
    keys, values = _gather(key, plan), _gather(value, plan)
    found: list[Tensor] = []
    for index in range(len(queries)):
        mask = plan.mask(index, window, query)
        parts = (queries[index], keys[index], values[index])
        if softcap is None:
            shared = query.shape[1] != key.shape[1]
            out = scaled_dot_product_attention(
                *parts, attn_mask=mask, dropout_p=dropout, is_causal=mask is None, scale=scaling, enable_gqa=shared
            )
        else:
            out = _capped(*parts, mask, scaling, softcap, dropout)
        found.append(out.transpose(1, 2))
    return torch.cat(found, dim=1), None


AttentionInterface.register(NAME, attend)


@contextmanager
def attending(model: nn.Module) -> Iterator[None]:
    """The packed attention in every part of `model` inside; outside, each configuration's own as it was found."""
    found: dict[int, Any] = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}
    configs = [config for config in found.values() if hasattr(config, "_attn_implementation_internal")]
    own = [config._attn_implementation_internal for config in configs]
    for config in configs:
        config._attn_implementation_internal = NAME
    try:
        yield
    finally:
        for config, name in zip(configs, own, strict=True):
            config._attn_implementation_internal = name


def _refuse(module: nn.Module, plan: object, attention_mask: Tensor | None, others: dict[str, Any]) -> None:
    if not isinstance(plan, Plan):
        raise UnsupportedError("its attention is not told which tokens belong together")
    if attention_mask is not None:
        raise UnsupportedError("it makes an attention mask of its own")
    if not getattr(module, "is_causal", True) or others.pop("is_causal", None) is False:
        raise UnsupportedError("its attention looks ahead")
    for name, value in others.items():
        if name not in _HARMLESS and value is not None and value is not False:
            raise UnsupportedError(f'its attention takes "{name}", which the packed attention does not do')


def _gather(states: Float[Tensor, "1 head token width"], plan: Plan) -> list[Tensor]:
    """The keys or values of each call. With gradients they are put together from pieces, whose gradients add up."""
    if not (torch.is_grad_enabled() and states.requires_grad):
        spans = [[states[:, :, start:stop] for start, stop in call.keys] for call in plan.calls]
        return [span[0] if len(span) == 1 else torch.cat(span, dim=2) for span in spans]
    pieces = states.split(plan.piece_sizes, dim=2)
    chosen = [[pieces[piece] for piece in wanted] for wanted in plan.key_pieces]
    return [piece[0] if len(piece) == 1 else torch.cat(piece, dim=2) for piece in chosen]


def _capped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    cap: float,
    dropout: float,
) -> Float[Tensor, "1 head query value_width"]:
    """Attention with capped scores, query heads grouped by the key head that they share."""
    heads, length, width = query.shape[1:]
    key_heads = key.shape[1]
    grouped = query.reshape(1, key_heads, heads // key_heads * length, width)
    scores = grouped @ key.transpose(2, 3) * (width**-0.5 if scaling is None else scaling)
    scores = (cap * torch.tanh(scores / cap)).view(1, heads, length, -1)
    if mask is None:
        mask = torch.full((length, length), float("-inf"), dtype=scores.dtype, device=scores.device).triu(1)
    wide = (scores + mask).softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(query.dtype)
    wide = drop(wide, dropout) if dropout else wide
    out = wide.view(1, key_heads, heads // key_heads * length, -1) @ value
    return out.view(1, heads, length, -1)
