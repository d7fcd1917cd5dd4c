import copy
import math
import warnings
from functools import partial

import pytest
import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from pluralign.engine import plain, targets
from pluralign.engine.attention import NAME, PLAN, UnsupportedError, attend, attending
from pluralign.engine.head import find_head
from pluralign.engine.logprobs import logprobs, token_logprobs
from pluralign.engine.pack import plan_packs, whole
from pluralign.engine.proof import can_pack
from pluralign.engine.reward_head import rewards
from pluralign.errors import InputError
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
ROUNDING = {"gemma2": 1e-4, "cohere": 1e-4, "cohere2": 1e-4, "mixtral": 1e-4, "qwen2_moe": 1e-4}
"""Where transformers computes a part in float32 even for a float64 model; else 1e-9."""

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


@pytest.mark.parametrize("architecture", OWN)
def test_packed_equals_plain_with_its_gradients(architecture, monkeypatch):
    monkeypatch.setattr(targets, "CHUNK_LOGITS", 1000)
    model = make(architecture)
    tolerance = ROUNDING.get(architecture, 1e-9)
    found = logprobs(model, FORKS, token_budget=200).values
    weights = torch.linspace(-1, 1, found.shape[0], dtype=torch.float64)
    (found * weights).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    expected = plainly(model, FORKS)
    (expected * weights).sum().backward()
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    for ours, parameter in zip(gradients, model.parameters(), strict=True):
        allowed = tolerance * max(1.0, parameter.grad.abs().max().item())
        torch.testing.assert_close(ours, parameter.grad, rtol=0, atol=allowed)


@pytest.mark.parametrize("architecture", OWN)
def test_packed_equals_plain_without_gradients_in_float32(architecture):
    model = make(architecture, torch.float32, initializer_range=0.1)
    with torch.no_grad():
        torch.testing.assert_close(logprobs(model, FORKS).values, plainly(model, FORKS), rtol=0, atol=1e-4)


def test_bfloat16_stays_within_a_twentieth():
    model = make("llama", torch.bfloat16, initializer_range=0.05)
    with torch.no_grad():
        torch.testing.assert_close(logprobs(model, FORKS).values, plainly(model, FORKS), rtol=0, atol=0.05)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox", "gpt2", "gemma2", "gemma3_text", "mistral", "qwen3"])
def test_autocast_keeps_the_sums_and_the_gradients(architecture):
    model = make(architecture, torch.float32, initializer_range=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = logprobs(model, FORKS).values
    found.mean().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    expected = plainly(model, FORKS)
    expected.mean().backward()
    torch.testing.assert_close(found, expected, rtol=0.003, atol=0.05)
    wanted = [parameter.grad for parameter in model.parameters()]
    assert all(gradient.dtype == torch.float32 for gradient in gradients)
    ours, theirs = (torch.cat([one.flatten() for one in some]) for some in (gradients, wanted))
    assert (ours - theirs).norm() <= 0.03 * theirs.norm()


def test_adapters_are_used_and_trained():
    from peft import LoraConfig

    wrapped = adapt(make("llama"), LoraConfig(init_lora_weights=False, target_modules=["q_proj", "up_proj"]))
    wrapped = wrapped.double().eval()
    found = logprobs(wrapped, FORKS).values
    found.square().sum().backward()
    gradients = {name: value.grad for name, value in wrapped.named_parameters() if value.requires_grad}
    wrapped.zero_grad(set_to_none=True)
    expected = plainly(wrapped, FORKS)
    expected.square().sum().backward()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)
    for name, value in wrapped.named_parameters():
        assert (value.grad is not None) == ("lora" in name)
        if value.grad is not None:
            torch.testing.assert_close(gradients[name], value.grad, rtol=1e-8, atol=1e-6)


def test_learned_prompts_take_the_plain_way():
    from peft import PromptTuningConfig

    model = make("llama")
    bare = copy.deepcopy(model)
    wrapped = adapt(model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))
    wrapped = wrapped.double().eval()
    vectors = wrapped.get_prompt_embedding_to_save("default").double()
    with torch.no_grad():
        found = token_logprobs(wrapped, [FORKS[1]])[0][0]
        words = bare.get_input_embeddings()(torch.tensor([FORKS[1].prompt + FORKS[1].completions[0]]))
        logits = bare(inputs_embeds=torch.cat([vectors[None], words], dim=1)).logits[0, 3:]
        expected = logits.log_softmax(-1)[[0, 1], [4, 4]]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("architecture", ["mamba", "jamba", "bloom", "gpt_oss"])
def test_models_that_cannot_be_packed_say_so_once_and_take_the_plain_way(architecture, recwarn):
    own = {
        "mamba": {"state_size": 4},
        "jamba": {
            "num_experts": 2,
            "mamba_d_state": 4,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "use_mamba_kernels": False,
        },
        "bloom": {"n_layer": 2, "n_head": 4},
        "gpt_oss": {"num_local_experts": 2, "num_experts_per_tok": 1},
    }
    model = make(architecture, **own[architecture])
    recwarn.clear()
    with torch.no_grad(), pytest.warns(RuntimeWarning, match=f'model "{architecture}": .* share their prompt'):
        first = logprobs(model, FORKS[1:2]).values
    with torch.no_grad():
        torch.testing.assert_close(logprobs(model, FORKS[1:2]).values, first, rtol=0, atol=0)
        torch.testing.assert_close(first, plainly(model, FORKS[1:2]), rtol=0, atol=1e-5)


