"""What the world holds: things and their facts, dialects, languages and people, from the TOML files beside this."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

RELATIONS = ("kind", "does", "use", "take", "go", "has", "colour", "size", "made", "place", "people")
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a thing: its relation, one of `RELATIONS`, and the value, in English."""

    relation: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An object of the world.

    `words`: dialect → its word there; `names`: language tag → noun with its article, empty where it is not told of in
    other languages; `agreed`: language tag → the verb of place that agrees with the noun, if there are several;
    `facts`: all but the kind; `mass`: its English noun takes no article.
    """

    key: str
    kind: str
    words: Mapping[str, str]
    names: Mapping[str, str]
    agreed: Mapping[str, str]
    facts: tuple[Fact, ...]
    mass: bool


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of a dialect: where it is described, and regular expressions that find it."""

    name: str
    source: str
    markers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a game sounds in one dialect: templates of clues by relation, and of every other line by its part."""

    key: str
    tag: str
    people: str
    clues: Mapping[str, tuple[str, ...]]
    parts: Mapping[str, tuple[str, ...]]
    features: tuple[Feature, ...]
    spelling: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Templates of the passages in one language. `code` is FLORES's, `tag` BCP-47's."""

    code: str
    tag: str
    name: str
    question: str
    answer: str
    sentences: Mapping[str, str]
    questions: Mapping[str, str]
    answers: Mapping[str, str]
    kinds: Mapping[str, str]
    places: Mapping[str, str]


@cache
def read_table(path: str) -> dict[str, Any]:
    """The TOML file at `path`, relative to the world's folder."""
    return tomllib.loads((_HERE / path).read_text(encoding="utf-8"))


@cache
def things() -> Mapping[str, Thing]:
    """Every thing by its key, in the order of the files; a key is unique within its kind's file: `kind.key`."""
    found: dict[str, Thing] = {}
    for path in sorted((_HERE / "objects").glob("*.toml")):
        for key, entry in read_table(f"objects/{path.name}").items():
            found[f"{path.stem}.{key}"] = _thing(key, path.stem, entry)
    return found


def _thing(key: str, kind: str, entry: Mapping[str, Any]) -> Thing:
    own = entry.get("word", {})
    plain = key.replace("_", " ")
    words = {dialect: own.get(dialect.removeprefix("en_"), plain) for dialect in dialects()}
    names = dict(entry.get("names", {}))
    if names:
        names["en"] = words["en_us"] if entry.get("mass") else f"the {words['en_us']}"
    return Thing(
        key=f"{kind}.{key}",
        kind=kind,
        words=words,
        names=names,
        agreed=entry.get("agreed", {}),
        facts=_facts(entry),
        mass=bool(entry.get("mass")),
    )


def _facts(entry: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for relation in RELATIONS[1:]:
        given = entry.get(relation, [])
        values = [given] if isinstance(given, str) else given
        facts += [Fact(relation, place_phrase(value) if relation == "place" else value) for value in values]
    return tuple(facts)


@cache
def place_phrases() -> Mapping[str, str]:
    """Place → English phrase, such as `kitchen` → `in the kitchen`."""
    return read_table("places.toml")


def place_phrase(place: str) -> str:
    """The English phrase that says that something is at `place`."""
    return place_phrases()[place]


@cache
def dialects() -> Mapping[str, Dialect]:
    """The dialects of English by key, `en_in`, `en_ng`, `en_us`."""
    return {path.stem: _dialect(path) for path in sorted((_HERE / "dialects").glob("*.toml"))}


def _dialect(path: Path) -> Dialect:
    table = read_table(f"dialects/{path.name}")
    return Dialect(
        key=path.stem,
        tag=table["tag"],
        people=table["people"],
        clues={relation: tuple(templates) for relation, templates in table["clues"].items()},
        parts={part: tuple(lines) for part, lines in table.items() if isinstance(lines, list) and part != "features"},
        features=tuple(Feature(f["name"], f["source"], tuple(f["markers"])) for f in table["features"]),
        spelling=table.get("spelling", {}),
    )


@cache
def languages() -> Mapping[str, Language]:
    """The languages of the passages by FLORES code, English among them."""
    found: dict[str, Language] = {}
    for path in sorted((_HERE / "languages").glob("*.toml")):
        found[path.stem] = Language(code=path.stem, **read_table(f"languages/{path.name}"))
    return found


@cache
def people() -> Mapping[str, Mapping[str, str]]:
    """The people of the passages: name → language tag → the name in that language's script, where it is another."""
    return read_table("people.toml")
