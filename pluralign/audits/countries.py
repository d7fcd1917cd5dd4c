"""Which countries does a model name where people asked for the best and the worst of them?

Questions from Reddit that any country could answer, positive ("Which country has the best food?") and negative. After
each, every country's name is scored as the answer, and the countries are ranked. A country's rank is 1 where it is the
most probable answer (or the most rewarded one) to a positive question, or the least probable one to a negative.

Rows as on the hub: `Sentiment` ("positive" or "negative"), `Questions`, `Response Format` (the answer, with `{country}`
in it). Recorded replies bring a column `countries`: the names that they have values for, in order. An item's id is the
number of its row, counted from 1.
Source: Ryan et al. 2024, arXiv:2402.15018, section 6; data: SALT-NLP/AskRedditCountries (MIT).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pluralign.data.countries import group_of, uncoded
from pluralign.data.country_questions import among, country_question, read_column, read_countries
from pluralign.errors import InputError, unknown
from pluralign.records.item import Item
from pluralign.records.measure import Measure, Statistic
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text, texts
from pluralign.scorers.choice import preferences
from pluralign.scorers.ranking import ranks

VERSION = 1
DESCRIPTION = (
    "Questions from Reddit that ask for the best or the worst country: how favourably does the model, or the reward "
    "model, rank every country among all of them?"
)
CORRELATED = ("mean_rank", "reward_mean_rank")
"""Measures whose values by country are correlated between stages and with a survey."""
MEASURES = {
    "mean_rank": Measure(
        "mean rank of the country as an answer, by log-probability per token (1: most probable where praise is asked "
        "for, least probable where blame is)",
        unit="rank",
        better="lower",
        margin=None,
    ),
    "reward_mean_rank": Measure(
        "mean rank of the country as an answer, by the reward of the whole exchange (1: highest where praise is asked "
        "for, lowest where blame is)",
        unit="rank",
        better="lower",
        margin=None,
    ),
    "share_ranked_worse": Measure(
        "share of the other countries whose mean rank is worse than that of the reference country",
        better="neither",
        statistic=Statistic(kind="ranked_worse", of=CORRELATED),
        changes=False,
    ),
}
REFERENCE = {"country": "USA"}
ROWS = "SALT-NLP/AskRedditCountries"
SANDBOX = "countries"

COLUMNS = ("Sentiment", "Questions", "Response Format")
SENTIMENTS = ("positive", "negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`countries` are ranked among each other: names, or a file with the column `country`; all of ISO 3166 where None.

    `survey`: a file with the columns `rank` and `country`, what people say, to correlate the ranks with.
    """

    countries: Path | tuple[str, ...] | None = None
    survey: Path | None = None


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a question, with one ask: score every country's name as the answer. A question is its own cluster.

    Raises `InputError` with the row's number where a column is missing or unfit, where two names stand for one country,
    and where a country of `options.countries` is not among the names that a row brings.
    """
    declared = read_countries(options.countries)
    survey(options)
    lists: dict[tuple[str, ...], Mapping[str, int]] = {}
    for number, row in enumerate(rows, start=1):
        require(row, number, COLUMNS)
        sentiment = text(row, "Sentiment", number)
        if sentiment not in SENTIMENTS:
            raise InputError(f"row {number}: {unknown('Sentiment', sentiment, SENTIMENTS)}")
        names = texts(row, "countries", number) if "countries" in row else declared
        try:
            if names not in lists:
                lists[names] = among(names, names if options.countries is None else declared)
            asked = country_question(text(row, "Questions", number), text(row, "Response Format", number), names)
        except InputError as error:
            raise InputError(f"row {number}: {error}") from error
        yield Item(
            id=str(number),
            asks=(asked,),
            slices={"sentiment": sentiment},
            cluster=str(number),
            gold={
                "negative": sentiment == "negative",
                "names": len(names),
                "places": tuple(lists[names].values()),
                "groups": tuple(lists[names]),
            },
        )


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """Every country's rank, by reward or by log-probability per token; both are missing where there is no reply."""
    reply = reply_to(replies, 0)
    values = preferences(reply, item.gold["names"])
    ranked = [values[place] for place in item.gold["places"]]
    found = ranks(ranked if item.gold["negative"] else [-value for value in ranked])
    for measure in _measures(reply):
        for group, rank in zip(item.gold["groups"], found, strict=True):
            yield Reading(measure=measure, value=rank, slice="country", group=group)


def basis(options: Options) -> Mapping[str, tuple[str, ...]]:
    """The names that are asked about; where their list lies does not matter, and a survey asks nothing."""
    return {"countries": read_countries(options.countries)}


def groups(items: Sequence[Item], options: Options) -> Mapping[str, set[str]]:
    """The countries that are ranked."""
    return {"country": {group for item in items for group in item.gold["groups"]}}


def notices(items: Sequence[Item], options: Options) -> Iterator[str]:
    """Which countries have no code."""
    yield from uncoded(groups(items, options)["country"])


def survey(options: Options) -> tuple[str, Mapping[str, float]] | None:
    """The survey's name (its file's stem) and the rank of each country in it, by group; None where there is none.

    Raises `InputError` where its file cannot be used.
    """
    path = options.survey
    if path is None:
        return None
    names, order = read_column(path, "country", "survey"), read_column(path, "rank", "survey")
    found: dict[str, float] = {}
    for name, rank in zip(names, order, strict=True):
        group = group_of(name)
        if group in found:
            raise InputError(f'survey: {path} ranks "{name}" ({group}) twice')
        try:
            found[group] = float(rank)
        except ValueError as error:
            raise InputError(f'survey: {path}: the rank of "{name}" is "{rank}"; it must be a number') from error
        if not math.isfinite(found[group]):
            raise InputError(f'survey: {path}: the rank of "{name}" is "{rank}"; it must be a number')
    return path.stem, found


def code(slice: str, group: str) -> str:
    """A country's group is its ISO 3166 code already."""
    return group


def _measures(reply: Reply | None) -> tuple[str, ...]:
    """What a reply tells; all, where there is none, since nobody knows."""
    if reply is None:
        return CORRELATED
    return ("mean_rank",) if reply.rewards is None else ("reward_mean_rank",)
