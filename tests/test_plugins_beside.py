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


def test_a_file_that_is_changed_after_it_was_loaded_is_known_as_what_was_loaded(file: Path) -> None:
    loaded = plugins.load_file(file, "function", place="test")
    file.write_text(MAIN.replace("VERSION = 1", "VERSION = 2"))
    changed = plugins.load_file(file, "function", place="test")
    assert (plugins.version(loaded)[:2], plugins.version(changed)[:2]) == ("1-", "2-")
    assert plugins.version(loaded)[2:] != plugins.version(changed)[2:]


def test_an_importable_module_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_lab.py").write_text("NUMBER = 1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    expected = r'test: the module "broken_lab" cannot be imported: ZeroDivisionError: division by zero'
    with pytest.raises(InputError, match=expected):
        plugins.find_function("broken_lab:short", tmp_path, "test")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "audit.py").write_text("items = nothing\n")
    with pytest.raises(InputError, match=r'test: the module "lab\.audit" cannot be imported: NameError'):
        plugins.load("audits", "lab.audit", beside=tmp_path, place="test")


def test_what_does_not_import_is_named_and_forgotten(file: Path) -> None:
    file.with_name("parts.py").write_text("NUMBER = 1 / 0\n")
    with pytest.raises(InputError, match=r"test: .*mine\.py cannot be imported: ZeroDivisionError"):
        plugins.load_file(file, "function", place="test")
    file.with_name("parts.py").write_text("NUMBER = 3\n")
    assert plugins.load_file(file, "function", place="test").NUMBER == 3
