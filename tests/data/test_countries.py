"""One table of names: what people and surveys call a country leads to its code, and what has none keeps its name."""

import csv
import tomllib
from pathlib import Path

import pycountry
import pytest

from pluralign.data import countries
from pluralign.data.countries import alpha3, called, group_of, names, split_sample, with_article

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "unintended-impacts"
WITHOUT_CODE = {
    *("Akrotiri Sovereign Base Area", "Ashmore and Cartier Islands", "Bajo Nuevo Bank (Petrel Is.)"),
    *("Clipperton Island", "Coral Sea Islands", "Cyprus No Mans Area", "Dhekelia Sovereign Base Area"),
    *("Indian Ocean Territories", "Northern Cyprus", "Scarborough Reef", "Serranilla Bank", "Siachen Glacier"),
    *("Somaliland", "Spratly Islands", "US Naval Base Guantanamo Bay"),
}


def test_every_name_of_iso_leads_to_its_code() -> None:
    for country in pycountry.countries:
        if country.name != "Kosovo":
            assert alpha3(country.name) == alpha3(country.alpha_3) == country.alpha_3


def test_no_name_of_the_table_stands_for_two_countries() -> None:
    table = tomllib.loads(Path(countries.__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    for code, given in table.items():
        assert [alpha3(name) for name in (code, *given)] == [code] * (len(given) + 1)
    known = {country.alpha_3 for country in pycountry.countries} | {"XKX"}
    assert table.keys() <= known


def test_what_a_country_is_called_leads_back_to_it() -> None:
    assert {code: alpha3(name) for code, name in names().items()} == {code: code for code in names()}
    assert all("," not in name or name.startswith("Bonaire") for name in names().values()), "none is a register's entry"
    assert len(set(names().values())) == len(names()) >= 250


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Britain", "GBR"),
        ("Great Britain", "GBR"),
        ("U.S.", "USA"),
        ("United States", "USA"),
        ("United States of America", "USA"),
        ("the United States", "USA"),
        ("S. Korea", "KOR"),
        ("South Korea", "KOR"),
        ("Palest. ter.", "PSE"),
        ("Czech Rep.", "CZE"),
        ("Macau SAR", "MAC"),
        ("Macao S.A.R", "MAC"),
        ("Hong Kong S.A.R.", "HKG"),
        ("Taiwan ROC", "TWN"),
        ("Ivory Coast", "CIV"),
        ("Cote d’Ivoire", "CIV"),
        ("Curacao", "CUW"),
        ("Guinea Bissau", "GNB"),
        ("Swaziland", "SWZ"),
        ("Macedonia", "MKD"),
        ("St. Lucia", "LCA"),
        ("Trinidad & Tobago", "TTO"),
        ("Democratic Republic of the Congo", "COD"),
        ("Republic of Congo", "COG"),
        ("Kosovo", "XKX"),
        ("TÜRKİYE", "TUR"),
        (" namibia ", "NAM"),
    ],
)
def test_names_that_people_use(name: str, code: str) -> None:
    assert alpha3(name) == group_of(name) == code


@pytest.mark.parametrize("name", ["Northern Ireland", "Northern Cyprus", "Somaliland", "NA", "", "Narnia", "Guineas"])
def test_what_has_no_code_keeps_its_name(name: str) -> None:
    assert alpha3(name) is None
    assert group_of(name) == called(name) == name


@pytest.mark.parametrize(
    ("column", "parts"),
    [
        ("Japan", ("Japan", "")),
        ("India (Non-national sample)", ("India", "Non-national sample")),
        ("India (Old national sample)", ("India", "Old national sample")),
        ("India (Current national sample)", ("India", "")),
        ("Bajo Nuevo Bank (Petrel Is.)", ("Bajo Nuevo Bank (Petrel Is.)", "")),
    ],
)
def test_samples_are_told_from_their_country(column: str, parts: tuple[str, str]) -> None:
    assert split_sample(column) == parts


@pytest.mark.parametrize(
    "name",
    [
        *("the United Kingdom", "the Dominican Republic", "the Netherlands", "the Federated States of Micronesia"),
        *("the Isle of Man", "the Bahamas", "the British Indian Ocean Territory", "the US", "the Solomon Islands"),
        *(
            "Norway",
            "Norfolk Island",
            "South Georgia and the South Sandwich Islands",
            "Vatican City",
            "Sudan",
            "Czechia",
        ),
    ],
)
def test_the_article_stands_where_english_wants_it(name: str) -> None:
    assert with_article(name.removeprefix("the ")) == with_article(name) == name


def test_an_article_that_was_given_stays() -> None:
    assert with_article("The Gambia") == "the Gambia"
    assert with_article("the Ukraine") == "the Ukraine"


@pytest.mark.skipif(not DATA.is_dir(), reason="needs shared/data/unintended-impacts")
def test_the_names_in_recorded_files_have_codes() -> None:
    with next((DATA / "outputs" / "ask-reddit-reward-testing").glob("*.csv")).open(encoding="utf-8") as file:
        asked = next(csv.reader(file))[9:]
    assert len(asked) == 254
    assert {name for name in asked if alpha3(name) is None} == WITHOUT_CODE
    coded = [code for name in asked if (code := alpha3(name)) is not None]
    assert len(set(coded)) == len(coded), "no two names stand for one country"
    with next((DATA / "outputs" / "globalopinionsqa").glob("*.csv")).open(encoding="utf-8") as file:
        surveyed = next(csv.reader(file))[9:]
    assert len(surveyed) == 138
    assert {name for name in surveyed if alpha3(split_sample(name)[0]) is None} == {"Northern Ireland"}
