"""Bad input on the real command line: one clear line on stderr, exit code 2, no traceback, nothing left behind."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "unintended_impacts.toml"

RUN = """
base = "sandbox"

[data.voices]
rows = "voices.jsonl"

[[stage]]
name = "sft"
method = "sft"
data = "voices"

[[audit]]
uses = "dialects"
rows = "sandbox"
"""
PAIR = {"prompt": "Hello", "chosen": " friend", "rejected": " you", "group": "us"}


@dataclass(frozen=True)
class Fault:
    """One thing wrong: what replaces what in the run file, what the data file holds, and what must be said."""

    expected: str
    old: str = ""
    new: str = ""
    data: str = "".join(json.dumps(PAIR | {"prompt": f"Hello {number}"}) + "\n" for number in range(9))
    arguments: tuple[str, ...] = ()


FAULTS = {
    "toml syntax": Fault("run.toml: not TOML", 'base = "sandbox"', 'base = "sandbox'),
    "unknown method": Fault('unknown method "sfft"; did you mean "sft"?', 'method = "sft"', 'method = "sfft"'),
    "unknown audit": Fault('unknown audit "dialetcs"; did you mean "dialects"?', '"dialects"', '"dialetcs"'),
    "unknown option": Fault('unknown option "betta"', 'name = "sft"', 'name = "sft"\nbetta = 1'),
    "unknown variable": Fault('unknown variable "data_rot"', arguments=("--set", "data_rot=/x")),
    "absent parent": Fault(
        'from: unknown stage "bsae"; did you mean "base"?', 'name = "sft"', 'name = "sft"\nfrom = "bsae"'
    ),
    "loop": Fault("stages form a loop: sft → sft", 'name = "sft"', 'name = "sft"\nfrom = "sft"'),
    "missing column": Fault('voices.jsonl, row 1: no column "rejected"', data='{"prompt": "a", "chosen": "b"}\n'),
    "torn line": Fault("voices.jsonl, line 2: not JSON", data=json.dumps(PAIR) + "\n" + json.dumps(PAIR)[:-9]),
    "no data file": Fault('there is no file "voice.jsonl"', '"voices.jsonl"', '"voice.jsonl"'),
    "no model": Fault('base: model "nowhere"', 'base = "sandbox"', 'base = "nowhere"'),
    "not a model": Fault("the folder holds no config.json", 'base = "sandbox"', 'base = "."'),
    "reference group": Fault(
        'reference_group: unknown group "en_uk"; did you mean "en_us"?',
        'uses = "dialects"',
        'uses = "dialects"\nreference_group = "en_uk"',
    ),
    "limit": Fault("--limit 0: must be at least 1", arguments=("--limit", "0")),
    "unknown flag": Fault("--limitt", arguments=("--limitt", "3")),
}


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pluralign", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def check_refused(done: subprocess.CompletedProcess[str], expected: str) -> None:
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_and_leaves_nothing(tmp_path: Path, fault: Fault) -> None:
    assert fault.old in RUN
    (tmp_path / "run.toml").write_text(RUN.replace(fault.old, fault.new, 1) if fault.old else RUN, encoding="utf-8")
    (tmp_path / "voices.jsonl").write_text(fault.data, encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    check_refused(call("run", "run.toml", "--runs", "out", *fault.arguments, cwd=tmp_path), fault.expected)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_run_file(tmp_path: Path) -> None:
    check_refused(call("run", "absent.toml", cwd=tmp_path), "absent.toml: there is no such run file")


def test_a_data_root_without_outputs(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = call("run", str(EXAMPLE), "--set", "data_root=empty", "--runs", "out", cwd=tmp_path)
    check_refused(done, 'unintended_impacts.toml: [recorded]: data_root: "empty')
    assert not (tmp_path / "out").exists()


def test_a_data_root_that_is_not_given(tmp_path: Path) -> None:
    check_refused(call("run", str(EXAMPLE), cwd=tmp_path), "give --set data_root=VALUE")


def test_an_unknown_command(tmp_path: Path) -> None:
    check_refused(call("rnu", cwd=tmp_path), 'Did you mean "run"?')
