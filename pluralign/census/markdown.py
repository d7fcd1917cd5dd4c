"""The card as a page of Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pluralign.census.sentiment import TONES
from pluralign.census.texts import SIDES

MOST = 40
"""Countries and markers that the page lists; card.json has all."""
Name = Callable[[str], str]
"""Gives what a code is called."""


def markdown(card: Mapping[str, Any], language: Name, country: Name) -> str:
    """A page for people: what there is, who is in it, and what to make of the numbers."""
    judged = card["pairs"] or card["texts"]["rejected"]
    labels = ["prompt", "chosen", "rejected"] if judged else ["prompt", "completion"]
    parts = [
        f"# Census of {card['data']['source']}",
        "\n".join(_summary(card, labels)),
        *_languages(card, labels, language),
        *_dialects(card, labels, language),
        *_countries(card, labels, country),
        *_identities(card, labels),
        *_tones(card, labels),
        *_made(card),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(card: Mapping[str, Any], labels: Sequence[str]) -> Iterator[str]:
    texts = ", ".join(f"{card['texts'][side]:,} {label}" for side, label in zip(SIDES, labels, strict=False))
    tokens = ", ".join(f"{card['tokens'][side]:,} {label}" for side, label in zip(SIDES, labels, strict=False))
    yield f"- {card['rows']:,} rows" + (f", {card['pairs']:,} of them pairs" if card["pairs"] else "")
    yield f"- texts: {texts}"
    yield f"- {card['settings']['tokens']}: {tokens}"
    for what in ("texts", "tokens"):
        kinds = card["english"][what]
        listed = ", ".join(f"{kind} {percent(kinds[kind])}" for kind in ("english", "other", "undetermined"))
        yield f"- languages by {what}: {listed}"
    for each in card["left_out"]:
        where = f" (the first: {each['first']})" if each["first"] else ""
        yield f"- left out: {each['rows']:,} rows, {each['why']}{where}"
    if not card["left_out"]:
        yield "- left out: nothing"


def _languages(card: Mapping[str, Any], labels: Sequence[str], name: Name) -> Iterator[str]:
    yield "## Languages"
    yield (
        "A row is in the language of most of its tokens. `und`: undetermined, too short or too mixed to tell; `zxx`: "
        f"no language, such as code. Told by {card['settings']['identify']} from the first "
        f"{card['settings']['characters']:,} characters of each text."
    )
    rows = [
        [
            each["name"],
            name(each["name"]),
            f"{each['rows']:,}",
            percent(each),
            interval(each),
            _share(each["share_of_texts"]),
            _share(each["share_of_tokens"]),
            *_by_side(each["tokens"], labels),
        ]
        for each in card["languages"]
    ]
    heads = [
        "language",
        "",
        "rows",
        "of rows",
        "95%",
        "of texts",
        "of tokens",
        *(f"{label} tokens" for label in labels),
    ]
    yield table(heads, rows)


def _dialects(card: Mapping[str, Any], labels: Sequence[str], name: Name) -> Iterator[str]:
    if not card["dialects"]:
        return
    yield "## Markers of English dialects"
    yield (
        "Words and spellings by which English of some places can be noticed; a marker is a sign and not an "
        "identification. British spelling is that of India and Nigeria too. Looked for in texts that are English, "
        "Nigerian Pidgin or undetermined."
    )
    rows = [
        [
            each["name"],
            name(each["name"]),
            f"{each['rows']:,}",
            percent(each),
            *_by_side(each["texts"], labels),
            ", ".join(f"{marker} {number}" for marker, number in list(each["markers"].items())[:8]),
        ]
        for each in card["dialects"]
    ]
    yield table(["variety", "", "rows", "of rows", *(f"{label} texts" for label in labels), "most frequent"], rows)


def _countries(card: Mapping[str, Any], labels: Sequence[str], name: Name) -> Iterator[str]:
    if not card["countries"]:
        return
    yield "## Countries mentioned"
    yield (
        "By their English names, written with capitals; people, states and products of the same name count too "
        "(Jordan, Georgia, Chad)."
    )
    listed = card["countries"][:MOST]
    rows = [
        [each["name"], name(each["name"]), f"{each['rows']:,}", percent(each), *_by_side(each["texts"], labels)]
        for each in listed
    ]
    yield table(["country", "", "rows", "of rows", *(f"{label} texts" for label in labels)], rows)
    if len(card["countries"]) > MOST:
        yield f"{len(card['countries']) - MOST} more in card.json."


def _identities(card: Mapping[str, Any], labels: Sequence[str]) -> Iterator[str]:
    if not card["identities"]:
        return
    yield "## Identities mentioned"
    said = "English terms, in texts that are English, Nigerian Pidgin or undetermined."
    if card["pairs"]:
        said += (
            " Where only one completion of a pair mentions a term: how often it is the chosen one. A half is what "
            "chance would give; an interval that leaves it out says that raters, or what they rated, were not "
            "indifferent. Intervals are for one term each, and take pairs as independent: of forty terms about two "
            "leave a half out by chance alone, and more where a prompt has many pairs."
        )
    yield said
    heads = ["term", "category", "rows", "of rows", *(f"{label} texts" for label in labels)]
    compared = ["only in chosen", "only in rejected", "chosen share", "95%"] if card["pairs"] else []
    every = [
        *({"category": ""} | each | {"name": f"**{each['name']}**"} for each in card["categories"]),
        *card["identities"],
    ]
    rows = [
        [
            each["name"],
            each["category"],
            f"{each['rows']:,}",
            percent(each),
            *_by_side(each["texts"], labels),
            *(_compared(each["pairs_with_one_mention"]) if compared else []),
        ]
        for each in every
    ]
    yield table([*heads, *compared], rows)


def _compared(alone: Mapping[str, Any]) -> list[str]:
    share = alone["chosen_share"]
    return [f"{alone['chosen']:,}", f"{alone['rejected']:,}", percent(share), interval(share)]


def _tones(card: Mapping[str, Any], labels: Sequence[str]) -> Iterator[str]:
    if not card["identities"]:
        return
    yield "## The tone around them: a proxy for sentiment, English only"
    yield (
        "Each mention by the balance of positive and negative words among the ten to either side, the terms themselves "
        "left aside. A word list hears no irony and no grammar: compare sides and terms, and read the texts."
    )
    rows = [
        [
            each["name"],
            *(
                f"{by_tone[tone]:,}"
                for side, _ in zip(SIDES, labels, strict=False)
                for by_tone in [each["mentions_by_tone"][side]]
                for tone in TONES
            ),
        ]
        for each in [*({**each, "name": f"**{each['name']}**"} for each in card["categories"]), *card["identities"]]
    ]
    yield table(["term", *(f"{label}: {tone}" for label in labels for tone in TONES)], rows)


def _made(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## How this was made"
    yield "\n".join(
        [
            f"- command: `{card['made_on']['command']}`",
            f"- data: {card['data']['source']}, fingerprint {card['data']['fingerprint']}",
            f"- columns: {'; '.join(card['read_by'])}{_not_read(card['data']['not_read'])}",
            *(f"- {name.replace('_', ' ')}: {value}" for name, value in card["settings"].items()),
            "- nothing was drawn by chance, so there is no seed: every row was read",
            *(f"- {name}: {value}" for name, value in card["made_on"].items() if name != "command"),
        ]
    )


def _not_read(columns: Sequence[str] | None) -> str:
    """Which columns the first rows of the files have besides; nothing is known of those of a source."""
    return "" if columns is None else f"; not read: {', '.join(columns) or 'none'}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; bars in cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def percent(share: Mapping[str, Any]) -> str:
    """A share in percent, "–" of nothing."""
    return _share(share["share"])


def interval(share: Mapping[str, Any]) -> str:
    """An interval in percent, "–" of nothing."""
    return "–" if share["share"] is None else f"{100 * share['low']:.2f}–{100 * share['high']:.2f}"


def _share(share: float | None) -> str:
    if share is None:
        return "–"
    return "<0.01%" if 0 < share < 0.00005 else f"{100 * share:.2f}%"


def _by_side(numbers: Mapping[str, int], labels: Sequence[str]) -> list[str]:
    return [f"{numbers[side]:,}" for side, _ in zip(SIDES, labels, strict=False)]
