"""Choices that were made by writing: what a reader must know of a stage that gives text alone."""

from collections.abc import Sequence

from pluralign.asking.ask import Replies
from pluralign.records.item import Choose, Item


def notice(audit: str, stage: str, items: Sequence[Item], replies: Replies) -> str | None:
    """How many of a stage's choices are texts that were matched to an option; None where none is."""
    asked = [(item.id, number) for item in items for number, ask in enumerate(item.asks) if isinstance(ask, Choose)]
    given = [replies[item][number] for item, number in asked if number in replies.get(item, {})]
    texts = sum(reply.text is not None for reply in given)
    if not texts:
        return None
    return (
        f"{audit}: {stage} made {texts} of {len(asked)} choices by text fallback: it gave no log-probabilities, so the "
        "option counts that its text names first, and a text that names none is missing. Compare this with another "
        "stage only where that one chose by text too."
    )
