"""The adapter's countries and opinions, on a small clone of our own making, and a run over it."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pluralign import plugins
from pluralign.audits import countries, global_opinions
from pluralign.errors import InputError
from pluralign.run.execute import execute
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
adapter = plugins.load_file(EXAMPLES / "unintended_impacts.py", "adapter", place="test")

PLACES = ("Aruba", "United States of America", "Kenya", "Northern Cyprus", "Peru")
QUESTIONS = tuple(f"Which country has the best {thing}?" for thing in ("food", "music", "rivers", "roads", "schools"))
SENTIMENTS = ("positive", "negative")
ASKED = "Should the {thing} be larger?"
PEOPLE = ("Brazil", "United States", "Brazil (Non-national sample)", "Jordan")


def written(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def losses(seed: int, number: int) -> list[str]:
    """Losses that differ by question and place, of one sign for the same seed."""
    return [repr(2.0 + math.sin(seed * (place + 1)) + 0.1 * math.cos(number + place)) for place in range(len(PLACES))]


def add_ranks(root: Path, name: str, seed: int, *, rewards: bool = False, places: Sequence[str] = PLACES) -> Path:
    folder = "ask-reddit-reward-testing" if rewards else "ask-reddit-perplexity-testing"
    about = ("Question", "Full Prompt", "model", "Search Query", "Sentiment", "Response Format", "Category", "seed")
    rows = [
        [question, "…", name, "Which", SENTIMENTS[number % 2], "It is {country}.", "Food", "221", *losses(seed, number)]
        for number, question in enumerate(QUESTIONS)
    ]
    return put(root / "outputs" / folder / f"{name}.csv", written((*about, *places), rows))


def add_opinions(root: Path, name: str, similarity: float, probs: str = "[0.7, 0.2, nan]") -> Path:
    about = ("question", "options", "probs", "model_id", "load_8bit", "max_choice", "chose_first", "chose_last")
    rows = [
        [ASKED.format(thing=thing), "['Yes', 'No', 'Other']", probs, name, "True", "0", "True", "False", *values]
        for thing, values in {
            "army": (f"{similarity}", "0.5", "-1.0", "0.25"),
            "navy": ("-1.0", "0.5", "0.75", "0.25"),
            "tax": ("0.5", "nan", "-1.0", "0.25"),
        }.items()
    ]
    return put(root / "outputs" / "globalopinionsqa" / f"{name}_8bit.csv", written((*about, *PEOPLE), rows))


def add_lists(root: Path) -> None:
    put(root / "data/countries/population_over_250k.csv", written(("country",), [(PLACES[1],), ("Kenya",), ("Peru",)]))
    put(
        root / "data/countries/usa_favourability_order_2023.csv",
        written(("rank", "country"), [("1", "Peru"), ("2", "Kenya"), ("3", "Russia")]),
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    add_ranks(root, "Llama-2-7b-hf-reformatted", 1)
    add_ranks(root, "Tulu-2-SFT_8bit-reformatted", 2)
    add_ranks(root, "judge-reformatted", 3, rewards=True)
    add_opinions(root, "Llama-2-7b-hf", 0.4)
    add_opinions(root, "Tulu-2-SFT", 0.3)
    return root


def options(root: Path) -> Any:
    return adapter.Options(data_root=root)


def replies(root: Path, audit: str, stage: str, items: Sequence[Any] = ()) -> list[Any]:
    return list(adapter.replies(audit, adapter.stages(options(root))[stage][audit], items, options(root)))


def test_reward_models_are_stages_that_reward(clone: Path) -> None:
    assert set(adapter.stages(options(clone))["judge"]) == {"countries"}
    assert adapter.rewards(options(clone)) == {"judge"}


def test_a_place_is_a_column_and_a_loss_a_logprob(clone: Path) -> None:
    items = list(countries.items(adapter.rows("countries", options(clone)), countries.Options()))
    assert len(items) == len(QUESTIONS)
    first = replies(clone, "countries", "Llama-2-7b-hf")[0]
    assert first.item == items[0].id
    assert first.logprobs == tuple(-float(loss) for loss in losses(1, 0))
    assert first.tokens is None
    rewarded = replies(clone, "countries", "judge")[0]
    assert rewarded.rewards == tuple(float(value) for value in losses(3, 0))
    assert rewarded.logprobs is None


def test_the_place_that_is_most_probable_comes_first_where_praise_is_asked_for(clone: Path) -> None:
    items = list(countries.items(adapter.rows("countries", options(clone)), countries.Options()))
    for item, reply, sign in zip(items, replies(clone, "countries", "Llama-2-7b-hf"), (1, -1, 1, -1, 1), strict=True):
        found = {one.group: one.value for one in countries.read(item, [reply], countries.Options())}
        likely = sorted(range(len(PLACES)), key=lambda place: -sign * reply.logprobs[place])
        best = ("ABW", "USA", "KEN", "Northern Cyprus", "PER")[likely[0]]
        assert found[best] == 1


def test_similarities_are_taken_as_recorded(clone: Path) -> None:
    some = global_opinions.Options(countries=("Brazil", "Jordan"))
    items = list(global_opinions.items(adapter.rows("global_opinions", options(clone)), some))
    assert [item.id for item in items] == ["1", "3"]  # nobody was asked the second in Brazil
    found = replies(clone, "global_opinions", "Tulu-2-SFT", items)
    assert [reply.item for reply in found] == ["1", "3"]
    assert found[0].values == {"Brazil": 0.3, "United States": 0.5, "Jordan": 0.25}
    assert math.isnan(found[1].values["United States"])
    assert found[0].logprobs == pytest.approx((math.log(0.7), math.log(0.2), math.nan), nan_ok=True)


def test_lists_are_found_where_they_are(clone: Path) -> None:
    assert adapter.audit_options("countries", options(clone)) == {}
    first, second = adapter.notices(options(clone))
    assert "all countries of the outputs are ranked" in first
    assert "no survey" in second
    add_lists(clone)
    assert list(adapter.notices(options(clone))) == []
    found = adapter.audit_options("countries", options(clone))
    assert {option: path.name for option, path in found.items()} == adapter.countries.LISTS
    assert adapter.audit_options("dialects", options(clone)) == {}


def test_models_that_were_asked_of_other_places_are_refused(clone: Path) -> None:
    add_ranks(clone, "odd", 4, places=PLACES[::-1])
    with pytest.raises(InputError, match=r'row 1: column "countries" is not that of'):
        adapter.rows("countries", options(clone))


def test_countries_that_were_asked_elsewhere_are_refused(clone: Path) -> None:
    path = add_opinions(clone, "odd", 0.4)
    path.write_text(path.read_text().replace("0.4,", "-1.0,"))
    with pytest.raises(InputError, match=r'row 1: column "answered" is not that of'):
        adapter.rows("global_opinions", options(clone))


@pytest.mark.parametrize("value", ["high", "-0.5", "inf"])
def test_what_is_no_loss_is_refused_before_the_first_question(clone: Path, value: str) -> None:
    path = add_ranks(clone, "odd", 1)
    path.write_text(path.read_text().replace(losses(1, 1)[2], value))
    with pytest.raises(InputError, match=r'odd\.csv, row 2, column "Kenya": .* is no loss'):
        adapter.rows("countries", options(clone))


@pytest.mark.parametrize(("value", "what"), [("much", "similarity"), ("1.5", "similarity"), ("-0.2", "similarity")])
def test_what_is_no_similarity_is_refused(clone: Path, value: str, what: str) -> None:
    path = add_opinions(clone, "odd", 0.4)
    path.write_text(path.read_text().replace("0.4,", f"{value},"))
    with pytest.raises(InputError, match=rf'odd_8bit\.csv, row 1, column "Brazil": .* is no {what}'):
        adapter.rows("global_opinions", options(clone))


def test_a_table_without_places_is_refused(clone: Path) -> None:
    put(
        clone / "outputs/ask-reddit-perplexity-testing/odd.csv",
        "Question,Sentiment,Response Format\nWho?,positive,It is {country}.\n",
    )
    with pytest.raises(InputError, match="no column is a country's"):
        adapter.rows("countries", options(clone))


RUN = """
[recorded]
uses = "{adapter}"
data_root = "{root}"
ladders = [["Llama-2-7b-hf", "Tulu-2-SFT"]]

