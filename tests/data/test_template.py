"""One policy says how prompts become text; what the tokenizer puts in front stands there once; the record says it."""

import hashlib

import pytest

from pluralign.data.render import as_text, describe, render, render_prompt
from pluralign.data.template import PLAIN, Template, read_template
from pluralign.errors import InputError
from pluralign.records.preference import Message

CHAT, AUTO = Template(policy="chat"), Template(policy="auto")
OWN = Template(policy="chat", jinja="{% for m in messages %}[{{ m.role }}|{{ m.content }}]{% endfor %}")
TALK = (Message(role="user", content="ab"), Message(role="assistant", content="in"), Message(role="user", content="c"))
STRICT = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}{{ messages[0].content }}"
)


def make(tiny, *, bos=True, adds=True, writes=False, chat=True):
    """A tokenizer that has a beginning-of-sequence token, adds it to texts, and whose chat template writes it."""
    made = tiny.make_tokenizer(bos=bos)
    if bos and not adds:
        made.backend_tokenizer.post_processor = None
    if chat:
        made.chat_template = ("{{ bos_token }}" if writes else "") + tiny.CHAT
    return made


@pytest.mark.parametrize("chat", [True, False])
def test_a_policy_is_for_text(tiny, chat):
    tokenizer = make(tiny, bos=False, chat=chat)
    assert as_text("ab", tokenizer, PLAIN) == "ab"
    assert as_text("ab", tokenizer, AUTO) == ("<user>ab\n<assistant>" if chat else "ab")
    assert as_text("ab", tokenizer, OWN) == "[user|ab]"
    if chat:
        assert as_text("ab", tokenizer, CHAT) == "<user>ab\n<assistant>"


@pytest.mark.parametrize("template", [PLAIN, CHAT, AUTO], ids=lambda template: template.policy)
def test_conversations_go_through_the_chat_template_under_any_policy(tiny, template):
    text = "<user>ab\n<assistant>in\n<user>c\n<assistant>"
    assert as_text(TALK, make(tiny, bos=False), template) == text
    with pytest.raises(InputError, match=r"has no chat template for a conversation .*template = \"FILE.jinja\""):
        as_text(TALK, make(tiny, chat=False), template)


def test_an_open_turn_of_the_assistant_is_gone_on_with(tiny):
    assert as_text(TALK[:2], make(tiny, bos=False), PLAIN) == "<user>ab\n<assistant>in"


def test_the_declared_system_turn_gives_way_to_a_conversations_own(tiny):
    tokenizer, template = make(tiny, bos=False), Template(policy="chat", system="be kind")
    assert as_text("ab", tokenizer, template) == "<system>be kind\n<user>ab\n<assistant>"
    own = (Message(role="system", content="be brief"), *TALK[:1])
    assert as_text(own, tokenizer, template) == "<system>be brief\n<user>ab\n<assistant>"
    assert as_text("ab", make(tiny, chat=False), Template(policy="auto", system="be kind")) == "ab"


@pytest.mark.parametrize("prompt", ["ab", TALK, ""], ids=["text", "talk", "empty"])
@pytest.mark.parametrize("policy", ["plain", "chat"])
@pytest.mark.parametrize(("adds", "writes"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_beginning_stands_once_where_anyone_writes_it(tiny, adds, writes, policy, prompt):
    tokenizer = make(tiny, adds=adds, writes=writes)
    template = Template(policy=policy)
    through_chat = policy == "chat" or not isinstance(prompt, str)
    wanted = adds or (writes and through_chat) or prompt == as_text(prompt, tokenizer, template) == ""
    fork = render(prompt, ["in", "at"], tokenizer, template=template, end=False)
    for ids in (fork.prompt, render_prompt(prompt, tokenizer, template)):
        assert ids.count(tokenizer.bos_token_id) == wanted
        assert (ids[0] == tokenizer.bos_token_id) == wanted
    found = describe(tokenizer, template)
    assert found["bos_from"] == ("template" if writes and policy == "chat" else "tokenizer" if adds else None)
    assert found["bos"] == (None if found["bos_from"] is None else "<start>")


def test_a_front_of_several_tokens_is_not_doubled_either(tiny):
    tokenizer = make(tiny, bos=True)
    start = tokenizer.bos_token_id
    from tokenizers import processors

    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> <end> $A", special_tokens=[("<start>", start), ("<end>", tokenizer.eos_token_id)]
    )
    assert render_prompt("ab", tokenizer)[:2] == (start, tokenizer.eos_token_id)
    assert render_prompt("<start>ab", tokenizer).count(start) == 1


def test_a_chat_template_that_refuses_is_quoted(tiny):
    tokenizer = make(tiny)
    tokenizer.chat_template = STRICT
    assert as_text("ab", tokenizer, CHAT) == "ab"
    with pytest.raises(InputError, match="the chat template refuses a conversation of system, user: no system turns"):
        as_text("ab", tokenizer, Template(policy="chat", system="be kind"))
    with pytest.raises(InputError, match="the chat template refuses a conversation of user"):
        as_text("ab", tokenizer, Template(policy="chat", jinja="{% for %}"))


def test_of_several_chat_templates_the_default_is_taken(tiny):
    tokenizer = make(tiny, bos=False)
    tokenizer.chat_template = {"default": "D{{ messages[0].content }}", "tools": "T"}
    assert as_text("ab", tokenizer, AUTO) == "Dab"
    tokenizer.chat_template = {"tools": "T", "rag": "R"}
    assert as_text("ab", tokenizer, PLAIN) == as_text("ab", tokenizer, AUTO) == "ab"
    with pytest.raises(InputError, match="has no default chat template"):
        as_text("ab", tokenizer, CHAT)


def test_the_record_names_the_chat_template_by_its_hash(tiny):
    tokenizer = make(tiny, bos=False)
    found = describe(tokenizer, CHAT)
    assert found["chat_template"] == hashlib.sha256(tokenizer.chat_template.encode()).hexdigest()
    assert found["example"] == "<user>Hello\n<assistant>"
    own = describe(tokenizer, OWN)
    assert (own["own_file"], own["chat_template"]) == (True, hashlib.sha256(OWN.jinja.encode()).hexdigest())
    assert describe(make(tiny, chat=False), PLAIN)["chat_template"] is None


def test_a_key_tells_templates_apart(tmp_path):
    path = tmp_path / "mine.jinja"
    path.write_text("{{ messages }}", encoding="utf-8")
    every = [
        *(read_template(name, None, path) for name in ("plain", "chat", "auto", "mine.jinja")),
        read_template("chat", "be kind", path),
    ]
    assert len({str(template.made_of()) for template in every}) == len(every)
    path.write_text("{{ messages[0].content }}", encoding="utf-8")
    assert read_template("mine.jinja", None, path).made_of() != every[3].made_of()
    path.write_text("{{ messages }}", encoding="utf-8")
    moved = path.rename(tmp_path / "moved.jinja")
    assert read_template("moved.jinja", None, moved).made_of() == every[3].made_of()
    with pytest.raises(InputError, match=r'template: "mine\.jinja" cannot be read'):
        read_template("mine.jinja", None, path)
