"""A reply: what a subject answered to one ask of an item."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A subject's answer to `item`'s ask number `ask`.

    For `Choose` and `Score`, `logprobs` (nats, summed over each completion's tokens; `tokens` gives their counts, None
    where a recorded reply does not tell) or `rewards`, one value per completion in the order asked. For `Write`,
    `text`, and of a text that was drawn `ended`: whether an end token ended it, not its length or a stop string. NaN
    says "missing": it is counted by the audit, never dropped in silence. A subject that gives text alone answers
    `Choose` by `text` too. `values`, of recorded replies alone: what others computed for each group from answers that
    are not at hand.
    """

    item: str
    ask: int
    logprobs: tuple[float, ...] | None = None
    tokens: tuple[int, ...] | None = None
    rewards: tuple[float, ...] | None = None
    text: str | None = None
    ended: bool | None = None
    values: Mapping[str, float] | None = None

    def mean_logprobs(self) -> tuple[float, ...]:
        """Log-probability per token (nats) of every completion; as recorded where the token counts are unknown."""
        if self.logprobs is None:
            raise ValueError(f"item {self.item!r}: the reply to ask {self.ask} holds no log-probabilities")
        if self.tokens is None:
            return self.logprobs
        return tuple(total / count for total, count in zip(self.logprobs, self.tokens, strict=True))

    def preferences(self) -> tuple[float, ...]:
        """What ranks the completions: rewards where given, else log-probability per token; higher is preferred."""
        return self.rewards if self.rewards is not None else self.mean_logprobs()


def reply_to(replies: Iterable[Reply], ask: int) -> Reply | None:
    """The reply to ask number `ask`, None where the subject gave none."""
    return next((reply for reply in replies if reply.ask == ask), None)
