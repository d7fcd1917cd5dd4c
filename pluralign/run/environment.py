"""What a run was made on: versions, machine, commit, command. A result file speaks for itself."""

import os
import platform
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

from pluralign import __version__

FILE = "environment.json"
"""Beside everything that a run makes: what it was made on."""

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "statsmodels", "pyarrow", "safetensors")


def describe(command: str) -> dict[str, str]:
    """Flat text fields, for `environment.json` and the report's provenance."""
    found = {
        "command": command,
        "pluralign": __version__,
        "commit": _commit(),
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "gpus": _gpus(),
    }
    return found | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _gpus() -> str:
    """What NVIDIA's driver finds, such as "2 x NVIDIA H100 80GB HBM3"; "none" where there is no such driver."""
    question = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        asked = subprocess.run(question, capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError:
        return "none"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown (nvidia-smi does not answer)"
    if asked.returncode != 0:
        return "unknown (nvidia-smi fails)"
    found = Counter(line.strip() for line in asked.stdout.splitlines() if line.strip())
    return ", ".join(f"{number} x {name}" for name, number in found.items()) or "none"


def _commit() -> str:
    """The commit of a checkout of pluralign that runs in place; "none" for an installed package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return "none"
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown (no git)"
    return asked.stdout.strip() or "unknown"
