"""`pluralign audit` on the real command line: models on disk and the sandbox's, a run file that repeats it, a forecast
before the asking, and one clear line for whatever cannot be."""

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from pluralign.cli import app
from pluralign.errors import InputError

FORECAST = re.compile(
    r"^(?P<name>\S+|in all) +(?P<prompts>[\d,]+) prompts, about (?P<read>[\d,]+) tokens to read"
    r"(?: and up to (?P<written>[\d,]+) to write)?: (?:at most )?about \d+ (?:s|min|h)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Ended:
    stdout: str
    stderr: str


@pytest.fixture
def call(monkeypatch, capsys):
    """The command line in this process, in a folder."""

    def at(folder, *arguments):
        monkeypatch.chdir(folder)
        capsys.readouterr()
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        return Ended(*capsys.readouterr())

    return at


def number(text: str | None) -> int:
    return int((text or "0").replace(",", ""))


def replies(folder: Path) -> dict[Path, list[str]]:
    return {
        path.relative_to(folder): sorted(path.read_text(encoding="utf-8").splitlines())
        for path in folder.glob("runs/*/audits/*/*.jsonl")
    }


QUESTIONS = [
    {
        "id": f"{language}-{place}",
        "title": f"{language} {place // 2}",
        "context": f"The cat sat in the {place}th hat.",
        "question": f"In the what? ({place})",
        "answers": ["hat"],
        "language": language,
    }
    for language in ("en", "fi", "sw")
    for place in range(4)
]


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    """Two models, and questions, in a folder where both audits have been run."""
    where = tmp_path_factory.mktemp("audit")
    tiny.save_model(where / "llama", "llama", bos=True)
    tiny.save_model(where / "gpt2", "gpt2", seed=1)
    rows = "".join(json.dumps(row) + "\n" for row in QUESTIONS)
    (where / "questions.jsonl").write_text(rows, encoding="utf-8")
    return where


PAIR = ("base=llama", "tuned=./gpt2", "--audits", "tydiqa", "--set", "tydiqa.rows=questions.jsonl")


@pytest.fixture(scope="module")
def first(folder):
    """The first of all on the real command line."""
    command = [sys.executable, "-m", "pluralign", "audit", *PAIR, "--limit", "6"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended


def test_the_run_file_is_told_and_repeats_the_audit(call, folder, first):
    assert "runs/llama_gpt2.toml: written" in first.stderr
    assert "pluralign run runs/llama_gpt2.toml" in first.stderr
    before = replies(folder)
    again = call(folder, "run", "runs/llama_gpt2.toml")
    assert "0 of 2 steps to do" in again.stderr
    assert again.stdout == first.stdout
    assert replies(folder) == before
    assert {len(lines) for lines in before.values()} == {6}


def test_the_run_file_needs_nothing_but_itself(call, folder, first, tmp_path):
    table = tomllib.loads((folder / "runs/llama_gpt2.toml").read_text(encoding="utf-8"))
    assert [stage["name"] for stage in table["stage"]] == ["tuned"]
    for path in (table["base"], table["stage"][0]["model"], table["audit"][0]["rows"]):
        assert Path(path).is_absolute()
        assert Path(path).exists()
    assert table["audit"][0]["limit"] == 6
    planned = call(tmp_path, "plan", str(folder / "runs/llama_gpt2.toml"), "--runs", str(folder / "runs"))
    assert "0 of 2 steps to do" in planned.stdout


def test_the_forecast_stands_before_the_asking_and_counts_by_stage(first):
    found = {match["name"]: match for match in FORECAST.finditer(first.stderr)}
    assert list(found) == ["base", "tuned", "in all"]
    assert [number(found[name]["prompts"]) for name in found] == [6, 6, 12]
    assert [number(found[name]["written"]) for name in found] == [300, 300, 600]
    assert first.stderr.index("in all") < first.stderr.index("ask base: tydiqa")


def test_a_longer_limit_goes_on_where_the_shorter_ended(call, folder, first):
    before = replies(folder)
    longer = call(folder, "audit", *PAIR)
    assert "runs/llama_gpt2.toml: there already, its limit changed" in longer.stderr
    after = replies(folder)
    assert after.keys() == before.keys()
    assert all(set(before[path]) < set(after[path]) for path in before)
    assert {len(lines) for lines in after.values()} == {12}
    (prompts,) = {number(match["prompts"]) for match in FORECAST.finditer(longer.stderr) if match["name"] != "in all"}
    assert prompts == 6


def test_another_audit_of_the_same_models_has_a_file_of_its_own(call, folder, first):
    text = (folder / "runs/llama_gpt2.toml").read_text(encoding="utf-8")
    other = call(folder, "audit", *PAIR, "--limit", "6", "--set", "seed=1", "--plan")
    assert "runs/llama_gpt2-2.toml: written" in other.stderr
    assert (folder / "runs/llama_gpt2.toml").read_text(encoding="utf-8") == text
    with pytest.raises(InputError, match=r"--name llama_gpt2: .* is another run already"):
        call(folder, "audit", *PAIR, "--limit", "6", "--set", "seed=2", "--name", "llama_gpt2")


def test_a_plan_asks_only_the_items_that_are_timed(call, folder):
    planned = call(folder, "audit", *PAIR, "--limit", "8", "--name", "planned", "--plan")
    assert [match["name"] for match in FORECAST.finditer(planned.stdout)] == ["base", "tuned", "in all"]
    counts = [len(lines) for path, lines in replies(folder).items() if path.parts[1] == "planned"]
    assert counts == [2, 2]
    assert not (folder / "runs/planned/report").exists()


def test_the_sandbox_comes_with_its_data(call, tmp_path):
    ended = call(tmp_path, "audit", "base=sandbox", "--audits", "dialects,belebele", "--limit", "7", "--runs", "out")
    assert "pluralign run out/sandbox.toml --runs out" in ended.stderr
    assert ended.stdout.strip().endswith("out/sandbox/report/index.html")
    (line,) = FORECAST.finditer(ended.stderr)
    assert (line["name"], number(line["prompts"]), number(line["written"])) == ("base", 21, 70)
