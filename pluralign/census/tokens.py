"""How long texts are: in words, or in a tokenizer's tokens."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pluralign.census.words import words
from pluralign.errors import InputError
from pluralign.plugins import find

Lengths = Callable[[Sequence[str]], list[int]]
FILE = "tokenizer.json"


def find_tokenizer(name: str, beside: Path) -> Path:
    """The file of a tokenizer: a path to it, a folder that holds it, or a hub id with an optional `@revision`.

    Raises: InputError where there is none.
    """
    path = find(name, beside)
    path = path / FILE if path.is_dir() else path
    if path.is_file():
        return path
    if path.name == FILE or name.startswith((".", "/", "~")) or "/" not in name:
        raise InputError(f'--tokenizer "{name}": there is no {FILE}; give its path, a folder with it, or a hub id')
    from huggingface_hub import hf_hub_download

    address, _, revision = name.partition("@")
    try:
        return Path(hf_hub_download(address, FILE, revision=revision or None))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f'--tokenizer "{name}" is no file here, and no {FILE} can be had from the hub: {reason}'
        ) from error


def in_words(texts: Sequence[str]) -> list[int]:
    """Words of every text (`words.py`)."""
    return [len(words(text)) for text in texts]


def tokenizer_lengths(path: Path) -> Lengths:
    """What gives the tokens of every text, without special ones, by a `tokenizer.json`.

    Raises: InputError where the file is no tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise InputError(f"--tokenizer: {path} is no tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def lengths(texts: Sequence[str]) -> list[int]:
        whole = [text.encode("utf-8", "replace").decode() for text in texts]
        return [len(encoded) for encoded in tokenizer.encode_batch_fast(whole, add_special_tokens=False)]

    return lengths
