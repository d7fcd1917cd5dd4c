"""A user's own file may be split: what it imports from beside it is part of it."""

from pathlib import Path

import pytest

from pluralign import plugins
from pluralign.errors import InputError

MAIN = "from .parts import NUMBER\nfrom .folder.deep import WORD\nVERSION = 1\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "deep.py").write_text("from ..parts import NUMBER\nWORD = str(NUMBER)\n")
    (tmp_path / "parts.py").write_text("NUMBER = 1\n")
    path = tmp_path / "mine.py"
    path.write_text(MAIN)
    return path


def test_a_file_imports_those_beside_it(file: Path) -> None:
    module = plugins.load_file(file, "function", place="test")
    assert (module.NUMBER, module.WORD) == (1, "1")


def test_a_changed_file_beside_it_is_another_version_and_is_read_anew(file: Path) -> None:
    first = plugins.version(plugins.load_file(file, "function", place="test"))
    assert plugins.version(plugins.load_file(file, "function", place="test")) == first
    (file.parent / "unused.py").write_text("X = 1\n")
    assert plugins.version(plugins.load_file(file, "function", place="test")) == first
    file.with_name("parts.py").write_text("NUMBER = 20\n")
    changed = plugins.load_file(file, "function", place="test")
    assert (changed.NUMBER, changed.WORD) == (20, "20")
    assert plugins.version(changed) != first


def test_what_does_not_import_is_named_and_forgotten(file: Path) -> None:
    file.with_name("parts.py").write_text("NUMBER = 1 / 0\n")
    with pytest.raises(InputError, match=r"test: .*mine\.py cannot be imported: ZeroDivisionError"):
        plugins.load_file(file, "function", place="test")
    file.with_name("parts.py").write_text("NUMBER = 3\n")
    assert plugins.load_file(file, "function", place="test").NUMBER == 3
