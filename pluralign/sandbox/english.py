"""The few forms of English words that the templates need: -s, -ing, a or an, a capital."""

from collections.abc import Callable

_TAKES_S = {"have": "has", "go": "goes", "do": "does"}
_DOUBLED = frozenset({"run", "cut", "sit", "swim", "put", "stop", "dig", "hop", "get", "hit", "dip", "stir"})
_SIBILANTS = ("s", "sh", "ch", "x", "z")
_VOWELS = "aeiou"


def third_person(phrase: str) -> str:
    """`carry people` → `carries people`; every verb of `X and Y` is bent."""
    return _bend(phrase, _third_person)


def progressive(phrase: str) -> str:
    """`run fast` → `running fast`; every verb of `X and Y` is bent."""
    return _bend(phrase, _progressive)


def with_article(noun: str, *, mass: bool) -> str:
    """`a hammer`, `an owl`; nothing before mass nouns and plurals."""
    if mass or (noun.endswith("s") and not noun.endswith(("ss", "us"))):
        return noun
    return f"{'an' if noun[0].lower() in _VOWELS else 'a'} {noun}"


def capitalised(text: str) -> str:
    """The text with its first letter a capital."""
    return text[:1].upper() + text[1:]


def _bend(phrase: str, verb_form: Callable[[str], str]) -> str:
    verb, _, rest = phrase.partition(" ")
    if rest.startswith("and "):
        rest = f"and {_bend(rest.removeprefix('and '), verb_form)}"
    return f"{verb_form(verb)} {rest}".strip()


def _third_person(verb: str) -> str:
    if verb in _TAKES_S:
        return _TAKES_S[verb]
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(_SIBILANTS) else f"{verb}s"


def _progressive(verb: str) -> str:
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ing"
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith("ee"):
        return f"{verb[:-1]}ing"
    return f"{verb}ing"
