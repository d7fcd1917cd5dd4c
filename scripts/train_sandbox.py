"""Train the sandbox's base model on the sandbox's text and write it to `pluralign/sandbox/base`.

    python scripts/train_sandbox.py --minutes 30
    python scripts/train_sandbox.py --tokens 20_000_000

The rate of learning falls with the tokens, or with the clock if `--minutes` are spent sooner, so that the run ends in
time. Where the tokens end it the weights depend on nothing but the seed and the machine's arithmetic.
The last lines tell how well the base guesses.
"""

import argparse
import json
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from probe_sandbox import load, probe
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pluralign.sandbox import SEED, base_path
from pluralign.sandbox.corpus import documents

VOCABULARY = 3072
SPECIAL = ["<pad>", "<s>", "</s>"]
SEQUENCE = 192
BATCH = 16
PEAK_RATE = 2e-3
FLOOR = 0.05
WARMUP = 0.02
REPORT_EVERY = 100
TOKENIZER_DOCUMENTS = 40_000
WORDS = r" ?[\p{L}\p{M}']+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+"
CARD = """---
license: apache-2.0
language: [en, es, de, fr, id, hi, sw]
library_name: transformers
---
# The sandbox's base model

A Llama of {parameters:,} parameters, for pluralign's tests and demonstrations, and of no use elsewhere. It was trained
from scratch on text that `pluralign/sandbox/corpus.py` makes: guessing games in three dialects of English, descriptions
of everyday things, and short passages with questions in seven languages. No other text went in.

- seed: {seed}
- tokens: {tokens:,} ({steps:,} steps of {batch} x {sequence})
- final loss (nats per token, mean of the last {window} steps): {loss:.3f}
- command: `{command}`
- licence: Apache-2.0

How it guesses (shares of right answers, likelihood per token):

```json
{probe}
```
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When to stop: after so many tokens or so many seconds, whichever comes first."""

    tokens: float
    seconds: float

    def spent(self, tokens: int, started: float) -> float:
        """The share of the budget that is spent, from 0 to 1."""
        return max(tokens / self.tokens, (time.monotonic() - started) / self.seconds)


def train_tokenizer(texts: Iterator[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE that begins every text with the token of beginning."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", SPECIAL.index("<s>"))])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<pad>", bos_token="<s>", eos_token="</s>", model_max_length=1024
    )


def new_model() -> LlamaForCausalLM:
    """The untrained model."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=3,
        num_key_value_heads=3,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.03,
        pad_token_id=SPECIAL.index("<pad>"),
        bos_token_id=SPECIAL.index("<s>"),
        eos_token_id=SPECIAL.index("</s>"),
    )
    return LlamaForCausalLM(config)


def batches(tokenizer: PreTrainedTokenizerFast, texts: Iterator[str]) -> Iterator[Tensor]:
    """Packed token ids `[BATCH, SEQUENCE + 1]`; documents follow each other, each with its beginning and end."""
    size = BATCH * (SEQUENCE + 1)
    ids: list[int] = []
    while True:
        while len(ids) < size:
            for encoding in tokenizer(list(islice(texts, 256)))["input_ids"]:
                ids += [*encoding, tokenizer.eos_token_id]
        yield torch.tensor(ids[:size]).view(BATCH, SEQUENCE + 1)
        ids = ids[size:]


def rate(spent: float) -> float:
    """The learning rate's factor: a short rise, then half a cosine down to the floor."""
    if spent < WARMUP:
        return max(spent, 1e-3) / WARMUP
    return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * min(1.0, (spent - WARMUP) / (1 - WARMUP)))) / 2


def train(model: LlamaForCausalLM, stream: Iterator[Tensor], budget: Budget) -> list[float]:
    """Train in place; returns the loss (nats per token) of every step."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.95), fused=True)
    losses: list[float] = []
    started, tokens = time.monotonic(), 0
    model.train()
    while (spent := budget.spent(tokens, started)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = PEAK_RATE * rate(spent)
        losses.append(_step(model, next(stream), optimiser))
        tokens += BATCH * SEQUENCE
        if len(losses) % REPORT_EVERY == 0:
            speed = tokens / (time.monotonic() - started)
            recent = sum(losses[-REPORT_EVERY:]) / REPORT_EVERY
            print(f"{spent:6.1%}  {tokens / 1e6:6.2f}M tokens  {speed:,.0f} tokens/s  loss {recent:.3f}", flush=True)
    return losses


def _step(model: LlamaForCausalLM, ids: Tensor, optimiser: torch.optim.Optimizer) -> float:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=ids[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, losses: list[float], command: str) -> None:
    """Write weights (bf16), tokenizer and model card, replacing what was there."""
    torch.nn.Module.to(model, torch.bfloat16)
    target = base_path()
    shutil.rmtree(target, ignore_errors=True)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    found = probe(*load(target))
    print(json.dumps(found, indent=1))
    window = min(REPORT_EVERY, len(losses))
    card = CARD.format(
        parameters=model.num_parameters(),
        seed=SEED,
        tokens=len(losses) * BATCH * SEQUENCE,
        steps=len(losses),
        batch=BATCH,
        sequence=SEQUENCE,
        window=window,
        loss=sum(losses[-window:]) / window,
        command=command,
        probe=json.dumps(found, indent=1),
    )
    Path(target, "README.md").write_text(card, encoding="utf-8")


def main() -> None:
    """Read the budget, train, save, probe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=math.inf, help="the longest time to train for")
    parser.add_argument("--tokens", type=float, default=math.inf, help="the most tokens to train on")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    if math.inf == options.tokens == options.minutes:
        parser.error("give --tokens, --minutes or both")
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    tokenizer = train_tokenizer(islice(documents(SEED + 1), TOKENIZER_DOCUMENTS))
    model = new_model()
    print(f"{model.num_parameters():,} parameters, {len(tokenizer):,} tokens in the vocabulary", flush=True)
    budget = Budget(tokens=options.tokens, seconds=60 * options.minutes)
    losses = train(model, batches(tokenizer, documents(SEED)), budget)
    given = {"tokens": options.tokens, "minutes": options.minutes}
    length = " ".join(f"--{name} {amount:.10g}" for name, amount in given.items() if amount < math.inf)
    save(model, tokenizer, losses, f"python scripts/train_sandbox.py {length}")


if __name__ == "__main__":
    main()
