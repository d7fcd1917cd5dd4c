"""`pluralign census` as a process: light, one line for mistakes, and whole after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

IDENTIFY = """
import time

def tell(texts):
    time.sleep(0.02)
    return ["en"] * len(texts)
"""
PROGRAM = """
import sys
from pluralign.data import shards
shards.BYTES = 400
from pluralign.cli import main
main()
"""


def census(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, "census", "rows.jsonl", "--identify", "mine.py:tell", "--workers", "1"]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=False, env=_env())


def _env() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def write(folder: Path) -> None:
    (folder / "mine.py").write_text(IDENTIFY)
    rows = [{"prompt": f"Who is gay {number}?", "chosen": "a", "rejected": "b"} for number in range(400)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_census_loads_neither_torch_nor_transformers(tmp_path: Path) -> None:
    write(tmp_path)
    code = "from pluralign.cli import app\nimport sys\n"
    code += "app(sys.argv[1:], result_action='return_value')\nprint(*sys.modules, file=sys.stderr)\n"
    command = [sys.executable, "-c", code, "census", "rows.jsonl", "--identify", "mine.py:tell", "--workers", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env=_env())
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "pluralign.run.census" in loaded
    assert not loaded & {"torch", "transformers"}


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    write(tmp_path)
    done = census(tmp_path, "--columns", "promt=x")
    assert done.returncode == 2
    assert done.stderr.strip() == 'pluralign: --columns: unknown column "promt"; did you mean "prompt"?'


def test_killed_and_begun_again_it_ends_the_same(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        write(folder)
    assert census(whole).returncode == 0
    command = [sys.executable, "-c", PROGRAM, "census", "rows.jsonl", "--identify", "mine.py:tell", "--workers", "1"]
    with subprocess.Popen(command, cwd=killed, env=_env(), stderr=subprocess.DEVNULL) as process:
        while len(list(killed.rglob("steps/*.json"))) < 5 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    kept = len(list(killed.rglob("steps/[!.]*.json")))
    assert kept >= 5
    done = census(killed)
    assert done.returncode == 0
    assert f"{kept} of " in done.stderr, "what was counted is not counted again"
    card, other = (json.loads(next(folder.rglob("card.json")).read_text()) for folder in (whole, killed))
    assert card.pop("made_on").keys() == other.pop("made_on").keys()
    assert card == other
