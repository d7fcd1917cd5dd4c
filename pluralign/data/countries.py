"""Names of countries and their ISO 3166 alpha-3 codes: one table for audits, surveys and reports.

ISO's own names, short, common and official, are pycountry's; `countries.toml` beside this holds those that people and
surveys use and ISO does not. Places without a code (Northern Cyprus, Somaliland, Northern Ireland) have none here, and
keep their names. Codes are alpha-3, since Namibia's alpha-2, "NA", is a missing value to many programs.
Source: ISO 3166-1; Kosovo's XKX is one of the codes that ISO leaves to its users.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pycountry

_FIELDS = ("name", "common_name", "official_name", "alpha_3")
_SAMPLE = re.compile(r"(?P<name>.*\S)\s*\((?P<sample>[^()]*\bsample)\)")
_NATIONAL = "current national sample"
_THE_FIRST = {"republic", "democratic", "united", "federated", "isle", "us", "usa", "uk", "uae", "drc"}
_THE_LAST = {
    *(
        "republic",
        "federation",
        "kingdom",
        "states",
        "emirates",
        "islands",
        "territory",
        "territories",
        "lands",
        "area",
    ),
    *("bahamas", "comoros", "gambia", "maldives", "netherlands", "philippines", "seychelles", "vatican"),
}
_NO_THE = ("south georgia", "heard island")


@lru_cache(maxsize=4096)
def alpha3(name: str) -> str | None:
    """The alpha-3 code of a country by any of its names, or by the code itself; None where it has none.

    >>> alpha3("S. Korea"), alpha3("the Ivory Coast"), alpha3("Northern Cyprus")
    ('KOR', 'CIV', None)
    """
    return _codes().get(_plain(name))


def group_of(name: str) -> str:
    """What stands for a country among the groups of an audit: its alpha-3 code, or its name where it has none."""
    return alpha3(name) or name.strip()


def uncoded(groups: Iterable[str]) -> Iterator[str]:
    """What a reader must know of groups that are countries: which of them have no code, where some have none."""
    without = sorted(group for group in groups if alpha3(group) is None)
    if without:
        yield f"without an ISO 3166 code, so under their own names: {', '.join(without)}"


def split_sample(name: str) -> tuple[str, str]:
    """A survey's column as the country and the sample, which is empty where it is the country's own, national one.

    >>> split_sample("India (Non-national sample)"), split_sample("India (Current national sample)")
    (('India', 'Non-national sample'), ('India', ''))
    """
    found = _SAMPLE.fullmatch(name.strip())
    if found is None:
        return name.strip(), ""
    return found["name"], "" if found["sample"].lower() == _NATIONAL else found["sample"]


def called(code: str) -> str:
    """What the country of an alpha-3 code is called in plain English; what is no code stays as it is."""
    return names().get(code, code)


@cache
def names() -> Mapping[str, str]:
    """What every country, territory included, is called in plain English, by alpha-3 code, sorted by code."""
    official = {str(country.alpha_3): _common(country) for country in _countries()}
    return dict(sorted((official | {code: given[0] for code, given in _table().items()}).items()))


@cache
def with_article(name: str) -> str:
    """A country's name as it stands within a sentence: with "the" where English wants it.

    >>> with_article("Dominican Republic"), with_article("Norway"), with_article("The Bahamas")
    ('the Dominican Republic', 'Norway', 'the Bahamas')
    """
    bare = re.sub(r"^the\s+", "", name.strip(), flags=re.IGNORECASE)
    words = _plain(bare).split()
    if not words or " ".join(words).startswith(_NO_THE):
        return bare
    wants = words[0] in _THE_FIRST or words[-1] in _THE_LAST or bare != name.strip()
    return f"the {bare}" if wants else bare


@cache
def _codes() -> Mapping[str, str]:
    """Plain name → alpha-3 code; the table's names come before ISO's."""
    found: dict[str, str] = {}
    for country in _countries():
        found |= {_plain(getattr(country, field)): str(country.alpha_3) for field in _FIELDS if field in dir(country)}
    for code, given in _table().items():
        found |= {_plain(name): code for name in (code, *given)}
    return found


@cache
def spellings() -> Mapping[str, str]:
    """Every name of a country as it is written, with its alpha-3 code; the codes themselves are not among them."""
    found = {
        str(getattr(country, field)): str(country.alpha_3)
        for country in _countries()
        for field in _FIELDS[:-1]
        if field in dir(country)
    }
    return found | {name: code for code, given in _table().items() for name in given}


def _countries() -> Iterator[Any]:
    yield from pycountry.countries


def _common(country: Any) -> str:
    return str(country.common_name if "common_name" in dir(country) else country.name)


@cache
def _table() -> Mapping[str, list[str]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _plain(name: str) -> str:
    """A name without case, accents, punctuation and a leading "the", "&" and "St" spelt out."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    words = re.sub(r"[^\w]+", " ", re.sub(r"[.'’]", "", bare.replace("&", " and "))).split()
    if words and words[0] == "the":
        words = words[1:]
    return " ".join("saint" if word == "st" else word for word in words)
