"""How often a model picks the right word of a game or the right answer to a question, to see how hard they are.

Run as `python scripts/probe_sandbox.py [MODEL]`.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from pluralign.sandbox import base_path
from pluralign.sandbox.layouts import game_prompt, reading_prompt
from pluralign.sandbox.rows import rows


def load(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model and the tokenizer in a folder, the model in fp32."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(path)


def probe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Share of right choices by likelihood per token, and of games where the greedy answer holds the right word only.

    Keys are `forced choice en_us`, `written en_us`, `reading swh_Latn`.
    """
    model.eval()
    hits: dict[str, list[bool]] = defaultdict(list)
    for row in rows("dialects"):
        prompt, words = game_prompt(row["transcript"]), [row["answer"], *row["distractors"]]
        scores = choice_scores(model, tokenizer, prompt, [f" {word}" for word in words])
        hits[f"forced choice {row['dialect']}"].append(scores.index(max(scores)) == 0)
        text = continuation(model, tokenizer, prompt)
        hits[f"written {row['dialect']}"].append(words[0] in text and not any(word in text for word in words[1:]))
    for row in rows("reading"):
        prompt = reading_prompt(row["flores_passage"], row["question"])
        scores = choice_scores(model, tokenizer, prompt, [f" {row[f'mc_answer{n}']}" for n in range(1, 5)])
        hits[f"reading {row['dialect']}"].append(scores.index(max(scores)) == int(row["correct_answer_num"]) - 1)
    return {name: round(sum(found) / len(found), 3) for name, found in hits.items()}


@torch.inference_mode()
def choice_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompt: str, options: list[str]
) -> list[float]:
    """Log-probability per token (nats) of every option after the prompt."""
    start = tokenizer(prompt)["input_ids"]
    ends = [tokenizer(option, add_special_tokens=False)["input_ids"] for option in options]
    longest = max(map(len, ends))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[*start, *end, *[pad] * (longest - len(end))] for end in ends])
    logprobs = model(input_ids=ids[:, :-1]).logits.log_softmax(-1)
    scores: list[float] = []
    for row, end in enumerate(ends):
        places = torch.arange(len(start) - 1, len(start) - 1 + len(end))
        scores.append(logprobs[row, places, torch.tensor(end)].mean().item())
    return scores


@torch.inference_mode()
def continuation(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompt: str, tokens: int = 10) -> str:
    """The greedy continuation of the prompt."""
    ids: list[int] = tokenizer(prompt)["input_ids"]
    start = len(ids)
    while len(ids) < start + tokens and ids[-1] != tokenizer.eos_token_id:
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return str(tokenizer.decode(ids[start:], skip_special_tokens=True))


def main() -> None:
    """Probe a model given by path, or the shipped base."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else base_path()
    print(json.dumps(probe(*load(path)), indent=1))


if __name__ == "__main__":
    main()
