"""A subject that answered elsewhere: its replies are read from files by an adapter."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pluralign.errors import InputError
from pluralign.records.item import Ask, Choose, Item, Score, Write
from pluralign.records.reply import Reply
from pluralign.subjects.questions import options

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

        Raises `InputError` where an ask is answered twice, an item has no ask of that number, or a reply does not hold
        what was asked: text to `Write`, else one log-probability or reward for every option; `Choose` takes text too.
        """
        asks = {item.id: item.asks for item in items}
        seen: set[tuple[str, int]] = set()
        for reply in self.replies(items):
            if reply.item not in asks:
                if reply.item not in self.known:
                    self.unknown.add(reply.item)
                continue
            count = len(asks[reply.item])
            if not 0 <= reply.ask < count:
                raise InputError(
                    f'{self.name}: a reply to ask {reply.ask} of item "{reply.item}", which has {count} asks'
                )
            if (reply.item, reply.ask) in seen:
                raise InputError(f'{self.name}: two replies to ask {reply.ask} of item "{reply.item}"')
            seen.add((reply.item, reply.ask))
            problem = unfit(reply, asks[reply.item][reply.ask])
            if problem:
                raise InputError(f'{self.name}: the reply to ask {reply.ask} of item "{reply.item}" {problem}')
            yield reply

    def notice(self) -> str | None:
        """What a reader must know: how many recorded replies belong to no item of the audit. None where all do."""
        if not self.unknown:
            return None
        example = min(self.unknown)
        return f'{self.name}: {len(self.unknown)} recorded answers to items that the audit does not have ("{example}")'


def unfit(reply: Reply, ask: Ask) -> str:
    """What is wrong with a reply to an ask: `has 1 log-probabilities for 2 options`; empty where nothing is."""
    kinds = {"log-probabilities": reply.logprobs, "rewards": reply.rewards, "token counts": reply.tokens}
    given = {kind: values for kind, values in kinds.items() if values is not None}
    if isinstance(ask, Write):
        if given or reply.values is not None:
            return "holds numbers, where text was asked"
        return "holds no text" if reply.text is None else ""
    if reply.text is not None:
        return _unfit_text(given, ask)
    if reply.logprobs is None and reply.rewards is None and reply.values is None:
        return "holds neither log-probabilities nor rewards"
    wanted = len(options(ask))
    wrong = [
        f"has {len(values)} {kind} for {wanted} options" for kind, values in given.items() if len(values) != wanted
    ]
    if reply.tokens is not None and any(count < 1 for count in reply.tokens):
        wrong.append("counts an option of no tokens")
    return "; ".join(wrong)


def _unfit_text(given: Mapping[str, object], ask: Ask) -> str:
    """What is wrong with a reply that holds text, where completions were to be compared."""
    if isinstance(ask, Score):
        return "is text, and log-probabilities were asked; leave this audit out for a stage that gives text only"
    return "holds both text and numbers; a choice is made by one of the two" if given else ""
