"""What a run was made on: versions, machine, commit, command. A result file speaks for itself."""

import os
import platform
import subprocess
import sys
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
    }
    return found | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


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
