"""What a run was made on: the record names the GPUs as their driver does."""

from pathlib import Path

import pytest

from pluralign.run import environment


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a driver's tool in the path, which runs a line of shell."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def made(line: str) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        tool.chmod(0o755)

    return made


def test_gpus_are_named_with_their_number(driver) -> None:
    assert environment.describe("test")["gpus"] == "none"
    driver("echo Big GPU; echo Big GPU; echo Small GPU")
    assert environment.describe("test")["gpus"] == "2 x Big GPU, 1 x Small GPU"
    driver("exit 9")
    assert environment.describe("test")["gpus"] == "unknown (nvidia-smi fails)"


def test_the_command_and_the_versions_are_kept(driver) -> None:
    found = environment.describe("pluralign run a.toml")
    assert found["command"] == "pluralign run a.toml"
    assert found["commit"] in ("unknown (no git)", "none"), "there is no git in this path"
    assert {"torch", "transformers", "python", "cores", "pluralign"} <= found.keys()
