"""The example's own command, run once on the authors' recorded outputs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def report(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report."""
    root = shared_data / "unintended-impacts"
    if not (root / "outputs").is_dir():
        pytest.skip(f"needs the recorded outputs in {root}")
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-m", "pluralign", "run", str(ROOT / "examples/unintended_impacts.toml")]
    command += ["--set", f"data_root={root}", "--runs", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "unintended_impacts" / "report"
