"""The documentation as it stands, and the examples in it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def page() -> Callable[[str], str]:
    """The text of a page by its name: "docs/data.md"."""
    return lambda name: (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def example(page: Callable[[str], str]) -> Callable[[str, str, str], str]:
    """The one block of code in a page that is of a language and holds a text."""

    def find(name: str, language: str, holding: str) -> str:
        blocks = re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)
        (block,) = (block for block in blocks if holding in block)
        return block

    return find
