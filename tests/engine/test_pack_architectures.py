"""Packed equals plain, with its gradients, for every architecture that can be packed."""

import pytest
import torch
from transformers import CONFIG_MAPPING

from pluralign.engine import targets
from pluralign.engine.head import find_head
from pluralign.engine.logprobs import logprobs
from pluralign.engine.reward_head import rewards
from pluralign.records.fork import Fork

ARCHITECTURES = (
    "gpt2",
    "gpt_neox",
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "gemma2",
    "gemma3_text",
    "cohere",
    "cohere2",
    "granite",
    "mixtral",
    "qwen2_moe",
)
ROUNDING = {"gemma2": 1e-4, "cohere": 1e-4, "cohere2": 1e-4, "mixtral": 1e-4, "qwen2_moe": 1e-4}
"""Where transformers computes a part in float32 even for a float64 model; else 1e-9."""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_packed_equals_plain_with_its_gradients(architecture, monkeypatch, zoo):
    monkeypatch.setattr(targets, "CHUNK_LOGITS", 1000)
    model = zoo.make(architecture)
    tolerance = ROUNDING.get(architecture, 1e-9)
    found = logprobs(model, zoo.FORKS, token_budget=200).values
    weights = torch.linspace(-1, 1, found.shape[0], dtype=torch.float64)
    (found * weights).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    expected = zoo.plainly(model, zoo.FORKS)
    (expected * weights).sum().backward()
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    for ours, parameter in zip(gradients, model.parameters(), strict=True):
        allowed = tolerance * max(1.0, parameter.grad.abs().max().item())
        torch.testing.assert_close(ours, parameter.grad, rtol=0, atol=allowed)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_packed_equals_plain_without_gradients_in_float32(architecture, zoo):
    model = zoo.make(architecture, torch.float32, initializer_range=0.1)
    with torch.no_grad():
        torch.testing.assert_close(logprobs(model, zoo.FORKS).values, zoo.plainly(model, zoo.FORKS), rtol=0, atol=1e-4)


def test_bfloat16_stays_within_a_twentieth(zoo):
    model = zoo.make("llama", torch.bfloat16, initializer_range=0.05)
    with torch.no_grad():
        torch.testing.assert_close(logprobs(model, zoo.FORKS).values, zoo.plainly(model, zoo.FORKS), rtol=0, atol=0.05)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox", "gpt2", "gemma2", "gemma3_text", "mistral", "qwen3"])
def test_autocast_keeps_the_sums_and_the_gradients(architecture, zoo):
    model = zoo.make(architecture, torch.float32, initializer_range=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = logprobs(model, zoo.FORKS).values
    found.mean().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    expected = zoo.plainly(model, zoo.FORKS)
    expected.mean().backward()
    torch.testing.assert_close(found, expected, rtol=0.003, atol=0.05)
    wanted = [parameter.grad for parameter in model.parameters()]
    assert all(gradient.dtype == torch.float32 for gradient in gradients)
    ours, theirs = (torch.cat([one.flatten() for one in some]) for some in (gradients, wanted))
    assert (ours - theirs).norm() <= 0.03 * theirs.norm()


def test_adapters_are_used_and_trained(zoo):
    from peft import LoraConfig

    wrapped = zoo.adapt(zoo.make("llama"), LoraConfig(init_lora_weights=False, target_modules=["q_proj", "up_proj"]))
    wrapped = wrapped.double().eval()
    found = logprobs(wrapped, zoo.FORKS).values
    found.square().sum().backward()
    gradients = {name: value.grad for name, value in wrapped.named_parameters() if value.requires_grad}
    wrapped.zero_grad(set_to_none=True)
    expected = zoo.plainly(wrapped, zoo.FORKS)
    expected.square().sum().backward()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)
    for name, value in wrapped.named_parameters():
        assert (value.grad is not None) == ("lora" in name)
        if value.grad is not None:
            torch.testing.assert_close(gradients[name], value.grad, rtol=1e-8, atol=1e-6)


def test_rewards_are_packed_with_their_gradients(zoo):
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    config = CONFIG_MAPPING["llama"](**zoo.SHAPE, num_labels=1)
    model = zoo.keep_float64(AutoModelForSequenceClassification.from_config(config).double().eval())
    found = rewards(model, zoo.FORKS, token_budget=150).values
    found.square().sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    rows = [fork.prompt + completion for fork in zoo.FORKS for completion in fork.completions]
    expected = torch.cat([model.score(model.model(torch.tensor([row])).last_hidden_state[0, -1]) for row in rows])
    expected.square().sum().backward()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    for ours, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-7, atol=1e-8)


def test_three_hundred_completions_equal_one_at_a_time(zoo):
    model = zoo.make("llama")
    many = Fork((1, 2, 3), tuple((token % 131, token // 131, 5) for token in range(300)))
    with torch.no_grad():
        together = logprobs(model, [many], token_budget=256).values
        alone = torch.cat([logprobs(model, [Fork(many.prompt, (one,))]).values for one in many.completions[::37]])
    torch.testing.assert_close(together[::37], alone, rtol=0, atol=1e-9)
    assert find_head(model) is not None
