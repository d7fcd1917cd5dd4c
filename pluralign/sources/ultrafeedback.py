"""UltraFeedback: answers of several models to one instruction, scored by GPT-4.

Rows as in openbmb's set, `instruction` and `completions` (each with `response` and scores), of which the best is held
against a lower one; or as in the binarized sets, `chosen` and `rejected` as whole conversations with `score_chosen` and
`score_rejected`. Where all scores are the same there is no pair.
Source: Cui et al. 2023, arXiv:2310.01377; a random lower one Tunstall et al. 2023, arXiv:2310.16944, section 3.
Licence: MIT.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pluralign.data.conversation import conversation, part
from pluralign.data.dialogue import Form, Turns, answer, dress, question
from pluralign.data.pairing import group_of, pair
from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Preference
from pluralign.records.row import Row, real, require, text

VERSION = 1
ROWS = "openbmb/UltraFeedback"
NAME = "ultrafeedback"
BINARIZED = ("chosen", "rejected", "score_chosen", "score_rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which of an instruction's answers make the pair; in the binarized sets that is settled.

    `score`: the column of the completions that says which is best, "overall_score" or "fine-grained_score". `rejected`:
    a "random" one of those with a lower score than the best, drawn by `seed` and the instruction, or the "lowest".
    `group`: the column that says whose preference it is, such as "source"; without it all are "ultrafeedback".
    `form`: how prompts are given, "dialogue" as text with "Human:" and "Assistant:".
    """

    score: str = "overall_score"
    rejected: Literal["random", "lowest"] = "random"
    seed: int = 0
    group: str = ""
    form: Form = "dialogue"


def load(rows: Iterable[Row], options: Options, source: str) -> Iterator[Preference | LeftOut]:
    """One `Preference` an instruction, or why there is none.

    Raises `InputError` with the row's number where a column is missing or unfit.
    """
    for number, row in enumerate(rows, start=1):
        made = (_binarized if "score_chosen" in row else _drawn)(row, number, options)
        if isinstance(made, LeftOut):
            yield made
            continue
        turns, chosen, rejected = made
        group = group_of(row, options.group, number, NAME)
        answers = (answer(chosen, options.form), answer(rejected, options.form))
        try:
            prompt = dress(turns, options.form)
        except InputError as error:
            raise InputError(f"row {number}: {error}") from error
        yield pair(prompt, *answers, group=group, source=source, language="en")


def _drawn(row: Row, number: int, options: Options) -> tuple[Turns, str, str] | LeftOut:
    """The instruction, the best of its completions, and a lower one."""
    require(row, number, ("instruction", "completions"))
    scored: list[tuple[float, str]] = []
    for completion in _completions(row, number):
        require(completion, number, ("response", options.score))
        if completion[options.score] is not None:
            response = text(completion, "response", number, may_be_empty=True)
            scored.append((real(completion, options.score, number), response))
    instruction = text(row, "instruction", number)
    best = max((score for score, _ in scored), default=0.0)
    lower = [entry for entry in scored if entry[0] < best]
    if not lower:
        return LeftOut(why="tie" if len(scored) > 1 else "fewer than two scored completions")
    chosen = next(response for score, response in scored if score == best)
    if options.rejected == "lowest":
        _, rejected = min(lower, key=lambda entry: entry[0])
    else:
        _, rejected = random.Random(f"{options.seed}:{instruction}").choice(lower)
    return question(instruction), chosen, rejected


def _completions(row: Row, number: int) -> list[Mapping[str, Any]]:
    given = row["completions"]
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise InputError(f'row {number}: column "completions" is no list of completions')
    return cast("list[Mapping[str, Any]]", given)


def _binarized(row: Row, number: int, options: Options) -> tuple[Turns, str, str] | LeftOut:
    """Prompt and completions of two whole conversations."""
    require(row, number, BINARIZED)
    better, worse = real(row, "score_chosen", number), real(row, "score_rejected", number)
    if better == worse:
        return LeftOut(why="tie")
    if better < worse:
        raise InputError(f'row {number}: column "score_chosen" is {better:g}, below the {worse:g} of the rejected')
    turns, chosen, rejected = part(
        *(conversation(row[column], f'row {number}: column "{column}"') for column in ("chosen", "rejected"))
    )
    if not turns or len(chosen) != 1 or len(rejected) != 1:
        return LeftOut(why="completions that are not one turn each")
    return turns, chosen[0].content, rejected[0].content
