"""The embedded world: objects, dialects, languages, people who disagree, and a small trained base model."""

from pathlib import Path

SEED = 20240
"""The seed of every row that the sandbox gives and of the text that its base model was trained on."""


def base_path() -> Path:
    """Folder of the shipped base model: weights and tokenizer in transformers' layout."""
    return Path(__file__).parent / "base"
