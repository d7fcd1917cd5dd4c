"""The card of a data set: what its counts say, as plain JSON data.

Shares have Wilson's 95% interval, which says what share of the source that the rows were drawn from would fit what was
counted; of the data set itself the shares are exact.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pluralign.census.counts import Counts
from pluralign.census.sentiment import TONES
from pluralign.census.texts import SIDES
from pluralign.stats.levels import wilson
from pluralign.stats.quantiles import normal_quantile

Card = dict[str, Any]


def card(counts: Counts, categories: Mapping[str, str]) -> Card:
    """The counts in order, with shares. `categories`: term → category of identity terms."""
    rows = sum(counts.under("rows").values())
    return {
        "rows": rows,
        "pairs": counts.of("pairs"),
        "read_by": counts.under("rows"),
        "left_out": [
            {"why": why, "rows": number, "first": counts.first.get(why, "")}
            for why, number in sorted(counts.under("left out").items())
        ],
        "texts": _sides(counts, "total", "texts"),
        "tokens": _sides(counts, "total", "tokens"),
        "english": _english(counts),
        "languages": _languages(counts, rows),
        "dialects": _dialects(counts),
        "countries": _named(counts, "country", rows),
        "categories": _identities(counts, "category", rows),
        "identities": [{"category": categories[each["name"]]} | each for each in _identities(counts, "identity", rows)],
    }


def shares(numbers: Sequence[int], of: Sequence[int]) -> list[dict[str, float | None]]:
    """Each number's share of another, with Wilson's 95% interval; None of nothing."""
    size = np.asarray(of, np.float64)
    known = size > 0
    share = np.where(known, np.asarray(numbers, np.float64) / np.where(known, size, 1.0), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = wilson(share, size, np.full(size.shape, normal_quantile(0.975)))
    return [
        {"share": float(a), "low": float(b), "high": float(c)} if there else {"share": None, "low": None, "high": None}
        for a, b, c, there in zip(share, low, high, known, strict=True)
    ]


def _sides(counts: Counts, *fact: str) -> dict[str, int]:
    return {side: counts.of(*fact, side) for side in SIDES}


def _english(counts: Counts) -> dict[str, Any]:
    """English, other languages, and what is undetermined or no language, of texts and of tokens."""
    found: dict[str, Any] = {}
    for what in ("texts", "tokens"):
        numbers = dict.fromkeys(("english", "other", "undetermined"), 0)
        for code in counts.names("language"):
            primary = code.split("-", 1)[0]
            kind = "english" if primary == "en" else "undetermined" if primary in ("und", "zxx") else "other"
            numbers[kind] += sum(_sides(counts, "language", code, what).values())
        everything = sum(numbers.values())
        each = shares(list(numbers.values()), [everything] * len(numbers))
        found[what] = {
            kind: {"number": number, **share} for (kind, number), share in zip(numbers.items(), each, strict=True)
        }
    return found


def _languages(counts: Counts, rows: int) -> list[dict[str, Any]]:
    texts, tokens = (sum(_sides(counts, "total", what).values()) for what in ("texts", "tokens"))
    found = _named(counts, "language", rows)
    for each in found:
        each["tokens"] = _sides(counts, "language", each["name"], "tokens")
        each["share_of_texts"] = sum(each["texts"].values()) / texts if texts else None
        each["share_of_tokens"] = sum(each["tokens"].values()) / tokens if tokens else None
    return found


def _named(counts: Counts, kind: str, rows: int) -> list[dict[str, Any]]:
    """What was seen of a kind, the most rows first, with the texts of every side."""
    names = counts.names(kind)
    numbers = [counts.of(kind, name, "rows") for name in names]
    each = shares(numbers, [rows] * len(numbers))
    return [
        {"name": name, "rows": number, **share, "texts": _sides(counts, kind, name, "texts")}
        for name, number, share in zip(names, numbers, each, strict=True)
    ]


def _dialects(counts: Counts) -> list[dict[str, Any]]:
    """Rows with a marker of every variety, the markers with them, and their share of texts that may be English."""
    english = sum(_sides(counts, "english", "texts").values())
    found = _named(counts, "dialect", sum(counts.under("rows").values()))
    for each in found:
        each["share_of_english_texts"] = sum(each["texts"].values()) / english if english else None
        markers = counts.under("marker", each["name"])
        each["markers"] = dict(sorted(markers.items(), key=lambda item: (-item[1], item[0])))
    return found


def _identities(counts: Counts, kind: str, rows: int) -> list[dict[str, Any]]:
    """Mentions by side, and on which side of pairs where only one completion mentions a term."""
    found = _named(counts, kind, rows)
    alone = [[counts.of(kind, each["name"], "only", side) for side in ("chosen", "rejected")] for each in found]
    each_share = shares([one[0] for one in alone], [sum(one) for one in alone])
    for each, one, share in zip(found, alone, each_share, strict=True):
        each["pairs_with_one_mention"] = {"chosen": one[0], "rejected": one[1], "chosen_share": share}
        each["mentions_by_tone"] = {
            side: {tone: counts.of(kind, each["name"], tone, side) for tone in TONES} for side in SIDES
        }
    return found