def test_rotary_embeddings_that_change_with_length_are_not_packed():
    model = make("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
    with pytest.warns(RuntimeWarning, match="changes with the longest sequence"):
        assert not can_pack(model.model, FORKS)


def test_a_model_that_hides_its_window_is_found_out_when_it_matters():
    model = make("qwen2_moe", use_sliding_window=True, max_window_layers=2)
    model.config.sliding_window = 40
    model.config.layer_types = ["sliding_attention"] * 4
    with torch.no_grad():
        assert can_pack(model.model, [Fork((1, 2), ((3,),))])
        with pytest.warns(RuntimeWarning, match="differ"):
            assert not can_pack(model.model, FORKS)


def test_the_model_is_left_as_it_was_found():
    model = make("llama")
    model.config._attn_implementation = "eager"
    model.train()
    model.model.layers[1].eval()
    before = [module.training for module in model.modules()]
    logprobs(model, FORKS)
    assert model.config._attn_implementation == "eager"
    assert [module.training for module in model.modules()] == before
    with attending(model):
        assert model.config._attn_implementation == NAME
        with pytest.raises(UnsupportedError):
            model(torch.tensor([[1]]))
    assert model.config._attn_implementation == "eager"


def test_gradient_checkpointing_takes_the_plain_way():
    model = make("llama").train()
    for layer in model.model.layers:
        layer.gradient_checkpointing = True
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
    with pytest.warns(RuntimeWarning, match="gradient checkpointing"):
        found = logprobs(model, FORKS[:2])
    found.values.sum().backward()
    torch.testing.assert_close(found.values, plainly(model.eval(), FORKS[:2]), rtol=0, atol=1e-9)


def test_unknown_keywords_masks_and_missing_plans_are_refused():
    (pack,) = plan_packs(FORKS[:1], whole(FORKS[:1]), 999, ends=True)
    states = torch.zeros(1, 2, pack.tokens, 4)
    module = torch.nn.Linear(1, 1)
    attend(module, states, states, states, None, **{PLAN: pack.plan}, position_ids=torch.zeros(1))
    for named in ({"s_aux": torch.zeros(2)}, {"position_bias": states}, {"is_causal": False}, {"chunk": 3}):
        with pytest.raises(UnsupportedError):
            attend(module, states, states, states, None, **{PLAN: pack.plan}, **named)
    with pytest.raises(UnsupportedError, match="mask"):
        attend(module, states, states, states, torch.zeros(1), **{PLAN: pack.plan})
    with pytest.raises(UnsupportedError, match="not told"):
        attend(module, states, states, states, None)


@pytest.mark.parametrize("cap", [None, 1.5])
def test_a_pack_attends_like_its_dense_mask(cap):
    (pack,) = plan_packs(FORKS, whole(FORKS), 9999, ends=True)
    draw = torch.Generator().manual_seed(0)
    shape = (1, 4, pack.tokens, 8)
    query, key, value = (torch.randn(shape, generator=draw, dtype=torch.float64) for _ in range(3))
    named = {} if cap is None else {"softcap": cap}
    found, _ = attend(torch.nn.Linear(1, 1), query, key[:, :2], value[:, :2], None, **{PLAN: pack.plan}, **named)
    places = torch.arange(pack.tokens)
    scores = query @ key[:, :2].repeat_interleave(2, 1).transpose(2, 3) / math.sqrt(8)
    scores = scores if cap is None else cap * (scores / cap).tanh()
    scores = scores.masked_fill(~pack.plan.sees(places[:, None], places[None]), -torch.inf)
    expected = functional.softmax(scores, -1) @ value[:, :2].repeat_interleave(2, 1)
    torch.testing.assert_close(found, expected.transpose(1, 2), rtol=0, atol=1e-12)


def test_rewards_are_packed_with_their_gradients():
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    config = CONFIG_MAPPING["llama"](**SHAPE, num_labels=1)
    model = keep_float64(AutoModelForSequenceClassification.from_config(config).double().eval())
    found = rewards(model, FORKS, token_budget=150).values
    found.square().sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    rows = [fork.prompt + completion for fork in FORKS for completion in fork.completions]
    expected = torch.cat([model.score(model.model(torch.tensor([row])).last_hidden_state[0, -1]) for row in rows])
    expected.square().sum().backward()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    for ours, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_what_the_model_cannot_take_is_refused(architecture):
    model = make(architecture)
    logprobs(model, [Fork((1,) * 510, ((2, 3), (4, 5)))])
    with pytest.raises(InputError, match="fork 1: a prompt of 510 tokens and a completion of 3; the model takes 512"):
        logprobs(model, [FORKS[0], Fork((1,) * 510, ((2,), (2, 3, 4)))])
    with pytest.raises(ValueError, match="completion 1 of a fork is empty"):
        Fork((1,), ((2,), ()))


def test_three_hundred_completions_equal_one_at_a_time():
    model = make("llama")
    many = Fork((1, 2, 3), tuple((token % 131, token // 131, 5) for token in range(300)))
    with torch.no_grad():
        together = logprobs(model, [many], token_budget=256).values
        alone = torch.cat([logprobs(model, [Fork(many.prompt, (one,))]).values for one in many.completions[::37]])
    torch.testing.assert_close(together[::37], alone, rtol=0, atol=1e-9)
    assert find_head(model) is not None
