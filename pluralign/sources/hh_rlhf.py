"""Anthropic's helpful and harmless dialogues: which of two last answers a crowd worker preferred.

Rows as on the hub, `chosen` and `rejected` whole dialogues, or with the `prompt` cut off already. The prompt is what
both dialogues share, up to the last "Assistant:" in it; pairs that share none are left out, as are those where an
answer goes on with the user's turn and, as messages, the few where the assistant spoke just before. The subsets are
folders: `rows = "Anthropic/hh-rlhf/harmless-base"`.
Source: Bai et al. 2022, arXiv:2204.05862. Licence: MIT.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pluralign.data.dialogue import ASSISTANT, HUMAN, DialogueForm, answer, is_dialogue, parse, shared_prompt
from pluralign.data.pairing import group_of, pair
from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Preference
from pluralign.records.row import Row, require, text

VERSION = 2
ROWS = "Anthropic/hh-rlhf"
NAME = "hh_rlhf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`group`: the column that says whose preference it is; without it all are "hh_rlhf".

    `form`: "dialogue" gives prompts as in the data, as one text; "messages" as messages for a chat template.
    """

    group: str = ""
    form: DialogueForm = "dialogue"


def load(rows: Iterable[Row], options: Options, source: str) -> Iterator[Preference | LeftOut]:
    """One `Preference` a row, or why there is none.

    Raises `InputError` with the row's number where a column is missing or is no dialogue.
    """
    for number, row in enumerate(rows, start=1):
        require(row, number, ("chosen", "rejected"))
        yield _pair(row, number, options, source)


def _pair(row: Row, number: int, options: Options, source: str) -> Preference | LeftOut:
    chosen, rejected = (text(row, column, number, may_be_empty=True) for column in ("chosen", "rejected"))
    if "prompt" in row:
        prompt = text(row, "prompt", number)
    else:
        end = shared_prompt(chosen, rejected, ASSISTANT)
        if not end:
            return LeftOut(why="the two dialogues share no prompt")
        prompt, chosen, rejected = chosen[:end], chosen[end:], rejected[end:]
    if not is_dialogue(prompt) or not prompt.endswith(ASSISTANT):
        raise InputError(f'row {number}: the prompt is no dialogue from "Human:" to "Assistant:": {prompt[-60:]!r}')
    if HUMAN in chosen or HUMAN in rejected:
        return LeftOut(why="a completion of several turns")
    group = group_of(row, options.group, number, NAME)
    if options.form == "dialogue":
        return pair(prompt, chosen, rejected, group=group, source=source, language="en")
    turns = parse(prompt)
    if turns[-1].role != "user":
        return LeftOut(why="an answer to the assistant's own turn")
    answers = (answer(chosen, "messages"), answer(rejected, "messages"))
    return pair(turns, *answers, group=group, source=source, language="en")
