"""KL divergence to the reference: on whose prompts does a stage write other things than what it was trained from?

Rows: `prompt` (text, or the turns of a conversation), `group` (whose prompt), `language` and `prompt_id`; the option
`data` of a run file gives the held-out preferences. A prompt that comes again in the same group and language is asked
once. Every stage answers the prompts, `num_generations` times each, drawn at temperature 1 from its own distribution π.
What it wrote is then scored by itself and by its reference (the stage's `reference`, or else the one stage it came
from): log π(y) - log π_ref(y), averaged over y ~ π, estimates KL(π || π_ref) without bias, in nats per answer. For one
prompt it may be below 0. -log π(y), per token, estimates the entropy of what a stage writes.

An answer that ended by itself is scored with the end token (the tokenizer's own). One that was cut off after
`max_completion_length` tokens counts as far as it goes: estimated is the divergence of the first so many tokens.
Scored is text, as each model's tokenizer encodes it after the prompt, so that the two need not share a tokenizer; where
the tokens that were drawn are another spelling of the same text, it is the usual spelling that counts. An answer that
was cut off within a character loses its remains; where another one cannot be encoded again (bytes that are no
character, nothing but white space before the cut) its prompt is missing.
Source: Schulman 2020, "Approximating KL divergence" (the estimator k1).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pluralign.data import conversation
from pluralign.data.languages import bcp47
from pluralign.records.item import Item, Score, Write
from pluralign.records.measure import Measure
from pluralign.records.preference import Prompt
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text

VERSION = 1
DESCRIPTION = (
    "What a stage writes to the prompts of each group, drawn at temperature 1, and how far that is from what its "
    "reference would write. Each group has prompts of its own, so levels mix how a group asks with who it is."
)
REFERENCE: dict[str, str] = {}
ROWS = None  # the run file names the data whose held-out prompts are asked, or other rows
SANDBOX = "preferences"

COLUMNS = ("prompt", "group", "language", "prompt_id")
BROKEN = "\ufffd"
"""Stands in a text for bytes that are no character."""


def _described(what: str, unit: str, *, changes: bool = True) -> Measure:
    return Measure(what, unit, better="neither", comparable=False, changes=changes)


MEASURES = {"entropy": _described("entropy of what the stage writes, estimated", "nats per token")}
COMPARED = {
    "kl": _described(
        "KL divergence of what the stage writes from what its reference would write, estimated",
        "nats per answer",
        changes=False,
    ),
    "kl_per_token": _described(
        "the same, each answer's share divided by its tokens before the mean is taken", "nats per token", changes=False
    ),
}
"""What needs the replies of two stages: of a stage and its reference, or else the stage it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A stage draws `num_generations` answers to every prompt, each of at most `max_completion_length` tokens."""

    num_generations: int = 1
    max_completion_length: int = 64

    def __post_init__(self) -> None:
        for name in ("num_generations", "max_completion_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item for each prompt of a group in a language: draw answers to it. One prompt is one cluster.

    Raises `InputError` with the row's number where a column is missing or unfit.
    """
    seen: set[tuple[Prompt, str, str]] = set()
    for number, row in enumerate(rows, start=1):
        require(row, number, COLUMNS)
        prompt = conversation.prompt(row, number)
        group, language = text(row, "group", number), text(row, "language", number)
        if (prompt, group, language) in seen:
            continue
        seen.add((prompt, group, language))
        draw = Write(prompt=prompt, max_tokens=options.max_completion_length, temperature=1.0)
        yield Item(
            id=str(number),
            asks=(draw,) * options.num_generations,
            slices={"group": group, "language": language},
            cluster=text(row, "prompt_id", number),
        )


def follow(item: Item, replies: Sequence[Reply], options: Options) -> tuple[Score, ...]:
    """How probable is each answer that was drawn? Nothing is asked where one of them cannot be encoded again."""
    answers = [_answer(reply_to(replies, number)) for number in range(len(item.asks))]
    known = [answer for answer in answers if answer is not None]
    if len(known) < len(answers):
        return ()
    return tuple(Score(prompt=item.asks[0].prompt, completions=(said,), end=ended) for said, ended in known)


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """How varied is what the stage writes?"""
    scored = _scored(item, replies)
    yield Reading(measure="entropy", value=_mean([-logprob / tokens for logprob, tokens in scored]))


def compare(item: Item, before: Sequence[Reply], after: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """How much more probable is what a stage wrote (`after`) to itself than to its reference (`before`)?"""
    own = _scored(item, after)
    ratios = [mine - its for (mine, _), (its, _) in zip(own, _scored(item, before), strict=True)]
    per_token = [ratio / tokens for ratio, (_, tokens) in zip(ratios, own, strict=True)]
    yield Reading(measure="kl", value=_mean(ratios))
    yield Reading(measure="kl_per_token", value=_mean(per_token))


def code(slice: str, group: str) -> str:
    """BCP-47 of a language, in its shortest form; groups of people and what is no language tag stay as they are."""
    return bcp47(group) if slice == "language" else group


def _answer(reply: Reply | None) -> tuple[str, bool] | None:
    """The text of an answer and whether it ended by itself; None where it cannot be encoded again."""
    if reply is None or reply.text is None:
        return None
    ended = bool(reply.ended)
    said = reply.text if ended else reply.text.rstrip(BROKEN)
    return None if BROKEN in said or not (ended or said.strip()) else (said, ended)


def _scored(item: Item, replies: Sequence[Reply]) -> list[tuple[float, int]]:
    """The log-probability (nats) and the tokens of every answer that was drawn, NaN where it is missing."""
    asked = len(item.asks)
    found: list[tuple[float, int]] = []
    for number in range(asked, 2 * asked):
        reply = reply_to(replies, number)
        if reply is None or reply.logprobs is None or reply.tokens is None or len(reply.logprobs) != 1:
            found.append((math.nan, 1))
        else:
            found.append((reply.logprobs[0], reply.tokens[0]))
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
