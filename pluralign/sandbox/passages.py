"""Short passages about two things and two people, and questions with four answers, the same in every language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from pluralign.sandbox import SEED
from pluralign.sandbox.english import capitalised
from pluralign.sandbox.world import Language, Thing, languages, people, things

AUDIT_PASSAGES = 80
QUESTIONS = ("kind", "owner", "at", "owned", "there")
_WITHOUT_OWNERS = tuple(sort for sort in QUESTIONS if sort != "owned")
_OUTDOORS = ("garden", "market", "street", "field", "river", "forest", "beach", "village")
_WILD = ("river", "forest")
_STAYS_OUTDOORS = ("animal", "vehicle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One half of a passage: `person` stands in `relation` ("has" or "likes") to `thing`, which is at `place`."""

    person: str
    relation: str
    thing: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Two halves and the order of the sentences, each named by the half and what it tells."""

    halves: tuple[Told, Told]
    order: tuple[tuple[int, str], ...]

    @property
    def pair(self) -> frozenset[str]:
        """The two things that it is about."""
        return frozenset(told.thing for told in self.halves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`ask` about one half of a passage; `options` are keys (of people, things, kinds, places), `correct` an index."""

    ask: str
    half: int
    options: tuple[str, ...]
    correct: int


@cache
def told_things() -> tuple[str, ...]:
    """Keys of the things that have a name in every language."""
    return tuple(key for key, thing in things().items() if thing.names)


@cache
def held_out_pairs() -> frozenset[frozenset[str]]:
    """The pairs of things that only the audit's passages tell of."""
    return frozenset(passage.pair for passage in audit_passages())


@cache
def audit_passages() -> tuple[Passage, ...]:
    """The audit's passages, no two about the same pair."""
    found: dict[frozenset[str], Passage] = {}
    rng = Random(f"{SEED}/reading")
    while len(found) < AUDIT_PASSAGES:
        passage = tell(rng)
        found.setdefault(passage.pair, passage)
    return tuple(found.values())


def tell_freely(rng: Random) -> Passage:
    """A passage about a pair that is not held out for the audit."""
    while True:
        passage = tell(rng)
        if passage.pair not in held_out_pairs():
            return passage


def tell(rng: Random) -> Passage:
    """A passage by lot: two things, two people, two places."""
    first, second = _two_things(rng)
    owner, other = rng.sample(sorted(people()), 2)
    here = rng.choice(places_for(things()[first]))
    there = rng.choice([place for place in places_for(things()[second]) if place != here])
    relation = rng.choice(("has", "has", "likes"))
    halves = (
        Told(person=owner, relation=relation, thing=first, place=here),
        Told(person=other, relation=rng.choice(("has", "has", "likes")), thing=second, place=there),
    )
    sentences = [(half, what) for half in (0, 1) for what in rng.sample(("told", "at"), 2)]
    if rng.random() < 0.5:
        half = rng.randrange(2)
        sentences.insert(2 * half, (half, "kind"))
    return Passage(halves=halves, order=tuple(sentences))


def places_for(thing: Thing) -> list[str]:
    """The places where such a thing may well be."""
    everywhere = languages()["eng_Latn"].places
    known = _OUTDOORS if thing.kind in _STAYS_OUTDOORS else [place for place in everywhere if place not in _WILD]
    return [place for place in known if not thing.key.endswith(f".{place}")]


def _two_things(rng: Random) -> tuple[str, str]:
    while True:
        first, second = rng.sample(told_things(), 2)
        names = [things()[key].names for key in (first, second)]
        if not any(a in b or b in a for a, b in ((names[0][tag], names[1][tag]) for tag in names[0])):
            return first, second


def ask_all(passage: Passage, count: int, rng: Random) -> list[Question]:
    """`count` questions on a passage, each of another sort."""
    owns = any(told.relation == "has" for told in passage.halves)
    return [ask(passage, sort, rng) for sort in rng.sample(QUESTIONS if owns else _WITHOUT_OWNERS, count)]


def ask(passage: Passage, sort: str, rng: Random) -> Question:
    """One question of a sort of `QUESTIONS`: the right answer, the other half's, and two untold."""
    halves = [half for half in (0, 1) if sort != "owned" or passage.halves[half].relation == "has"]
    half = rng.choice(halves)
    own, other = passage.halves[half], passage.halves[1 - half]
    right, near, pool = _candidates(sort, own, other)
    far = rng.sample([key for key in pool if key not in {right, near}], 3)
    options = [right, *dict.fromkeys([near, *far])][:4] if near != right else [right, *far]
    rng.shuffle(options)
    what = own.relation if sort == "owner" else sort
    return Question(ask=what, half=half, options=tuple(options), correct=options.index(right))


def _candidates(sort: str, own: Told, other: Told) -> tuple[str, str, Sequence[str]]:
    if sort == "kind":
        kinds = [things()[told.thing].kind for told in (own, other)]
        return kinds[0], kinds[1], sorted({things()[key].kind for key in told_things()})
    if sort == "at":
        return own.place, other.place, places_for(things()[own.thing])
    if sort == "owner":
        return own.person, other.person, sorted(people())
    return own.thing, other.thing, told_things()


def passage_text(passage: Passage, language: Language) -> str:
    """The passage in a language."""
    return " ".join(_sentence(passage.halves[half], what, language) for half, what in passage.order)


def question_text(question: Question, passage: Passage, language: Language) -> str:
    """The question in a language."""
    told = passage.halves[question.half]
    template = language.questions[question.ask]
    return capitalised(template.format(**_words(told, language), value=language.places[told.place]))


def answer_texts(question: Question, language: Language) -> list[str]:
    """The four answers in a language, in the question's order."""
    return [_answer(question.ask, key, language) for key in question.options]


def _answer(asked: str, key: str, language: Language) -> str:
    if asked in {"owned", "there"}:
        return things()[key].names[language.tag]
    if asked in {"has", "likes"}:
        return language.answers.get(asked, "{p}").format(p=person_name(key, language))
    return (language.kinds if asked == "kind" else language.places)[key]


def _sentence(told: Told, what: str, language: Language) -> str:
    kind = language.kinds[things()[told.thing].kind]
    value = kind if what == "kind" else language.places[told.place]
    template = language.sentences[told.relation if what == "told" else what]
    return capitalised(template.format(**_words(told, language), value=value))


def _words(told: Told, language: Language) -> Mapping[str, str]:
    thing = things()[told.thing]
    return {
        "p": person_name(told.person, language),
        "x": thing.names[language.tag],
        "agreed": thing.agreed.get(language.tag, ""),
    }


def person_name(person: str, language: Language) -> str:
    """A person's name in the language's script."""
    return people()[person].get(language.tag, person)
