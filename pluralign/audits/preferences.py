"""Preferences that were held out of training: does the model prefer what people of each group preferred?

Rows: `prompt` (text, or the turns of a conversation), `chosen`, `rejected`, `group` (whose preference), `language` and
`prompt_id`. The option `data` of a run file gives those that were held out of the run's own data. An item's id is the
number of its row, counted from 1.
Source: Ouyang et al. 2022, arXiv:2203.02155 (reward model accuracy); Rafailov et al. 2023, arXiv:2305.18290.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from langcodes import standardize_tag

from pluralign.errors import InputError
from pluralign.records.item import Item, Score
from pluralign.records.measure import Measure
from pluralign.records.preference import Message, Prompt
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text

VERSION = 1
DESCRIPTION = (
    "Pairs of answers that were held out of training: does the model prefer the one that people of each group "
    "preferred? Each group judged its own pairs, so levels cannot be compared between groups; their changes can."
)
MEASURES = {
    "accuracy": Measure(
        "share of pairs where the preferred answer gets the higher reward or log-probability (ties count half)",
        chance=0.5,
        comparable=False,
    ),
    "margin": Measure(
        "reward or log-probability of the preferred answer less that of the other",
        unit="nats or reward",
        chance=0.0,
        margin=None,
        comparable=False,
        bounds=None,
    ),
}
REFERENCE: dict[str, str] = {}
ROWS = None  # the run file names the data whose held-out preferences are asked, or other rows
SANDBOX = "preferences"

COLUMNS = ("prompt", "chosen", "rejected", "group", "language", "prompt_id")
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """None yet."""


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a pair, with one ask: score the preferred completion (first) and the other. One prompt is one cluster.

    Raises `InputError` with the row's number where a column is missing or unfit.
    """
    for number, row in enumerate(rows, start=1):
        require(row, number, COLUMNS)
        completions = (text(row, "chosen", number), text(row, "rejected", number))
        yield Item(
            id=str(number),
            asks=(Score(prompt=_prompt(row, number), completions=completions),),
            slices={"group": text(row, "group", number), "language": text(row, "language", number)},
            cluster=text(row, "prompt_id", number),
        )


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """Which completion is preferred, and by how much? By reward, else by summed log-probability, as DPO sees it."""
    reply = reply_to(replies, 0)
    margin = math.nan
    if reply is not None:
        values = reply.rewards if reply.rewards is not None else reply.logprobs
        if values is not None and len(values) == 2:
            margin = values[0] - values[1]
    yield Reading(measure="accuracy", value=_agreement(margin))
    yield Reading(measure="margin", value=margin)


def code(slice: str, group: str) -> str:
    """BCP-47 of a language, in its shortest form; groups of people and what is no language tag stay as they are."""
    if slice != "language":
        return group
    try:
        return standardize_tag(group, macro=True)
    except ValueError:
        return group


def _agreement(margin: float) -> float:
    if math.isnan(margin):
        return math.nan
    return 0.5 if margin == 0 else float(margin > 0)


def _prompt(row: Row, number: int) -> Prompt:
    given = row["prompt"]
    if isinstance(given, str):
        return text(row, "prompt", number)
    if not isinstance(given, list | tuple) or not given:
        raise InputError(f'row {number}: column "prompt" is {given!r}; it must be text or the turns of a conversation')
    return tuple(_message(turn, number) for turn in cast("Sequence[object]", given))


def _message(turn: object, number: int) -> Message:
    if isinstance(turn, Message):
        return turn
    if not isinstance(turn, Mapping):
        raise InputError(f"row {number}: a turn of the prompt is {turn!r}; it must have a role and content")
    row = cast("Row", turn)
    require(row, number, ("role", "content"))
    role = row["role"]
    if role not in ROLES:
        raise InputError(f"row {number}: a turn's role is {role!r}; known: {', '.join(ROLES)}")
    return Message(role=role, content=text(row, "content", number))
