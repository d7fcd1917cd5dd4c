"""Credit for a choice among options."""

import math
from collections.abc import Sequence

from pluralign.records.reply import Reply
from pluralign.scorers.naming import named_option


def preferences(reply: Reply | None, options: int) -> tuple[float, ...]:
    """What ranks the `options` of an ask: rewards where given, else log-probability per token; higher is preferred.

    NaN for every option where there is no reply, or where it does not have one value for each.
    """
    return reply.preferences() if reply is not None and _whole(reply, options) else (math.nan,) * options


def summed_preferences(reply: Reply | None, options: int) -> tuple[float, ...]:
    """The log-probability (nats) of every whole option, which puts longer ones at a disadvantage.

    NaN for every option where it is not known: without log-probabilities, and where a recorded reply does not tell the
    token counts, since its values may be means.
    """
    if reply is None or reply.logprobs is None or reply.tokens is None or not _whole(reply, options):
        return (math.nan,) * options
    return reply.logprobs


def stated_preferences(reply: Reply | None, options: Sequence[str], *namings: Sequence[str]) -> tuple[float, ...]:
    """`preferences`, and of a reply that is text alone those of somebody certain: 0 for the option named, else -inf.

    The text names an option by its own words, or else by one of `namings`, other texts for the same options
    (`naming.named_option`). NaN for every option where it names none.
    """
    if reply is None or reply.text is None or reply.rewards is not None or reply.logprobs is not None:
        return preferences(reply, len(options))
    found = (named_option(reply.text, names) for names in (options, *namings))
    chosen = next((place for place in found if place is not None), None)
    if chosen is None:
        return (math.nan,) * len(options)
    return tuple(0.0 if place == chosen else -math.inf for place in range(len(options)))


def credit(preferences: Sequence[float], right: int) -> float:
    """1.0 where option `right` is preferred to all others, its share of the win where it ties for the best, else 0.0.

    `preferences`: one value per option, higher is preferred. NaN where any of them is NaN: nobody knows who won.
    """
    if any(math.isnan(value) for value in preferences):
        return math.nan
    best = max(preferences)
    return 1.0 / preferences.count(best) if preferences[right] == best else 0.0


def _whole(reply: Reply, options: int) -> bool:
    """Whether there are values, and one for every option."""
    lengths = {len(part) for part in (reply.rewards, reply.logprobs, reply.tokens) if part is not None}
    return (reply.rewards is not None or reply.logprobs is not None) and lengths == {options}
