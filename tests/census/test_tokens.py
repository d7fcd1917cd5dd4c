"""Tokens by a tokenizer of the user's, found before the work."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from pluralign.census.tokens import find_tokenizer, in_words, tokenizer_lengths
from pluralign.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer of characters that would add a token in front, cut at three and pad."""
    letters = {letter: place for place, letter in enumerate(["?", "<s>", *"abc "])}
    made = Tokenizer(models.BPE(letters, [], unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.enable_truncation(3)
    made.enable_padding(length=9)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_every_token_of_the_text_counts_and_no_other(folder: Path) -> None:
    lengths = tokenizer_lengths(find_tokenizer(str(folder), Path()))
    assert lengths(["abcabc", "a b", "", "ab\ud800"]) == [6, 2, 0, 3]


def test_a_file_a_folder_and_a_path_from_elsewhere(folder: Path) -> None:
    file = folder / "tokenizer.json"
    assert find_tokenizer(str(folder), Path()) == find_tokenizer(str(file), Path()) == file
    assert find_tokenizer("tokenizer.json", folder) == file


def test_what_is_no_tokenizer_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r'--tokenizer "absent": there is no tokenizer\.json'):
        find_tokenizer("absent", folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"--tokenizer: .*tokenizer\.json is no tokenizer"):
        tokenizer_lengths(folder / "tokenizer.json")


def test_without_a_tokenizer_tokens_are_words() -> None:
    assert in_words(["a b, c", "我们", ""]) == [3, 2, 0]
