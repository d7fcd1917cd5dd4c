"""An answer that is begun: scored on what follows, and read to its end by a reward model."""

import pytest

from pluralign.data.template import Template
from pluralign.engine.loading.load import make_reward_model, save
from pluralign.records.item import Ask, Item, Score
from pluralign.records.preference import Message
from pluralign.records.reply import Reply
from pluralign.subjects.local import LocalSubject
from pluralign.subjects.reward import RewardSubject

BEGUN = Score(prompt="which hat?", completions=(" the cat", " a bat"), opening="I like", closing=" best.")
AT_ONCE = Score(prompt="which hat?", completions=("The cat", "A bat"), opening="", closing=".")


def answer(subject: LocalSubject | RewardSubject, ask: Ask) -> Reply:
    (reply,) = subject.answer([Item(id="a", asks=(ask,), slices={}, cluster="a")])
    return reply


@pytest.fixture(scope="module")
def chatty(tiny, tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("chat"), "llama", bos=True, chat=True)


def test_in_plain_text_an_opening_follows_the_prompt(chatty) -> None:
    subject = LocalSubject.load("base", chatty, device="cpu")
    assert answer(subject, BEGUN) == answer(
        subject, Score(prompt="which hat? I like", completions=(" the cat", " a bat"))
    )
    at_once = answer(subject, Score(prompt="which hat? ", completions=("The cat", "A bat")))
    assert answer(subject, AT_ONCE) == at_once


@pytest.mark.parametrize("policy", ["chat", "auto"])
def test_in_a_chat_template_it_begins_the_assistants_turn(chatty, policy) -> None:
    subject = LocalSubject.load("base", chatty, device="cpu", template=Template(policy=policy))
    turns = (Message(role="user", content="which hat?"), Message(role="assistant", content="I like"))
    assert answer(subject, BEGUN) == answer(subject, Score(prompt=turns, completions=(" the cat", " a bat")))
    assert answer(subject, AT_ONCE) == answer(subject, Score(prompt="which hat?", completions=("The cat", "A bat")))


def test_a_reward_model_reads_the_whole_answer(tiny, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("reward")
    save(*make_reward_model(tiny.save_model(tmp_path_factory.mktemp("base"), "llama"), seed=0), folder)
    subject = RewardSubject.load("reward", folder, device="cpu")
    whole = answer(subject, Score(prompt="which hat? I like", completions=(" the cat best.", " a bat best.")))
    assert answer(subject, BEGUN) == whole
    assert answer(subject, Score(prompt="which hat?", completions=BEGUN.completions, opening="I like")) != whole
