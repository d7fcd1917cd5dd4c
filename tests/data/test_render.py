import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.data.render import render, render_prompt
from pluralign.data.template import PLAIN, Template
from pluralign.errors import InputError
from pluralign.records.preference import Message

CHAT = Template(policy="chat")
texts = st.text(alphabet="abinthe \né行🙂", max_size=12)


@pytest.fixture(scope="module")
def plain(tiny):
    return tiny.make_tokenizer()


@pytest.fixture(scope="module")
def chatty(tiny):
    return tiny.make_tokenizer(bos=True, chat=True)


@settings(max_examples=60, deadline=None)
@given(prompt=texts, completions=st.lists(texts.filter(bool), min_size=1, max_size=4))
def test_prompt_and_completion_are_the_joint_encoding(plain, prompt, completions):
    fork = render(prompt, completions, plain, end=False)
    for text, completion in zip(completions, fork.completions, strict=True):
        joint = plain(prompt + text).input_ids
        whole = list(fork.prompt + completion)
        assert whole in (joint, [plain.eos_token_id, *joint])


def test_a_token_across_the_boundary_belongs_to_the_completion(plain):
    fork = render("see t", ["he end", "wo"], plain, end=False)
    assert plain.decode(fork.prompt) == "see"
    assert plain.convert_ids_to_tokens(fork.completions[0][0]) == "Ġthe"
    assert plain.decode(fork.completions[1]) == " two"


def test_permuting_completions_permutes_them(plain):
    forward = render("a t", ["he", "in", "at"], plain, end=False)
    backward = render("a t", ["at", "in", "he"], plain, end=False)
    assert forward.prompt == backward.prompt
    assert forward.completions == backward.completions[::-1]


@pytest.mark.parametrize("prompt", ["ab", "", (Message(role="user", content="ab"),)])
@pytest.mark.parametrize("template", [PLAIN, CHAT, Template(policy="auto")], ids=str)
def test_the_beginning_stands_exactly_once(chatty, prompt, template):
    fork = render(prompt, ["in"], chatty, template=template, end=False)
    whole = fork.prompt + fork.completions[0]
    assert whole[0] == chatty.bos_token_id
    assert whole.count(chatty.bos_token_id) == 1
    assert render_prompt(prompt, chatty, template)[0] == chatty.bos_token_id


def test_a_beginning_that_the_text_brings_is_not_doubled(chatty):
    assert render("<start>ab", ["in"], chatty, end=False) == render("ab", ["in"], chatty, end=False)


def test_an_empty_prompt_is_led_by_the_end_token_where_there_is_no_other(plain):
    assert render("", ["in"], plain, end=False).prompt == (plain.eos_token_id,)
    assert render_prompt("", plain) == (plain.eos_token_id,)


def test_the_end_is_appended_once_and_only_on_request(plain):
    audit = render("a", ["in", "in<end>"], plain, end=False)
    training = render("a", ["in", "in<end>"], plain, end=True)
    assert audit.completions[0][-1] != plain.eos_token_id
    assert training.completions[0] == training.completions[1] == (*audit.completions[0], plain.eos_token_id)


def test_chat_makes_a_turn_of_text(chatty):
    as_text = render("ab", ["in"], chatty, template=CHAT, end=False)
    as_turn = render((Message(role="user", content="ab"),), ["in"], chatty, end=False)
    assert as_text == as_turn
    assert chatty.decode(as_text.prompt) == "<start><user>ab\n<assistant>"


def test_what_cannot_be_rendered_is_refused(plain):
    conversation = (Message(role="user", content="ab"), Message(role="assistant", content="c"))
    with pytest.raises(InputError, match="no chat template"):
        render(conversation, ["d"], plain, end=False)
    with pytest.raises(InputError, match="completion 1 is empty"):
        render("ab", ["d", ""], plain, end=False)
    with pytest.raises(InputError, match="completion 1 has 7 tokens after a prompt of 2, and the model takes 8"):
        render("ab", ["d", "dcdcdcd"], plain, end=False, max_tokens=8)
    assert render("ab", ["d", "dcdcdc"], plain, end=False, max_tokens=8)
