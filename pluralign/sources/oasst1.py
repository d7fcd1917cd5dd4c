"""OpenAssistant conversations: sibling replies that volunteers ranked, in 35 languages.

Rows are the messages of the trees as on the hub (`message_id`, `parent_id`, `role`, `text`, `lang`, `rank`), or pairs
of siblings (`prompt`, `chosen`, `rejected`, `rank_chosen`, `rank_rejected`). Rank 0 is the best. Every two siblings of
different rank are a pair; deleted messages, replies that nobody ranked and those without a ranked sibling are left out.
Source: Köpf et al. 2023, arXiv:2304.07327. Licence: Apache-2.0.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from pluralign.data.dialogue import ASSISTANT, DialogueForm, Turns, answer, dress, is_dialogue, parse
from pluralign.data.pairing import group_of, pair
from pluralign.errors import InputError, unknown
from pluralign.records.preference import LeftOut, Message, Preference, Prompt, Role
from pluralign.records.row import Row, real, require, text

VERSION = 1
ROWS = "OpenAssistant/oasst1"
TOGETHER = True
NAME = "oasst1"
PAIR = ("prompt", "chosen", "rejected", "rank_chosen", "rank_rejected")
MESSAGE = ("message_id", "parent_id", "role", "text", "lang", "rank")
ROLES: Mapping[str, Role] = {"prompter": "user", "assistant": "assistant"}

Numbered = tuple[int, Row]
"""A row and its number, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`group`: the column that says whose preference it is, such as "lang"; without it all are "oasst1".

    `form`: "dialogue" gives prompts as one text with "Human:" and "Assistant:", "messages" for a chat template.
    """

    group: str = ""
    form: DialogueForm = "dialogue"


def load(rows: Iterable[Row], options: Options, source: str) -> Iterator[Preference | LeftOut]:
    """Pairs of siblings, and why others are none.

    Raises `InputError` with the row's number where a column is missing or unfit, or a message's parent is not there.
    """
    table = tuple(enumerate(rows, start=1))
    if table and "message_id" in table[0][1]:
        yield from _trees(table, options, source)
        return
    for number, row in table:
        yield _sibling_pair(row, number, options, source)


def _sibling_pair(row: Row, number: int, options: Options, source: str) -> Preference | LeftOut:
    require(row, number, PAIR)
    better, worse = real(row, "rank_chosen", number), real(row, "rank_rejected", number)
    if better == worse:
        return LeftOut(why="tie")
    if better > worse:
        raise InputError(f'row {number}: column "rank_chosen" is {better:g}, worse than the {worse:g} of the rejected')
    prompt: Prompt = text(row, "prompt", number)
    chosen, rejected = text(row, "chosen", number), text(row, "rejected", number)
    if not is_dialogue(prompt) or not prompt.endswith(ASSISTANT):
        raise InputError(f'row {number}: the prompt is no dialogue from "Human:" to "Assistant:": {prompt[-60:]!r}')
    if options.form == "messages":
        prompt, chosen, rejected = parse(prompt), answer(chosen, "messages"), answer(rejected, "messages")
    group = group_of(row, options.group, number, NAME)
    language = text(row, "lang", number) if "lang" in row else "und"
    return pair(prompt, chosen, rejected, group=group, source=source, language=language)


def _trees(table: Sequence[Numbered], options: Options, source: str) -> Iterator[Preference | LeftOut]:
    messages: dict[str, Numbered] = {}
    siblings: dict[str, list[Numbered]] = defaultdict(list)
    for number, row in table:
        require(row, number, MESSAGE)
        if row["role"] not in ROLES:
            raise InputError(f"row {number}: {unknown('role', str(row['role']), ROLES)}")
        messages[text(row, "message_id", number)] = (number, row)
        if row["role"] == "assistant":
            if row.get("deleted"):
                yield LeftOut(why="a deleted reply")
            elif row["rank"] is None:
                yield LeftOut(why="a reply that nobody ranked")
            else:
                siblings[text(row, "parent_id", number)].append((number, row))
    for parent, replies in siblings.items():
        if len(replies) == 1:
            yield LeftOut(why="a reply without a ranked sibling")
            continue
        number = replies[0][0]
        turns = _thread(parent, messages, number)
        ranked = sorted(replies, key=lambda reply: real(reply[1], "rank", reply[0]))
        for better, worse in combinations(ranked, 2):
            yield _ranked_pair(dress(turns, options.form), better, worse, options, source)


def _thread(last: str, messages: Mapping[str, Numbered], number: int) -> Turns:
    """The conversation that ends with the message `last`. `number`: the row of a reply to it, for the error."""
    turns: list[Message] = []
    place: str | None = last
    while place is not None:
        if place not in messages or len(turns) > len(messages):
            raise InputError(f'row {number}: no message "{place}", which it goes on from; are all shards of it there?')
        number, row = messages[place]
        turns.append(Message(role=ROLES[row["role"]], content=text(row, "text", number, may_be_empty=True)))
        place = None if row["parent_id"] is None else text(row, "parent_id", number)
    return tuple(reversed(turns))


def _ranked_pair(
    prompt: Prompt, better: Numbered, worse: Numbered, options: Options, source: str
) -> Preference | LeftOut:
    (number, chosen), (other, rejected) = better, worse
    if real(chosen, "rank", number) == real(rejected, "rank", other):
        return LeftOut(why="tie")
    answers = (
        answer(text(row, "text", place, may_be_empty=True), options.form)
        for place, row in ((number, chosen), (other, rejected))
    )
    group = group_of(chosen, options.group, number, NAME)
    return pair(prompt, *answers, group=group, source=source, language=text(chosen, "lang", number))