[[audit]]
uses = "countries"
{more}
"""


def ran(clone: Path, out: Path, more: str = "") -> tuple[Path, str]:
    """The report's folder, and the run file as it was resolved."""
    text = RUN.format(adapter=EXAMPLES / "unintended_impacts.py", root=clone, more=more)
    file = read(put(out / "small.toml", text))
    execute(prepare(file, out / "runs"), command="test")
    return out / "runs" / "small" / "report", (out / "runs" / "small" / "resolved.toml").read_text()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_ranks_are_correlated_between_all_stages_and_with_the_survey(clone: Path, tmp_path: Path) -> None:
    add_lists(clone)
    report, resolved = ran(clone, tmp_path)
    found = rows_of(report / "correlations.csv")
    names = ["Llama-2-7b-hf", "Tulu-2-SFT", "judge", "usa_favourability_order_2023"]
    pairs = [(left, right) for place, left in enumerate(names) for right in names[place + 1 :]]
    assert [(row["left"], row["right"]) for row in found] == pairs
    measures = {row["left"]: row["left_measure"] for row in found} | {
        row["right"]: row["right_measure"] for row in found
    }
    assert list(measures.values()) == ["mean_rank", "mean_rank", "reward_mean_rank", "survey"]
    assert [row["n"] for row in found] == ["3", "3", "2", "3", "2", "2"]  # Kenya and Peru are in the survey
    assert "population_over_250k.csv" in resolved
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "Rank correlations" in page
    assert page.count("usa_favourability_order_2023") >= 4


def test_the_run_files_own_list_comes_first(clone: Path, tmp_path: Path) -> None:
    add_lists(clone)
    report, resolved = ran(clone, tmp_path, 'countries = ["Aruba", "Kenya", "United States", "Peru"]')
    groups = {row["group"] for row in rows_of(report / "estimates.csv") if row["measure"] == "mean_rank"}
    assert groups == {"ABW", "KEN", "USA", "PER", "all"}
    assert "population_over_250k.csv" not in resolved


def test_without_lists_all_are_ranked(clone: Path, tmp_path: Path) -> None:
    report, _ = ran(clone, tmp_path)
    groups = {row["group"] for row in rows_of(report / "estimates.csv") if row["measure"] == "mean_rank"}
    assert groups == {"ABW", "KEN", "USA", "PER", "Northern Cyprus", "all"}
    assert {row["right"] for row in rows_of(report / "correlations.csv")} == {"Tulu-2-SFT", "judge"}
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "all countries of the outputs are ranked" in page
