"""The example's own command, on the authors' recorded outputs: tables, tests and files come out as published.

Source: Ryan et al. 2024, arXiv:2402.15018. Exact McNemar p of Mistral-SFT → Zephyr: US 2.93e-5, India .311, Nigeria
.377; Tulu SFT improves six of nine languages by F1 (paired t, p < .05), five of them after Holm.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shared_data / "unintended-impacts"
    if not (root / "outputs").is_dir():
        pytest.skip(f"needs the recorded outputs in {root}")
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-m", "pluralign", "run", str(ROOT / "examples/unintended_impacts.toml")]
    command += ["--set", f"data_root={root}", "--runs", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "unintended_impacts" / "report"


def rows(report: Path, name: str, **wanted: str) -> dict[str, dict[str, str]]:
    """Rows by group."""
    with (report / name).open(encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if all(row[key] == value for key, value in wanted.items())]
    return {row["group"]: row for row in found}


def test_levels_and_gaps_of_the_game(report: Path) -> None:
    zephyr = rows(report, "estimates.csv", audit="dialects", measure="accuracy", stage="zephyr-7b-beta")
    assert [float(zephyr[group]["value"]) for group in ("en_in", "en_ng", "en_us")] == pytest.approx(
        [0.2639, 0.3028, 0.4637], abs=1e-4
    )
    assert float(zephyr["en_in"]["gap"]) == pytest.approx(-0.1998, abs=1e-4)
    assert float(zephyr["en_in"]["gap_p"]) == pytest.approx(1.0e-6, abs=2e-6)
    mistral = rows(report, "estimates.csv", audit="dialects", measure="accuracy", stage="Mistral-7B-v0.1")
    assert float(mistral["en_in"]["gap_p"]) == pytest.approx(0.659, abs=0.02)


def test_gains_of_the_game_agree_with_mcnemar(report: Path) -> None:
    step = {"audit": "dialects", "measure": "accuracy", "from_stage": "Mistral-SFT-7B", "to_stage": "zephyr-7b-beta"}
    found = rows(report, "changes.csv", **step)
    assert float(found["en_us"]["p"]) < 1e-4
    assert float(found["en_in"]["p"]) == pytest.approx(0.311, abs=0.1)
    assert float(found["en_ng"]["p"]) == pytest.approx(0.377, abs=0.1)
    assert [found[group]["verdict"] for group in ("en_us", "en_in")] == ["gain", "inconclusive"]


def test_six_languages_improve_and_five_survive_holm(report: Path) -> None:
    step = {"audit": "tydiqa", "measure": "f1", "from_stage": "Llama-2-7b-hf", "to_stage": "Tulu-2-SFT"}
    found = {group: row for group, row in rows(report, "changes.csv", **step).items() if group != "all"}
    assert len(found) == 9
    better = [group for group, row in found.items() if float(row["gain"]) > 0 and float(row["p"]) < 0.05]
    holm = [group for group, row in found.items() if float(row["gain"]) > 0 and float(row["p_adjusted"]) < 0.05]
    assert (len(better), len(holm)) == (6, 5)


def test_every_declared_ladder_is_climbed(report: Path) -> None:
    verdicts = json.loads((report / "verdicts.json").read_text(encoding="utf-8"))
    climbed = {(row["from_stage"], row["to_stage"]) for row in verdicts}
    assert len(climbed) == 10
    assert ("Llama-2-7b-hf", "Tulu-2-DPO") in climbed
    assert ("OpenChat3.5", "starling-alpha-7b") in climbed


def test_the_page_says_that_dialects_cannot_be_compared_by_level(report: Path) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "evels cannot be compared between groups" in page
    assert page.index("change of the gap") < page.index("own gains and losses")
