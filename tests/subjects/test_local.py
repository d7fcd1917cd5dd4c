import math
import re

import pytest
import torch

from pluralign.asking.ask import decode, encode
from pluralign.audits import dialects
from pluralign.data.template import Template
from pluralign.errors import InputError
from pluralign.records.item import Choose, Item, Score, Write
from pluralign.records.preference import Message
from pluralign.run.tokens import count_tokens
from pluralign.subjects.local import LocalSubject


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("llama"), "llama", bos=True, chat=True)


@pytest.fixture(scope="module")
def subject(folder):
    return LocalSubject.load("base", folder, device="cpu")


def item(name, *asks):
    return Item(id=name, asks=asks, slices={"language": "en"}, cluster=name)


ITEMS = [
    item(
        "a", Choose(prompt="the cat is ", options=("in", "out", "a long way off")), Write(prompt="the ", max_tokens=5)
    ),
    item("b", Score(prompt="at", completions=("the",))),
    item("c", Write(prompt="in the ", max_tokens=3), Write(prompt="b", max_tokens=5, stop=("a",))),
]


def asked(replies):
    return {(reply.item, reply.ask): reply for reply in replies}


def test_every_ask_gets_its_reply(subject):
    replies = asked(subject.answer(ITEMS))
    assert set(replies) == {("a", 0), ("a", 1), ("b", 0), ("c", 0), ("c", 1)}
    assert len(replies["a", 0].logprobs) == len(replies["a", 0].tokens) == 3
    assert all(replies[key].text is not None for key in (("a", 1), ("c", 0), ("c", 1)))
    assert subject.answers == {Choose, Score, Write}


def test_log_probabilities_are_the_models_own(subject):
    reply = asked(subject.answer(ITEMS[1:2]))["b", 0]
    joint = torch.tensor([subject.tokenizer("atthe").input_ids])
    start = joint.shape[1] - reply.tokens[0]
    with torch.no_grad():
        table = torch.log_softmax(subject.model(input_ids=joint).logits[0].double(), dim=-1)
    expected = sum(table[place - 1, joint[0, place]].item() for place in range(start, joint.shape[1]))
    assert reply.logprobs[0] == pytest.approx(expected, abs=1e-4)


def test_company_and_order_of_items_do_not_matter(subject):
    together, alone = asked(subject.answer(ITEMS)), {}
    for single in reversed(ITEMS):
        alone |= asked(subject.answer([single]))
    for key, reply in together.items():
        assert reply.text == alone[key].text
        assert reply.logprobs == pytest.approx(alone[key].logprobs, abs=1e-4)


def test_replies_come_before_all_is_asked(folder):
    slow = LocalSubject.load("base", folder, device="cpu")
    many = [item(str(number), Score(prompt="a", completions=("b",))) for number in range(600)]
    stream = slow.answer([*many, item("bad", Score(prompt="a", completions=("",)))])
    first = [next(stream).item for _ in range(512)]
    assert len(set(first)) == 512
    with pytest.raises(InputError, match='item "bad", ask 0: completion 0 is empty'):
        list(stream)


def test_conversations_go_through_the_chat_template(subject):
    turn = (Message(role="user", content="cat"),)
    by_turn, by_text = (
        item("t", Score(prompt=turn, completions=("in",))),
        item("s", Score(prompt="cat", completions=("in",))),
    )
    plain, chat = (
        subject,
        LocalSubject(name="c", model=subject.model, tokenizer=subject.tokenizer, template=Template(policy="chat")),
    )
    assert asked(plain.answer([by_turn]))["t", 0].logprobs == asked(chat.answer([by_text]))["s", 0].logprobs
    assert asked(plain.answer([by_text]))["s", 0].logprobs != asked(chat.answer([by_text]))["s", 0].logprobs


