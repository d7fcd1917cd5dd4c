"""An item: one question of an audit, what it asks, and for whom it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pluralign.records.preference import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """Which of `options` follows `prompt`? Answered by a log-probability (or a reward) for each option, in order.

    A subject that gives text alone answers by a text that names one of them.
    """

    prompt: Prompt
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How probable (or how rewarded) is each of `completions` after `prompt`?

    `opening`: how the answer begins that the completions go on with, given to the model and not scored: in a chat
    template the start of the assistant's turn, in plain text what follows the prompt and a space; None where the
    completions follow the prompt itself. `closing`: how every answer ends, read by reward models alone, which judge it
    whole. With `end` completions are whole answers for models that write as well: the end token after each is scored,
    and where there is no opening a completion may be empty.
    """

    prompt: Prompt
    completions: tuple[str, ...]
    opening: str | None = None
    closing: str = ""
    end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Continue `prompt` by up to `max_tokens` tokens, cut before the first of `stop`.

    At `temperature` 0 each token is the most probable one. Above, it is drawn from softmax(logits / temperature), by
    numbers that follow from the item's id and the number of the ask alone and are the same for every stage.
    """

    prompt: Prompt
    max_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0


Ask = Choose | Score | Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of an audit.

    `id` is unique within the audit. `slices` says for whom it stands: dimension → group (`{"dialect": "en_in"}`).
    `cluster` names what it shares with other items (a passage, a dialogue): they are not independent. `gold` is what
    the audit's `read` needs to judge a reply, and nobody else looks into it.
    """

    id: str
    asks: tuple[Ask, ...]
    slices: Mapping[str, str]
    cluster: str
    gold: Mapping[str, Any] = field(default_factory=dict[str, Any])
