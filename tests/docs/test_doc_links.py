"""Commands in the documentation are commands, and what it points at is there."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import app as benchmarks
from benchmarks.cases import NAMES
from pluralign.cli import app
from pluralign.runfile.read import read

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/*"), *ROOT.glob("examples/*.toml"))
)


def commands(text: str) -> Iterator[str]:
    """The lines of `pluralign` in blocks of code and in comments of run files, without what is said of them."""
    for line in re.findall(r"^(?:    |# {3})(?:\.venv/bin/)?pluralign (.*)$", text, re.MULTILINE):
        command = re.split(r"\s{2,}|\s#", line)[0]
        yield re.sub(r"\[|\]|\.\.\.", "", command).replace("--limit N", "--limit 5")


@pytest.mark.parametrize("name", PAGES)
def test_commands_are_understood(page: Callable[[str], str], name: str) -> None:
    for command in commands(page(name)):
        tokens = shlex.split(command)
        app.parse_args(tokens, exit_on_error=False, print_error=False)
        for token in tokens:
            assert not token.startswith(("recipes/", "examples/")) or (ROOT / token).is_file()


def test_commands_are_found(page: Callable[[str], str]) -> None:
    found = [command.split()[0] for command in commands(page("README.md"))]
    assert {"audit", "run", "plan", "report", "census", "power", "names"} <= set(found)


def test_benchmarks_that_numbers_are_said_to_come_from_can_be_asked_for(page: Callable[[str], str]) -> None:
    asked = re.findall(r"`python -m benchmarks (--[^`]+)`", " ".join(page("docs/log.md").split()))
    assert len(asked) > 4
    for command in asked:
        _, bound, _ = benchmarks.parse_args(shlex.split(command), exit_on_error=False, print_error=False)
        assert set(bound.arguments.get("only", "dpo").split(",")) <= set(NAMES)


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_are_there(page: Callable[[str], str], name: str) -> None:
    beside = [ROOT, ROOT / "pluralign", ROOT / "docs", (ROOT / name).parent]
    for path in re.findall(r"(?<![\w./])[\w.-]+/[\w./-]+\.(?:py|md|toml|sh)\b", page(name)):
        assert path.startswith("runs/") or any((folder / path).is_file() for folder in beside), path


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(page: Callable[[str], str], name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page(name)):
        if not target.startswith("https://"):
            path, _, heading = target.partition("#")
            text = page(name) if not path else ((ROOT / name).parent / path).read_text(encoding="utf-8")
            headings = {
                re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text, re.M)
            }
            assert not heading or heading in headings, target


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.name)
def test_recipes_can_be_read(path: Path) -> None:
    settings = ["data=anywhere"] if "${data}" in path.read_text(encoding="utf-8") else []
    assert read(path, settings).stages
