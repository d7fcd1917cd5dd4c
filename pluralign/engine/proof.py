"""Whether a model gives the same packed as plain, tried once per model and reach.

The hidden states of a few forks are computed both ways. The probe has completions of several lengths, a prefix that two
share and two forks; it is made longer than a window (sliding, chunked) as soon as there is work of that length. What
cannot be shown by numbers on a short probe is read from the configuration: rotary embeddings that change with the
longest sequence, prompts that are not tokens, layers without attention.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from pluralign.engine.attention.pack_attention import PLAN, attending
from pluralign.engine.memory import out_of_memory
from pluralign.engine.modes import evaluating
from pluralign.engine.packing.last_layer import wanting
from pluralign.engine.packing.pack import Pack, plan_packs, whole
from pluralign.engine.plain import plan_rows, row_ends
from pluralign.errors import PluralignError
from pluralign.records.fork import Fork

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.05}
"""Relative difference of a hidden state. Not 1e-9 in float64: some layers compute in float32 whatever the model's."""


@dataclass(slots=True)
class _Proof:
    reach: int = 0
    reason: str | None = None
    told: set[str] = field(default_factory=set)


_proofs: "WeakKeyDictionary[nn.Module, _Proof]" = WeakKeyDictionary()


def can_pack(backbone: PreTrainedModel, forks: Sequence[Fork]) -> bool:
    """Whether `forks` may be packed for `backbone`; where not, a warning says why, once per model and reason."""
    proof = _proofs.setdefault(backbone, _Proof())
    if torch.is_grad_enabled() and _runs_again(backbone):
        return _tell(backbone, proof, "gradient checkpointing runs its layers again outside of the engine")
    longest = max(len(fork.prompt) + max(map(len, fork.completions)) for fork in forks)
    windows = [window for window in _windows(backbone) if window < longest]
    reach = max([1, *windows])
    if proof.reason is None and proof.reach < reach:
        proof.reason = _differs(backbone, reach)
        proof.reach = reach
    return proof.reason is None or _tell(backbone, proof, proof.reason)


def encode(backbone: nn.Module, pack: Pack, wanted: Int[Tensor, " wanted"]) -> Float[Tensor, "wanted width"]:
    """Hidden states of the `wanted` tokens of a pack, by the packed attention."""
    device = next(backbone.parameters()).device
    wanted = wanted.to(device)
    with attending(backbone), wanting(backbone, wanted.unique()):
        output = backbone(
            input_ids=pack.ids.to(device),
            position_ids=pack.plan.positions[None].to(device),
            use_cache=False,
            **{PLAN: pack.plan},
        )
    return output.last_hidden_state[0][wanted]


def _tell(backbone: PreTrainedModel, proof: _Proof, reason: str) -> bool:
    if reason not in proof.told:
        proof.told.add(reason)
        config = backbone.config
        name = getattr(config, "name_or_path", "") or config.model_type
        message = f'model "{name}": completions cannot share their prompt, which is slower: {reason}'
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return False


def _runs_again(backbone: nn.Module) -> bool:
    return any(part.training and getattr(part, "gradient_checkpointing", False) for part in backbone.modules())


def _windows(backbone: PreTrainedModel) -> list[int]:
    config = backbone.config.get_text_config()
    names = ("sliding_window", "attention_chunk_size")
    found = [getattr(config, name, None) for name in names]
    return [window for window in found if isinstance(window, int) and window > 0]


def _differs(backbone: PreTrainedModel, reach: int) -> str | None:
    """Why the two ways differ, None where they agree."""
    config = backbone.config.get_text_config()
    if not getattr(backbone, "_supports_attention_backend", False):
        return "its attention cannot be replaced"
    ropes = getattr(config, "rope_parameters", None) or {}
    kinds = {rope.get("rope_type") for rope in (ropes, *ropes.values()) if isinstance(rope, dict)}
    if kinds & {"dynamic", "longrope"}:
        return "its rotary embedding changes with the longest sequence"
    forks = _probe(reach, config.vocab_size)
    pack = plan_packs(forks, whole(forks), 10**9, ends=True)[0]
    rows = plan_rows(forks, pack.work, 2 * (reach + 32))
    kind = next(backbone.parameters()).device.type
    with evaluating(backbone), torch.autocast(kind, enabled=False):
        try:
            packed = encode(backbone, pack, pack.finals)
        except (PluralignError, TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:
            if out_of_memory(error):
                raise
            return (str(error).splitlines() or [type(error).__name__])[0]
        if len(pack.plan.attended) != config.num_hidden_layers:
            return f"{len(pack.plan.attended)} of its {config.num_hidden_layers} layers are attention"
        plain: dict[tuple[int, int], Tensor] = {}
        for batch in rows:
            plain.update(zip(batch.work, row_ends(backbone, forks, batch), strict=True))
    return _compare(packed, torch.stack([plain[owner] for owner in pack.work]))


def _probe(reach: int, vocabulary: int) -> list[Fork]:
    """Forks with sequences of a few tokens and, beyond a reach of 1, some longer than it."""
    draw = torch.Generator().manual_seed(0)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(vocabulary, (count,), generator=draw).tolist())

    start, stem = ids(5), ids(2)
    far = reach + 3 if reach > 1 else 0
    completions = (ids(7), stem + ids(3), stem + ids(1), stem, ids(far + 9), ids(1))
    return [Fork(start, completions), Fork(ids(far + 6), (ids(3), ids(4)))]


def _compare(packed: Tensor, plain: Tensor) -> str | None:
    tolerance = TOLERANCE[plain.dtype]
    wide, expected = packed.double(), plain.double()
    if not bool(expected.isfinite().all()):
        return None  # a broken model, which whoever reads its values refuses
    difference = ((wide - expected).norm(dim=1) / expected.norm(dim=1)).max().item()
    if difference <= tolerance:
        return None
    return f"its hidden states differ by {difference:.1g} when packed (at most {tolerance:g} may be rounding)"
