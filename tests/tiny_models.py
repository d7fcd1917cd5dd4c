"""Tiny random models of several architectures with a byte-level tokenizer, made in a second, for tests only."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

ARCHITECTURES = ("gpt2", "gpt_neox", "llama", "qwen2", "gemma2", "mistral")
MERGES = (("Ġ", "t"), ("Ġt", "h"), ("Ġth", "e"), ("i", "n"), ("a", "t"))
CHAT = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 160,
    "initializer_range": 0.2,
}
OWN = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 160},
    "llama": {"num_key_value_heads": 2},
    "qwen2": {"num_key_value_heads": 2},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 5.0, "sliding_window": 6},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 6},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "mixtral": {"num_key_value_heads": 2, "num_local_experts": 4},
    "cohere": {"logit_scale": 0.25},
    "granite": {"logits_scaling": 4.0},
    "gpt_oss": {"num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1},
}


def make_tokenizer(*, bos: bool = False, chat: bool = False, pad: bool = False) -> PreTrainedTokenizerFast:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate([*letters, *map("".join, MERGES)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(MERGES)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = {"eos_token": "<end>"} | ({"bos_token": "<start>"} if bos else {}) | ({"pad_token": "<pad>"} if pad else {})
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    if bos:
        start = ("<start>", made.bos_token_id)
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<start> $A", special_tokens=[start]
        )
    if chat:
        made.chat_template = ("<start>" if bos else "") + CHAT
    return made


def make_model(
    architecture: str, *, seed: int = 0, dtype: torch.dtype = torch.float32, end: int = 261
) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[architecture](
        vocab_size=272, bos_token_id=None, eos_token_id=end, pad_token_id=None, **(SHAPE | OWN.get(architecture, {}))
    )
    return AutoModelForCausalLM.from_config(config).to(dtype).eval()


def save_model(folder: Path, architecture: str, *, seed: int = 0, **tokenizer: bool) -> Path:
    made = make_tokenizer(**tokenizer)
    make_model(architecture, seed=seed, end=made.eos_token_id).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
