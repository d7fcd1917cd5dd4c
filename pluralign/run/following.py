"""What follows from what a stage wrote: further asks, put to the stage itself and to the one it is held against."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pluralign.asking.ask import Replies
from pluralign.records.item import Item, Write
from pluralign.records.reply import Reply
from pluralign.run.parts import Exam, Prepared, Rung


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What follows from the replies of the stage `about` to an exam is put to the stage `by`."""

    about: Rung
    exam: Exam
    by: Rung


def followings(prepared: Prepared) -> Iterator[Following]:
    """Who is to be asked further by whose replies: every stage that writes, each by itself and by its reference."""
    for about in prepared.rungs:
        if about.recorded is None and about.stage.kind != "reward":
            reference = reference_of(about, prepared)
            for exam in filter(_is_followed, prepared.exams):
                yield Following(about=about, exam=exam, by=about)
                if reference is not None:
                    yield Following(about=about, exam=exam, by=reference)


def _is_followed(exam: Exam) -> bool:
    writes = any(isinstance(ask, Write) for item in exam.items for ask in item.asks)
    return writes and hasattr(exam.part.module, "follow")


def followed(exam: Exam, replies: Replies) -> Exam:
    """What follows from some replies to an exam, by the same items; without those from which nothing does (yet)."""
    module, options = exam.part.module, exam.part.options
    items = [replace(item, asks=tuple(module.follow(item, ordered(replies, item), options))) for item in exam.items]
    return replace(exam, items=tuple(item for item in items if item.asks))


def reference_of(rung: Rung, prepared: Prepared) -> Rung | None:
    """The stage that another is held against: its reference, or else the one stage that it came from.

    None where there is none, or where one of the two rewards and the other writes.
    """
    stage = rung.stage
    name = stage.reference or (stage.parents[0] if len(stage.parents) == 1 else None)
    if name is None:
        return None
    other = prepared.rung(name)
    return other if (other.stage.kind == "reward") == (stage.kind == "reward") else None


def held_against(prepared: Prepared) -> dict[str, str]:
    """Stage → the stage that its numbers are held against: as `reference_of`, or else the run's first reward model."""
    first = next((rung for rung in prepared.rungs if rung.stage.kind == "reward"), None)
    found: dict[str, str] = {}
    for rung in prepared.rungs:
        other = reference_of(rung, prepared) or (first if rung.stage.kind == "reward" else None)
        if other is not None and other is not rung:
            found[rung.stage.name] = other.stage.name
    return found


def ordered(replies: Replies, item: Item) -> tuple[Reply, ...]:
    """The replies to an item by the number of the ask."""
    given = replies.get(item.id, {})
    return tuple(given[number] for number in sorted(given))


def numbered_on(replies: Sequence[Reply], item: Item) -> tuple[Reply, ...]:
    """Replies to what followed, numbered on after the item's own asks."""
    return tuple(replace(reply, ask=len(item.asks) + reply.ask) for reply in replies)
