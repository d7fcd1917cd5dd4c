"""A subject that answered elsewhere: its replies are read from files by an adapter."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pluralign.errors import InputError
from pluralign.records.item import Choose, Item, Score, Write
from pluralign.records.reply import Reply

KINDS: frozenset[type] = frozenset({Choose, Score, Write})


@dataclass(slots=True, kw_only=True)
class RecordedSubject:
    """One stage's recorded replies to one audit.

    `replies` gives them, in any order, for the items it is handed. `known` holds the ids of the audit's items that may
    stay unasked, as when an audit is shortened. A reply to an item that is neither asked nor known is not passed on:
    its id is put into `unknown`, and `notice` says so.
    """

    name: str
    replies: Callable[[Sequence[Item]], Iterable[Reply]]
    known: Collection[str] = frozenset()
    answers: frozenset[type] = KINDS
    unknown: set[str] = field(default_factory=set[str])

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        """The recorded replies to `items`, as the adapter gives them.

        Raises `InputError` where an ask is answered twice or an item has no ask of that number.
        """
        asks = {item.id: len(item.asks) for item in items}
        seen: set[tuple[str, int]] = set()
        for reply in self.replies(items):
            if reply.item not in asks:
                if reply.item not in self.known:
                    self.unknown.add(reply.item)
                continue
            if not 0 <= reply.ask < asks[reply.item]:
                raise InputError(
                    f'{self.name}: a reply to ask {reply.ask} of item "{reply.item}", which has {asks[reply.item]} asks'
                )
            if (reply.item, reply.ask) in seen:
                raise InputError(f'{self.name}: two replies to ask {reply.ask} of item "{reply.item}"')
            seen.add((reply.item, reply.ask))
            yield reply

    def notice(self) -> str | None:
        """What a reader must know: how many recorded replies belong to no item of the audit. None where all do."""
        if not self.unknown:
            return None
        example = min(self.unknown)
        return f'{self.name}: {len(self.unknown)} recorded answers to items that the audit does not have ("{example}")'
