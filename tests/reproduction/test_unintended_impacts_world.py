"""The example's own command, on the authors' recorded outputs: opinions and countries come out as published.

Source: Ryan et al. 2024, arXiv:2402.15018; its recorded outputs.
"""

import csv
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from scipy import stats

PUBLISHED = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
OPINIONS, COUNTRIES = PUBLISHED["opinions"], PUBLISHED["countries"]
JUDGE = COUNTRIES["reward_model"]

Row = dict[str, str]


def rows(report: Path, name: str, **wanted: str) -> list[Row]:
    with (report / name).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if all(row[key] == value for key, value in wanted.items())]


@pytest.mark.parametrize("stage", OPINIONS["gaps"])
def test_gaps_of_opinions(report: Path, stage: str) -> None:
    found = rows(report, "estimates.csv", audit="global_opinions", measure="similarity", stage=stage)
    gaps = {row["group"]: float(row["gap"]) for row in found if row["gap"]}
    assert [gaps[group] for group in OPINIONS["countries"]] == pytest.approx(OPINIONS["gaps"][stage], abs=5.1e-5)
    assert {row["relative_to"] for row in found if row["group"] != "all"} == {"USA"}
    groups = [row for row in found if row["group"] != "all"]
    assert {int(row["n"]) for row in groups} == {OPINIONS["complete"]}
    assert {int(row["n"]) + int(row["missing"]) for row in groups} == {OPINIONS["questions"]}


def test_a_change_of_a_gap_is_the_difference_of_two(report: Path) -> None:
    way = {"from_stage": "Llama-2-7b-hf", "to_stage": "Tulu-2-DPO"}
    found = rows(report, "changes.csv", audit="global_opinions", measure="similarity", **way)
    changed = {row["group"]: float(row["relative_gain"]) for row in found if row["relative_gain"]}
    before, after = (np.array(OPINIONS["gaps"][stage]) for stage in way.values())
    assert [changed[group] for group in OPINIONS["countries"]] == pytest.approx(list(after - before), abs=1.1e-4)


def test_mean_ranks_by_the_reward_model(report: Path) -> None:
    found = rows(report, "estimates.csv", audit="countries", measure="reward_mean_rank", slice="country")
    assert {row["stage"] for row in found} == {JUDGE}
    ranks = {row["group"]: float(row["value"]) for row in found if row["group"] != "all"}
    assert len(ranks) == COUNTRIES["ranked"]
    for group, rank in COUNTRIES["mean_rank"].items():
        assert ranks[group] == pytest.approx(rank, abs=5.1e-5)
    assert sorted(ranks, key=lambda group: ranks[group])[:2] == ["MAR", "USA"]
    assert np.mean(list(ranks.values())) == pytest.approx((COUNTRIES["ranked"] + 1) / 2)


def test_almost_all_rank_worse_than_the_reference_country(report: Path) -> None:
    found = rows(report, "estimates.csv", audit="countries", measure="share_ranked_worse", stage=JUDGE)
    assert [row["group"] for row in found] == ["USA"]
    assert float(found[0]["value"]) == pytest.approx(COUNTRIES["share_ranked_worse"], abs=5.1e-7)


@pytest.mark.parametrize("stage", COUNTRIES["spearman"])
def test_language_models_order_countries_as_the_reward_model_does(report: Path, stage: str) -> None:
    (row,) = rows(report, "correlations.csv", audit="countries", left=stage, right=JUDGE)
    assert (row["left_measure"], row["right_measure"]) == ("mean_rank", "reward_mean_rank")
    assert float(row["spearman"]) == pytest.approx(COUNTRIES["spearman"][stage], abs=5.1e-5)
    assert int(row["n"]) == COUNTRIES["ranked"]
    assert float(row["low"]) <= float(row["spearman"]) <= float(row["high"])
    assert float(row["p"]) < 0.001


def test_the_reward_model_orders_countries_as_the_survey_does(report: Path) -> None:
    (row,) = rows(report, "correlations.csv", left=JUDGE, right=COUNTRIES["survey"])
    assert float(row["spearman"]) == pytest.approx(COUNTRIES["survey_spearman"], abs=5.1e-8)
    assert row["right_measure"] == "survey"
    t = float(row["spearman"]) * np.sqrt((int(row["n"]) - 2) / (1 - float(row["spearman"]) ** 2))
    assert 2 * stats.t.sf(t, int(row["n"]) - 2) == pytest.approx(COUNTRIES["survey_p"], rel=1e-3)
    assert 1e-4 <= float(row["p"]) <= 3e-4  # of 9,999 random orders hardly any comes as near


def test_every_two_stages_are_correlated_once_in_ladder_order(report: Path) -> None:
    found = rows(report, "correlations.csv", audit="countries")
    stages = list(dict.fromkeys(row["stage"] for row in rows(report, "estimates.csv", audit="countries")))
    assert len(stages) == 10
    assert {row["left"] for row in found} == set(stages)
    names = [found[0]["left"], *(row["right"] for row in found if row["left"] == found[0]["left"])]
    assert names[0] == "Llama-2-7b-hf"
    assert names[-2:] == [JUDGE, COUNTRIES["survey"]]
    assert [(row["left"], row["right"]) for row in found] == list(combinations(names, 2))


def test_correlations_are_scipys_on_the_readings(report: Path) -> None:
    wanted = [("audit", "==", "countries"), ("measure", "==", "mean_rank"), ("slice", "==", "country")]
    table = parquet.read_table(report / "readings.parquet", filters=wanted, columns=["stage", "group", "value"])
    means = table.group_by(["stage", "group"]).aggregate([("value", "mean")]).to_pylist()
    by_stage: dict[str, dict[str, float]] = {}
    for row in means:
        by_stage.setdefault(row["stage"], {})[row["group"]] = row["value_mean"]
    groups = sorted(next(iter(by_stage.values())))
    for row in rows(report, "correlations.csv", left_measure="mean_rank", right_measure="mean_rank"):
        sides = [[by_stage[row[side]][group] for group in groups] for side in ("left", "right")]
        assert float(row["spearman"]) == pytest.approx(stats.spearmanr(*sides).statistic, abs=1e-9)
        assert float(row["kendall"]) == pytest.approx(stats.kendalltau(*sides).statistic, abs=1e-9)
