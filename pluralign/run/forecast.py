"""What asking will take, told before it starts: prompts, tokens and time.

Of each audit a few real items are answered and timed, in rounds that double until larger ones are no faster. The rest
is reckoned by the last round's seconds per token, comparing and writing apart. The replies are kept like any others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from pluralign.records.item import Item

FIRST_ROUND = 4
"""Items of the first round, which also bears what is done only once, such as the engine's self-check."""
LONG_ENOUGH_SECONDS = 1.0
"""A shorter round says too little."""
TOO_LONG_SECONDS = 30.0
"""Once the rounds of an audit have taken so long, there is no further one."""
FASTER = 1.25
"""A round that is so many times as fast as the one before says that larger ones may be faster still."""
SHARE = 4
"""The rounds take no more than one in so many of the items."""
SAMPLE = 256
"""Items whose tokens are counted; of more, these stand for all."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What some asks come to.

    `read`: tokens of prompts, each once, and of the completions that are compared; `written`: the most that is written.
    """

    read: int = 0
    written: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.read + other.read, self.written + other.written)

    def times(self, factor: float) -> "Tokens":
        """So many times as much, in whole tokens."""
        return Tokens(round(self.read * factor), round(self.written * factor))

    @property
    def all(self) -> int:
        """Read and written."""
        return self.read + self.written


Kind = bool
"""Whether asks are to be written (`Write`) rather than compared (`Choose`, `Score`)."""
Count = Callable[[Sequence[Item]], Mapping[Kind, Tokens]]
"""What the asks of some items come to."""
Clock = Callable[[Sequence[Item]], Mapping[Kind, float]]
"""Has some items answered, and gives the seconds that it took."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to come. `seconds` is the most it may take where not `settled`: larger rounds may be faster."""

    prompts: int = 0
    tokens: Tokens = Tokens()
    seconds: float = 0.0
    settled: bool = True

    def __add__(self, other: "Forecast") -> "Forecast":
        return Forecast(
            self.prompts + other.prompts,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
            self.settled and other.settled,
        )

    def times(self, factor: float) -> "Forecast":
        """So many times as much."""
        return Forecast(round(self.prompts * factor), self.tokens.times(factor), self.seconds * factor, self.settled)


@dataclass(frozen=True, slots=True)
class Round:
    """Items that were answered together, and how long they took."""

    tokens: Mapping[Kind, Tokens]
    seconds: Mapping[Kind, float]

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return sum(each.all for each in self.tokens.values()) / max(sum(self.seconds.values()), 1e-9)

    def pace(self, kind: Kind) -> float:
        """Seconds a token of that kind, of which there are some."""
        return self.seconds[kind] / self.tokens[kind].all


def foretell(items: Sequence[Item], prompts: int, count: Count, clock: Clock) -> Forecast:
    """What the `prompts` of `items` (at least one) take; some of them are answered now, through `clock`."""
    order = Random(0).sample(items, len(items))
    counted = order[:SAMPLE]
    whole = {kind: tokens.times(len(items) / len(counted)) for kind, tokens in count(counted).items()}
    rounds: list[Round] = []
    for some in _chunks(order):
        rounds.append(Round(count(some), clock(some)))
        if _enough(rounds):
            break
    return Forecast(
        prompts=prompts,
        tokens=sum(whole.values(), Tokens()),
        seconds=sum((_pace(rounds, kind) * tokens.all for kind, tokens in whole.items()), 0.0),
        settled=_settled(rounds),
    )


def _pace(rounds: Sequence[Round], kind: Kind) -> float:
    """Seconds a token in the last round that held some of that kind; of any kind where none did."""
    holding = [each for each in rounds if each.tokens[kind].all]
    return holding[-1].pace(kind) if holding else 1 / rounds[-1].speed


def _chunks(order: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Rounds of items, each twice as large as the one before, one in `SHARE` of them in all."""
    most = max(1, len(order) // SHARE)
    start, size = 0, min(FIRST_ROUND, most)
    while start == 0 or start + size <= most:
        yield order[start : start + size]
        start, size = start + size, 2 * size


def _settled(rounds: Sequence[Round]) -> bool:
    """Whether the last round is long enough to tell, and about as fast per token as the one before."""
    if len(rounds) < 2 or sum(rounds[-1].seconds.values()) < LONG_ENOUGH_SECONDS:
        return False
    return rounds[-1].speed < FASTER * rounds[-2].speed


def _enough(rounds: Sequence[Round]) -> bool:
    spent = sum(sum(each.seconds.values()) for each in rounds)
    return spent > TOO_LONG_SECONDS or _settled(rounds)


def describe(found: Mapping[str, Forecast]) -> list[str]:
    """One line a stage, and one for all of them where there are several."""
    rows = dict(found)
    if len(found) > 1:
        rows["in all"] = sum(found.values(), Forecast())
    width = max(map(len, rows), default=0)
    return [f"{name:<{width}}  {_said(each)}" for name, each in rows.items()]


def _said(each: Forecast) -> str:
    tokens = each.tokens
    written = f" and up to {_round(tokens.written)} to write" if tokens.written else ""
    amount = f"{each.prompts:,} prompts, about {_round(tokens.read)} tokens to read{written}"
    return f"{amount}: {'about' if each.settled else 'at most about'} {_duration(each.seconds)}"


def _round(number: int) -> str:
    """Two digits that count: 41,000."""
    return f"{float(f'{number:.2g}'):,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
