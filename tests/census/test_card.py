"""The card's numbers follow from the counts, and agree with what others have published."""

import csv
from pathlib import Path

import pytest
from statsmodels.stats.proportion import proportion_confint

from pluralign.census.card import card, shares
from pluralign.census.count import Unit, count
from pluralign.census.counts import Counts
from pluralign.census.gauge import Instruments
from pluralign.census.markdown import table
from pluralign.census.texts import Text


def published(folder: Path, name: str) -> dict[str, float]:
    with (folder / "unintended-impacts" / "results" / "5_langid" / name).open(encoding="utf-8") as file:
        return {language: float(value) for language, value in list(csv.reader(file))[1:]}


def test_the_published_table_of_languages_comes_out(shared_data: Path) -> None:
    """Ryan et al. 2024 (arXiv:2402.15018): 172,791 of 1,319,635 messages are not English, 13.0938%."""
    numbers = published(shared_data, "tulu-sft-languages-count.csv")
    recorded = published(shared_data, "tulu-sft-languages.csv")
    facts = {("language", name, what): int(n) for name, n in numbers.items() for what in ("rows",)}
    facts |= {("language", name, "texts", "prompt"): int(n) for name, n in numbers.items()}
    total = int(sum(numbers.values()))
    found = card(Counts(facts | {("rows", "messages"): total, ("total", "texts", "prompt"): total}), {})
    other = found["english"]["texts"]["other"]
    assert (other["number"], total) == (172_791, 1_319_635)
    assert f"{100 * other['share']:.4f}" == "13.0938"
    assert {each["name"]: each["share_of_texts"] for each in found["languages"]} == pytest.approx(recorded, rel=1e-12)


@pytest.mark.parametrize(("number", "of"), [(0, 5), (1, 7), (3, 6), (40, 40), (13, 1000)])
def test_intervals_are_wilsons(number: int, of: int) -> None:
    (found,) = shares([number], [of])
    assert (found["low"], found["high"]) == pytest.approx(proportion_confint(number, of, method="wilson"), abs=1e-12)
    assert found["share"] == number / of


def test_a_share_of_nothing_is_none() -> None:
    assert shares([0], [0]) == [{"share": None, "low": None, "high": None}]


def test_the_side_of_a_term_is_counted_over_pairs_where_one_completion_has_it(instruments: Instruments) -> None:
    def pair(chosen: str, rejected: str) -> Unit:
        return Unit(texts=(Text("chosen", chosen), Text("rejected", rejected)), columns="chosen, rejected")

    units = [
        pair("gay people", "so"),
        pair("so", "evil gay people"),
        pair("so", "gays"),
        pair("gay", "gay"),
        pair("a", "b"),
    ]
    found = card(count(units, instruments), instruments.categories)
    (gay,) = found["identities"]
    assert (gay["name"], gay["category"], gay["rows"]) == ("gay", "sexuality", 4)
    assert gay["texts"] == {"prompt": 0, "chosen": 2, "rejected": 3}
    alone = gay["pairs_with_one_mention"]
    assert (alone["chosen"], alone["rejected"], alone["chosen_share"]["share"]) == (1, 2, 1 / 3)
    assert gay["mentions_by_tone"]["rejected"] == {"negative": 1, "neutral": 2, "positive": 0}
    assert found["categories"][0]["pairs_with_one_mention"] == alone


def test_undetermined_texts_stay_in_the_denominator(instruments: Instruments) -> None:
    units = [Unit(texts=(Text("prompt", content),), columns="prompt") for content in ("hello", "42", "Да", "!")]
    found = card(count(units, instruments), {})["english"]["texts"]
    assert {kind: found[kind]["share"] for kind in found} == {"english": 0.25, "other": 0.25, "undetermined": 0.5}


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    assert table(["a"], [["b|c"]]).splitlines() == ["| a |", "| --- |", "| b\\|c |"]


def test_a_language_of_texts_that_is_no_rows_own_is_in_the_table(instruments: Instruments) -> None:
    units = [Unit(texts=(Text("prompt", "Да"), Text("chosen", "a long English text")), columns="prompt, completion")]
    found = card(count(units, instruments), {})
    assert [(each["name"], each["rows"], each["share_of_texts"]) for each in found["languages"]] == [
        ("en", 1, 0.5),
        ("ru", 0, 0.5),
    ]
    assert found["english"]["texts"]["other"]["share"] == 0.5
