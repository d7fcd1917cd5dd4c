"""The shipped base model loads without a warning, is small, and guesses better than chance."""

import warnings

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pluralign.sandbox import base_path
from pluralign.sandbox.layouts import game_prompt
from pluralign.sandbox.rows import rows

LARGEST_MB = 8


@pytest.fixture(scope="module")
def base():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = AutoModelForCausalLM.from_pretrained(base_path(), dtype=torch.float32)
        return model.eval(), AutoTokenizer.from_pretrained(base_path())


def test_the_base_is_small():
    assert sum(file.stat().st_size for file in base_path().iterdir()) <= LARGEST_MB * 1_000_000


def test_the_card_tells_how_it_was_made():
    card = (base_path() / "README.md").read_text(encoding="utf-8")
    for told in ("apache-2.0", "tokens:", "final loss", "scripts/train_sandbox.py", "seed:"):
        assert told in card


def test_weights_are_stored_in_bf16_and_fit_the_limit():
    model = AutoModelForCausalLM.from_pretrained(base_path(), dtype="auto")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.num_parameters() <= 3_900_000
    assert model.config.max_position_embeddings >= 1024
    assert model.config.tie_word_embeddings


def test_the_tokenizer_has_its_tokens_and_gives_every_text_back(base):
    _, tokenizer = base
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3
    for row in [*rows("reading")[::50], *rows("dialects")[::50]]:
        text = row.get("flores_passage") or row["transcript"]
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert tokenizer.eos_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_join_of_prompt_and_completion_is_a_join_of_tokens(base):
    _, tokenizer = base
    for row in rows("preferences")[::25]:
        both = tokenizer(row["prompt"] + row["chosen"])["input_ids"]
        ends = tokenizer(row["chosen"], add_special_tokens=False)["input_ids"]
        assert both == [*tokenizer(row["prompt"])["input_ids"], *ends]


def test_the_base_guesses_better_than_chance(base):
    model, tokenizer = base
    hits = [_guesses_right(model, tokenizer, row) for row in rows("dialects")[::6]]
    chance = 1 / 6
    error = (chance * (1 - chance) / len(hits)) ** 0.5
    assert sum(hits) / len(hits) > chance + 2.33 * error


@torch.inference_mode()
def _guesses_right(model, tokenizer, row):
    start = tokenizer(game_prompt(row["transcript"]))["input_ids"]
    scores = []
    for word in (row["answer"], *row["distractors"]):
        end = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
        logprobs = model(input_ids=torch.tensor([[*start, *end]])).logits[0, len(start) - 1 : -1].log_softmax(-1)
        scores.append(logprobs.gather(1, torch.tensor(end)[:, None]).mean().item())
    return scores.index(max(scores)) == 0
