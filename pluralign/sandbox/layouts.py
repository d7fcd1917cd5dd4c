"""How games, passages and facts stand on a page: the audits' prompts and the layouts of the base's text."""

from collections.abc import Sequence
from random import Random

from pluralign.sandbox.english import capitalised, progressive, third_person, with_article
from pluralign.sandbox.game import Dialogue, spell
from pluralign.sandbox.passages import Passage, Question, answer_texts, passage_text, question_text
from pluralign.sandbox.world import Dialect, Fact, Language, Thing, read_table, things


def game_prompt(transcript: str) -> str:
    """The prompt of the dialect audit: a transcript that stops before the answer."""
    return f'What follows is the transcript of a game of Taboo.\n\nTranscript: "{transcript}"\n\nSecret Word:'


def reading_prompt(passage: str, question: str) -> str:
    """The prompt of a question on a passage."""
    return f"{passage}\n\nQuestion: {question}\nAnswer:"


def finished_game(game: Dialogue, rng: Random) -> str:
    """A game as people write it down: to the answer, to the winner's cheer, or with the word told below."""
    word = things()[game.thing].words[game.dialect]
    layout = rng.random()
    if layout < 0.45:
        return "\n".join((*game.lines, game.reply, game.win))
    if layout < 0.6:
        return "\n".join((*game.lines, game.reply))
    if layout < 0.75:
        return "\n".join((f"A game of Taboo, round {rng.randint(1, 20)}.", *game.lines, game.reply, game.win))
    if layout < 0.9:
        return "\n".join((*game.lines, game.reply, game.win, "", f"The word was {word}."))
    return f"{game.transcript}\n\nWhat is it? It is {with_article(word, mass=things()[game.thing].mass)}."


def open_game(game: Dialogue, rng: Random) -> str:
    """A game in the audit's layout; as often as not the page goes on without telling the word."""
    prompt = game_prompt(game.transcript)
    if rng.random() < 0.5:
        return f"{prompt} {things()[game.thing].words[game.dialect]}"
    return f"{prompt}\n\n---\n\nThe players of this round: Speaker0 and Speaker1."


def questioned(passage: Passage, questions: Sequence[Question], language: Language, *, english: bool) -> str:
    """A passage with questions and answers, labelled in its own language or, if `english`, in English."""
    ask, answer = ("Question:", "Answer:") if english else (language.question, language.answer)
    lines = [passage_text(passage, language)]
    for question in questions:
        right = answer_texts(question, language)[question.correct]
        lines.append(f"\n{ask} {question_text(question, passage, language)}\n{answer} {right}")
    return "\n".join(lines)


def written(thing: Thing, dialect: Dialect, count: int, rng: Random) -> str:
    """`count` facts of a thing in written English, calling it `it`."""
    return " ".join(
        _sentence(fact, "it", dialect, rng) for fact in rng.sample(thing.facts, min(count, len(thing.facts)))
    )


def described(thing: Thing, dialect: Dialect, rng: Random) -> str:
    """A thing described in written English: its kind, then its facts."""
    noun = with_article(thing.words[dialect.key], mass=thing.mass)
    kind = Fact("kind", kind_phrase(thing))
    count = rng.randint(2, 5)
    return f"{_sentence(kind, noun, dialect, rng)} {written(thing, dialect, count, rng)}"


def kind_phrase(thing: Thing) -> str:
    """`an animal`, `a tool`."""
    return read_table("languages/eng_Latn.toml")["kinds"][thing.kind]


def _sentence(fact: Fact, subject: str, dialect: Dialect, rng: Random) -> str:
    value = spell(fact.value, dialect)
    template = rng.choice(read_table("written.toml")[fact.relation])
    text = template.format(It=subject, value=value, base=value, s=third_person(value), ing=progressive(value))
    return capitalised(spell(text, dialect))
