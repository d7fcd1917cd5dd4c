"""Tiny random models of many architectures, and the plain way to score with them, for tests only."""

import warnings
from functools import partial

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from pluralign.engine import plain
from pluralign.records.fork import Fork

SHAPE = {
    "vocab_size": 131,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
OWN = {
    "gpt2": {"n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 512},
    "gpt_neox": {},
    "llama": {},
    "qwen2": {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 2},
    "qwen3": {},
    "mistral": {"sliding_window": 9},
    "gemma2": {"sliding_window": 9, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 5.0},
    "gemma3_text": {"sliding_window": 9, "layer_types": ["sliding_attention", "full_attention"] * 2},
    "cohere": {"logit_scale": 0.25},
    "cohere2": {"sliding_window": 9, "logit_scale": 0.25},
    "granite": {"logits_scaling": 4.0},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2_moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    },
}
FORKS = [
    Fork(tuple(range(1, 30)), (tuple(range(40, 60)), (5, 6, 7, 8), (5, 6, 9), (5,), (5, 6, 7, 8, 9, 10))),
    Fork((3,), ((4, 4), tuple(range(100, 128)), (4, 5))),
    Fork((2, 3, 4), tuple((token, token + 1, 7) for token in range(80))),
]


def make(architecture, dtype=torch.float64, **own):
    torch.manual_seed(0)
    config = CONFIG_MAPPING[architecture](**(SHAPE | OWN.get(architecture, {}) | own))
    config._experts_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).to(dtype).eval()
    return keep_float64(model) if dtype == torch.float64 else model


def keep_float64(model):
    """Norms that compute in float32 whatever the model's type are given the same formula in float64."""
    for norm in model.modules():
        if "RMSNorm" in type(norm).__name__:
            norm.forward = partial(rms_norm, norm, "Gemma" in type(norm).__name__)
    return model


def adapt(model, settings):
    """The model with adapters of peft, whose own use of transformers warns."""
    from peft import get_peft_model

    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        return get_peft_model(model, settings)


def rms_norm(norm, is_gemma, states):
    eps = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
    return states * (states.square().mean(-1, keepdim=True) + eps).rsqrt() * (norm.weight + int(is_gemma))


def plainly(model, forks):
    """One row per completion, by the model as it is."""
    owners = [(number, index) for number, fork in enumerate(forks) for index in range(len(fork.completions))]
    (rows,) = plain.plan_rows(forks, owners, 10**9)
    values, lengths = plain.row_logprobs(model, None, forks, rows)
    sums = torch.stack([piece.double().sum() for piece in values.split(lengths)])
    return sums[torch.tensor([owners.index(owner) for owner in rows.work]).argsort()]
