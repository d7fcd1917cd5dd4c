"""Credit for a choice among options."""

import math
from collections.abc import Sequence

from pluralign.records.reply import Reply


def preferences(reply: Reply | None, options: int) -> tuple[float, ...]:
    """What ranks the `options` of an ask: rewards where given, else log-probability per token; higher is preferred.

    NaN for every option where there is no reply, or where it does not have one value for each.
    """
    if reply is not None:
        lengths = {len(part) for part in (reply.rewards, reply.logprobs, reply.tokens) if part is not None}
        valued = reply.rewards is not None or reply.logprobs is not None
        if valued and lengths == {options}:
            return reply.preferences()
    return (math.nan,) * options


def credit(preferences: Sequence[float], right: int) -> float:
    """1.0 where option `right` is preferred to all others, its share of the win where it ties for the best, else 0.0.

    `preferences`: one value per option, higher is preferred. NaN where any of them is NaN: nobody knows who won.
    """
    if any(math.isnan(value) for value in preferences):
        return math.nan
    best = max(preferences)
    return 1.0 / preferences.count(best) if preferences[right] == best else 0.0