def test_what_is_too_long_is_missing_and_told_in_one_line(subject, caplog):
    long_choice = Choose(prompt="b" * 170, options=("c", "d"))
    odd = [
        item("x", Write(prompt="b" * 100, max_tokens=60), long_choice, Score(prompt="b", completions=("c", "d" * 200)))
    ]
    replies = asked(subject.answer([*ITEMS, *odd]))
    assert len(replies) == 8
    assert replies["x", 0].text is None
    for number in (1, 2):
        assert len(replies["x", number].logprobs) == 2
        assert all(map(math.isnan, replies["x", number].mean_logprobs()))
        assert all(map(math.isnan, decode(encode(replies["x", number])).preferences()))
    alone = asked(subject.answer(ITEMS))
    assert {key: reply.text for key, reply in replies.items() if key in alone} == {
        key: reply.text for key, reply in alone.items()
    }
    [line] = caplog.messages
    assert line.startswith("base: 3 questions are too long for the model and count as missing; the first: ")
    assert re.search(r'item "x", ask 1: .*the model takes 160', line)


def test_what_is_missing_is_read_as_missing(subject, caplog):
    rows = [{"dialect": "en_us", "transcript": "b" * 200, "answer": "cat", "distractors": list("123456789")[:5]}]
    [game] = dialects.items(rows, dialects.Options())
    readings = list(dialects.read(game, list(subject.answer([game])), dialects.Options()))
    assert {reading.measure for reading in readings} == set(dialects.MEASURES)
    assert all(math.isnan(reading.value) for reading in readings)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no config"):
        LocalSubject.load("base", tmp_path)


DRAWS = [
    item("a", Write(prompt="the cat is ", max_tokens=12, temperature=1.0)),
    item("b", *[Write(prompt="at the ", max_tokens=9, temperature=0.8)] * 3, Write(prompt="at the ", max_tokens=9)),
    item("c", Write(prompt="b", max_tokens=12, temperature=1.0)),
]


def test_a_drawn_text_follows_from_prompt_item_and_ask_alone(subject):
    together = asked(subject.answer(DRAWS))
    alone = {key: reply for each in reversed(DRAWS) for key, reply in asked(subject.answer([each])).items()}
    assert together == alone
    texts = [together["b", number].text for number in range(4)]
    assert len(set(texts)) == 4
    renamed = asked(subject.answer([item("z", *DRAWS[1].asks)]))
    assert renamed["z", 0].text != texts[0]
    assert renamed["z", 3].text == texts[3], "the most probable text is the same whoever asks"


def test_a_drawn_text_says_whether_it_ended_by_itself(subject):
    many = [item(str(number), Write(prompt="b", max_tokens=40, temperature=1.5)) for number in range(60)]
    replies = asked(subject.answer(many)).values()
    ended = [reply for reply in replies if reply.ended]
    cut = [reply for reply in replies if reply.ended is False]
    assert ended
    assert cut
    assert len(ended) + len(cut) == 60
    assert [decode(encode(reply)) for reply in replies] == list(replies)
    assert asked(subject.answer(ITEMS))["a", 1].ended is None


def test_a_whole_answer_is_scored_with_its_end_token(subject):
    texts = ("the", "at")
    part, whole, empty = (
        asked(subject.answer([item("s", Score(prompt="b", completions=some, end=end))]))["s", 0]
        for some, end in ((texts, False), (texts, True), (("",), True))
    )
    end = subject.tokenizer.eos_token_id
    for text, without, with_end in zip(texts, part.logprobs, whole.logprobs, strict=True):
        ids = torch.tensor([subject.tokenizer("b" + text).input_ids])
        with torch.no_grad():
            last = torch.log_softmax(subject.model(input_ids=ids).logits[0, -1].double(), dim=-1)
        assert with_end == pytest.approx(without + last[end].item(), abs=1e-4)
    assert whole.tokens == tuple(count + 1 for count in part.tokens)
    assert empty.tokens == (1,)
    assert count_tokens(subject, [item("s", Score(prompt="b", completions=("",), end=True))])[False].read == 3
