"""The example's own command, on the authors' recorded outputs: tables, tests and files come out as published.

Source: Ryan et al. 2024, arXiv:2402.15018. Exact McNemar p of Mistral-SFT → Zephyr: US 2.93e-5, India .311, Nigeria
.377; Tulu SFT improves six of nine languages by F1 (paired t, p < .05), five of them after Holm.
"""

import csv
import json
import tomllib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

PUBLISHED = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))

Readings = dict[tuple[str, str, str, str], dict[str, tuple[float, str]]]


def rows(report: Path, name: str, **wanted: str) -> dict[str, dict[str, str]]:
    """Rows by group."""
    with (report / name).open(encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if all(row[key] == value for key, value in wanted.items())]
    return {row["group"]: row for row in found}


@pytest.fixture(scope="module")
def readings(report: Path) -> Readings:
    """Of dialects and languages: values and clusters by audit, measure, stage and group, and in them by item."""
    found: Readings = defaultdict(dict)
    wanted = [("audit", "in", ["dialects", "tydiqa"])]
    for row in parquet.read_table(report / "readings.parquet", filters=wanted).to_pylist():
        found[row["audit"], row["measure"], row["stage"], row["group"]][row["item"]] = (row["value"], row["cluster"])
    return found


def paired(readings: Readings, audit: str, measure: str, way: tuple[str, str], group: str) -> tuple[np.ndarray, ...]:
    """Before, after and the clusters of one group's items."""
    before, after = (readings[audit, measure, stage, group] for stage in way)
    assert before.keys() == after.keys()
    values = [(before[item][0], after[item][0], cluster) for item, (_, cluster) in before.items()]
    return tuple(map(np.array, zip(*values, strict=True)))


@pytest.mark.parametrize("stage", PUBLISHED["games"]["accuracy"])
def test_the_published_table_of_games(report: Path, stage: str) -> None:
    found = rows(report, "estimates.csv", audit="dialects", measure="accuracy", stage=stage)
    values = [float(found[group]["value"]) for group in PUBLISHED["games"]["dialects"]]
    assert values == pytest.approx(PUBLISHED["games"]["accuracy"][stage], abs=5.1e-5)


@pytest.mark.parametrize("stage", PUBLISHED["games"]["us_less_in"])
def test_the_published_gaps_of_games(report: Path, stage: str) -> None:
    found = rows(report, "estimates.csv", audit="dialects", measure="accuracy", stage=stage)
    assert found["en_in"]["relative_to"] == "en_us"
    assert -float(found["en_in"]["gap"]) == pytest.approx(PUBLISHED["games"]["us_less_in"][stage], abs=5.1e-5)


@pytest.mark.parametrize("stage", PUBLISHED["games"]["two_proportions"])
def test_the_published_tests_of_two_shares(report: Path, stage: str) -> None:
    """From the shares and counts of the report; its own p is Welch's."""
    found = rows(report, "estimates.csv", audit="dialects", measure="accuracy", stage=stage)
    counts = [int(found[group]["n"]) for group in ("en_us", "en_in")]
    right = [float(found[group]["value"]) * n for group, n in zip(("en_us", "en_in"), counts, strict=True)]
    z, p = proportions_ztest(right, counts)
    published = PUBLISHED["games"]["two_proportions"][stage]
    assert p == pytest.approx(published["p"], rel=3e-2 if p < 1e-3 else 1e-3)
    assert z == pytest.approx(published.get("z", z), abs=5e-4)


@pytest.mark.parametrize("measure", ["f1", "exact_match"])
def test_the_published_tables_of_answers(report: Path, measure: str) -> None:
    for stage, expected in PUBLISHED["answers"][measure].items():
        found = rows(report, "estimates.csv", audit="tydiqa", measure=measure, stage=stage)
        values = [100 * float(found[language]["value"]) for language in PUBLISHED["answers"]["languages"]]
        assert values == pytest.approx(expected, abs=5.1e-5)


@pytest.mark.parametrize("stage", PUBLISHED["games"]["accuracy"])
def test_gaps_of_the_game_are_welch_tests(report: Path, readings: Readings, stage: str) -> None:
    """Every game is a cluster of its own, and no two dialects share one. Of rare answers less is known."""
    found = rows(report, "estimates.csv", audit="dialects", measure="accuracy", stage=stage)
    own, reference = (
        [value for value, _ in readings["dialects", "accuracy", stage, group].values()] for group in ("en_in", "en_us")
    )
    test = stats.ttest_ind(own, reference, equal_var=False)
    assert float(found["en_in"]["gap"]) == pytest.approx(np.mean(own) - np.mean(reference), abs=1e-12)
    if min(sum(own), sum(reference)) < 5:
        assert float(found["en_in"]["gap_p"]) > test.pvalue
    else:
        assert float(found["en_in"]["gap_p"]) == pytest.approx(test.pvalue, rel=1e-6)


def test_gains_of_the_game_are_paired_tests(report: Path, readings: Readings) -> None:
    way = ("Mistral-SFT-7B", "zephyr-7b-beta")
    step = {"audit": "dialects", "measure": "accuracy", "from_stage": way[0], "to_stage": way[1]}
    found = rows(report, "changes.csv", **step)
    for group, published in {"en_us": 2.93e-5, "en_in": 0.311, "en_ng": 0.377}.items():
        before, after, _ = paired(readings, "dialects", "accuracy", way, group)
        assert float(found[group]["p"]) == pytest.approx(stats.ttest_rel(after, before).pvalue, rel=1e-6)
        up, down = int((after > before).sum()), int((after < before).sum())
        assert stats.binomtest(up, up + down).pvalue == pytest.approx(published, rel=2e-3)
        assert (int(found[group]["improved"]), int(found[group]["worsened"])) == (up, down)
        assert float(found[group]["exact_p"]) == pytest.approx(published, rel=2e-3)
    assert [found[group]["verdict"] for group in ("en_us", "en_in")] == ["gain", "inconclusive"]


def test_six_languages_improve_and_five_survive_holm(report: Path, readings: Readings) -> None:
    """By question as published, and by article as reported, with statsmodels' cluster-robust standard error."""
    way = ("Llama-2-7b-hf", "Tulu-2-SFT")
    step = {"audit": "tydiqa", "measure": "f1", "from_stage": way[0], "to_stage": way[1]}
    found = {group: row for group, row in rows(report, "changes.csv", **step).items() if group != "all"}
    assert list(found) == PUBLISHED["answers"]["languages"]
    by_question, by_article = [], []
    for group in found:
        before, after, articles = paired(readings, "tydiqa", "f1", way, group)
        by_question.append(stats.ttest_rel(after, before).pvalue)
        _, which, sizes = np.unique(articles, return_inverse=True, return_counts=True)
        fit = OLS(after - before, np.ones(len(before))).fit(cov_type="cluster", cov_kwds={"groups": which})
        freedom = len(before) ** 2 / (sizes**2).sum() - 1
        by_article.append(2 * stats.t.sf(abs(fit.params[0] / fit.bse[0]), freedom))
    assert [float(row["p"]) for row in found.values()] == pytest.approx(by_article, rel=1e-6)
    adjusted = multipletests(by_article, method="holm")[1]
    assert [float(row["p_adjusted"]) for row in found.values()] == pytest.approx(adjusted, rel=1e-6)
    improved = np.array([float(row["gain"]) > 0 for row in found.values()])
    for p in (by_question, by_article):
        survive = multipletests(p, method="holm")[1] < 0.05
        assert (int((improved & (np.array(p) < 0.05)).sum()), int((improved & survive).sum())) == (6, 5)


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
