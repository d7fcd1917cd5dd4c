"""Whatever a run file may say, and whatever a report holds, is told in the documentation, with its default."""

import importlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from pluralign import plugins
from pluralign.cli import Counting
from pluralign.records.across_seeds import AcrossSeeds
from pluralign.records.estimate import Change, Correlation, Disparity, Estimate, Summary
from pluralign.records.training import WITHOUT_EFFECT, Training
from pluralign.report.tables import NAMES
from pluralign.runfile.parts import AuditHeader, DataHeader, General, ModelHeader, StageHeader
from pluralign.stats.table import COLUMNS

Page = Callable[[str], str]
HOMES = {"sources": "docs/data.md", "methods": "docs/training.md", "weightings": "docs/training.md"}
HOMES["audits"] = "docs/audits.md"


def module(folder: str, name: str):
    return importlib.import_module(f"pluralign.{folder}.{name}")


def options_of(folder: str) -> list[type]:
    return [plugins.options_of(module(folder, name)) for name in plugins.names(folder)]


def code(text: str) -> set[str]:
    """Every word that stands in code: between backticks, or in a block."""
    blocks = re.findall(r"^ {4}.*$|^```.*?^```$", text, re.MULTILINE | re.DOTALL)
    return {word for part in (*re.findall(r"`([^`\n]+)`", text), *blocks) for word in re.findall(r"[\w.]+", part)}


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of every table."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("folder", plugins.FOLDERS)
def test_every_plug_in_has_a_row(page: Page, folder: plugins.Folder) -> None:
    named = {name for cells in rows(page(HOMES[folder])) for name in re.findall(r"`([^`]+)`", cells[0])}
    assert set(plugins.names(folder)) <= named


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("README.md", [General, ModelHeader]),
        ("docs/data.md", [DataHeader, *options_of("sources")]),
        ("docs/training.md", [StageHeader, Training, *options_of("methods"), *options_of("weightings")]),
        ("docs/audits.md", [AuditHeader, *options_of("audits")]),
        ("docs/census.md", [Counting]),
    ],
)
def test_every_option_is_told(page: Page, name: str, kinds: list[type]) -> None:
    assert set(plugins.option_names(*kinds)) - code(page(name)) == set()


def written(value: object) -> str:
    """A default as a run file would say it."""
    return "none" if value is None else json.dumps(value)


@pytest.mark.parametrize("kind", [Training, module("methods", "rloo").Options])
def test_defaults_are_those_of_the_code(page: Page, kind: type) -> None:
    told: dict[str, str] = {}
    for first, *rest in rows(page("docs/training.md")):
        names = re.findall(r"`(\w+)`", first)
        if names and len(rest) == 2:
            defaults = rest[0].split(", ") if len(names) > 1 else [rest[0]]
            told |= {name: default for name, default in zip(names, defaults, strict=True) if name not in told}
    expected = {field.name: written(field.default) for field in fields(kind)}
    expected |= {"learning_rate": "the method's"} if kind is Training else {}
    assert {name: told.get(name) for name in expected} == expected


def test_the_methods_learning_rates_and_options_are_those_of_the_code(page: Page) -> None:
    told = {cells[0].strip("`"): cells for cells in rows(page("docs/training.md")) if len(cells) == 4}
    for name in plugins.names("methods"):
        method = module("methods", name)
        assert float(told[name][2]) == method.TRAINING.learning_rate
        assert (method.TRAINING.batch_size, method.TRAINING.num_train_epochs) == (16, 1.0)
        if name != "rloo":
            given = dict(re.findall(r"`(\w+)` \(([\d.]+)\)", told[name][3]))
            assert given == {field.name: str(field.default) for field in fields(plugins.options_of(method))}


def test_weightings_say_their_defaults(page: Page) -> None:
    for name in plugins.names("weightings"):
        (row,) = (cells for cells in rows(page("docs/training.md")) if cells[0] == f"`{name}`")
        for field in fields(plugins.options_of(module("weightings", name))):
            assert f"`{field.name}` ({field.default})" in row[1]


def test_what_changes_no_stage_is_told(page: Page) -> None:
    (line,) = (line for line in page("docs/training.md").splitlines() if line.startswith("All of `token_budget`"))
    assert set(re.findall(r"`(\w+)`", line)) == set(WITHOUT_EFFECT)


@pytest.mark.parametrize(
    ("section", "columns"),
    [
        ("estimates.csv", plugins.option_names(Estimate)),
        ("changes.csv", plugins.option_names(Change)),
        ("verdicts.json", plugins.option_names(Summary, Disparity)),
        ("correlations.csv", plugins.option_names(Correlation)),
        ("seeds.csv", plugins.option_names(AcrossSeeds)),
        ("readings.parquet", COLUMNS),
    ],
)
def test_every_column_of_the_report_is_told(page: Page, section: str, columns: tuple[str, ...]) -> None:
    (text,) = (part for part in page("docs/report.md").split("\n## ") if part.startswith(f"{section}:"))
    assert set(columns) - code(text) == set()
    assert section in NAMES


def test_the_measures_of_preferences_are_told(page: Page) -> None:
    audit = module("audits", "preferences")
    (text,) = (part for part in page("docs/audits.md").split("\n## ") if part.startswith("preferences\n"))
    assert {*audit.MEASURES, *audit.COMPARED} - code(text) == set()


def test_the_readme_shows_every_folder_of_the_package(page: Page, root: Path) -> None:
    tree = page("README.md").partition("## Where things are")[2].partition("\n## ")[0]
    shown = set(re.findall(r"^      (\w+)(?:/|\.py)", tree, re.MULTILINE))
    package = {path.stem for path in (root / "pluralign").iterdir() if path.suffix in ("", ".py")}
    assert shown == package - {"__init__", "__main__", "__pycache__", "errors"}
