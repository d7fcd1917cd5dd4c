import pytest
import torch
from transformers import GenerationConfig

from pluralign.engine.sampling import end_tokens, write
from pluralign.errors import RunError

PROMPTS = [(1, 2, 3), (4,), tuple(range(20, 60)), (7, 8), (9, 10, 11, 12, 13)]


def alone(model, tokenizer, prompt, max_tokens, ends):
    """The same by transformers, one prompt at a time and without padding."""
    settings = GenerationConfig(do_sample=False, max_new_tokens=max_tokens, eos_token_id=ends, pad_token_id=0)
    ids = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), generation_config=settings)
    return tokenizer.decode(ids[0, len(prompt) :], skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "llama", "gemma2", "mistral"])
def test_batches_write_what_each_prompt_gets_alone(tiny, architecture):
    # Gemma 2's attention takes its softmax in float32, where the mask of a float64 model is not a number.
    dtype = torch.float32 if architecture == "gemma2" else torch.float64
    model, tokenizer = tiny.make_model(architecture, dtype=dtype), tiny.make_tokenizer()
    texts = write(model, tokenizer, PROMPTS, max_tokens=12, token_budget=130)
    assert texts == [alone(model, tokenizer, prompt, 12, tokenizer.eos_token_id) for prompt in PROMPTS]


def test_a_text_ends_at_any_end_token_of_the_model(tiny):
    model, tokenizer = tiny.make_model("llama", dtype=torch.float64), tiny.make_tokenizer()
    free = model.generate(
        torch.tensor([PROMPTS[0]]), attention_mask=torch.ones(1, 3), do_sample=False, max_new_tokens=8
    )
    third = free[0, 5].item()
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, third]
    assert end_tokens(model, tokenizer) == sorted({tokenizer.eos_token_id, third})
    cut = free[0, 3:].tolist().index(third)
    assert write(model, tokenizer, PROMPTS[:1], max_tokens=8) == [tokenizer.decode(free[0, 3 : 3 + cut])]


def test_stop_strings_cut_before_their_first_occurrence(tiny):
    model, tokenizer = tiny.make_model("llama", dtype=torch.float64), tiny.make_tokenizer()
    free = write(model, tokenizer, PROMPTS, max_tokens=16)
    stop = tuple(text[5:7] for text in free[:2])
    stopped = write(model, tokenizer, PROMPTS, max_tokens=16, stop=stop)
    for whole, part in zip(free, stopped, strict=True):
        assert part == whole[: min((whole.find(word) for word in stop if word in whole), default=len(whole))]
    assert any(len(part) < len(whole) for whole, part in zip(free, stopped, strict=True))


def test_the_model_and_its_settings_are_left_as_found(tiny):
    model, tokenizer = tiny.make_model("llama"), tiny.make_tokenizer()
    greedy = write(model, tokenizer, PROMPTS[:2], max_tokens=6)
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=3.0, repetition_penalty=5.0, eos_token_id=261
    )
    settings = model.generation_config
    model.train()
    assert write(model, tokenizer, PROMPTS[:2], max_tokens=6) == greedy
    assert model.generation_config is settings
    assert all(module.training for module in model.modules())


def test_logits_that_are_not_numbers_are_refused(tiny):
    model, tokenizer = tiny.make_model("llama"), tiny.make_tokenizer()
    with torch.no_grad():
        model.model.norm.weight[0] = torch.nan
    with pytest.raises(RunError, match="not numbers"):
        write(model, tokenizer, PROMPTS[:2], max_tokens=3)
