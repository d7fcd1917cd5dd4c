"""What cannot be used is refused before anything is computed; a key holds what results depend on and no more."""

import json
from pathlib import Path

import pytest

from pluralign.engine.loading.load import make_reward_model, save
from pluralign.errors import InputError
from pluralign.run import plan
from pluralign.run.parts import Prepared
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

HEAD = """
base = "{base}"
[data.voices]
rows = "sandbox"
size = 40
held_out = 0.25
"""
REWARD = """
[[stage]]
name = "judge"
method = "reward"
data = "voices"
"""
DPO = """
[[stage]]
name = "dpo"
method = "dpo"
from = "base"
data = "voices"
"""
AUDIT = """
[[audit]]
uses = "preferences"
data = "voices"
"""


@pytest.fixture(scope="module")
def base(tiny, tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("base"), "llama", bos=True)


@pytest.fixture(scope="module")
def judge(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    save(*make_reward_model(base, seed=0), folder)
    return folder


@pytest.fixture
def prepared(tmp_path, base):
    def of(text: str, **paths: Path) -> Prepared:
        path = tmp_path / "run.toml"
        path.write_text(text.format(**({"base": base} | paths)), encoding="utf-8")
        return prepare(read(path), tmp_path / "runs")

    return of


def test_a_reference_that_is_a_reward_model_is_refused(prepared):
    with pytest.raises(InputError, match=r'stage "dpo".*reference: "judge" is a reward model'):
        prepared(HEAD + REWARD + DPO + 'reference = "judge"')


def test_a_finished_reward_model_joins_as_one(prepared, judge):
    existing = '[[stage]]\nname = "found"\nmodel = "{judge}"\n'
    assert prepared(HEAD + existing, judge=judge).rung("found").stage.kind == "reward"
    assert prepared(HEAD + existing, judge=prepared(HEAD).rung("base").model).rung("found").stage.kind == "model"
    with pytest.raises(InputError, match='from: "found" is a reward model'):
        prepared(HEAD + existing + DPO.replace('from = "base"', 'from = "found"'), judge=judge)


def test_a_reward_model_is_no_base(prepared, judge):
    with pytest.raises(InputError, match=r"run\.toml: base: .* is a reward model"):
        prepared(HEAD, base=judge)


def test_a_classifier_of_many_labels_is_refused(prepared, judge, tmp_path):
    for file in judge.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((judge / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"id2label": {"0": "a", "1": "b", "2": "c"}}))
    with pytest.raises(InputError, match=r"base: .* classifier of 3 labels"):
        prepared(HEAD, base=tmp_path)


def test_chat_needs_a_template(prepared, tiny, base, tmp_path):
    with pytest.raises(InputError, match=r'audit "preferences": model ".*base.*" has no chat template for template'):
        prepared('template = "chat"\n' + HEAD + AUDIT)
    chatty = tiny.save_model(tmp_path / "chatty", "llama", bos=True, chat=True)
    prepared('template = "chat"\n' + HEAD + AUDIT, base=chatty)
    existing = '[[stage]]\nname = "found"\nmodel = "{found}"\n'
    with pytest.raises(InputError, match=r'audit "preferences": model ".*base.*" has no chat template'):
        prepared('template = "chat"\n' + HEAD + existing + AUDIT, base=chatty, found=base)


@pytest.mark.parametrize("template", ["chat", "auto"])
def test_a_dialogue_in_one_text_is_not_put_into_a_chat_template(prepared, tiny, tmp_path, template):
    opening = "\n\nHuman: the {}\n\nAssistant:"
    rows = [{"prompt": opening.format(n), "chosen": " in", "rejected": " at"} for n in range(12)]
    whose = {"group": "us", "language": "en", "prompt_id": "1"}
    mixed = [rows[0] | {"prompt": "the?"} | whose, rows[1] | whose]
    for name, table in (("talk", rows), ("more", mixed)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    chatty = tiny.save_model(tmp_path / "chatty", "llama", bos=True, chat=True)
    talk = HEAD.replace('rows = "sandbox"\nsize = 40', 'uses = "hh_rlhf"\nrows = "talk.jsonl"') + DPO
    refused = r'dialogues .* in one text, which the chat template of model ".*chatty" would take for one turn; '
    with pytest.raises(InputError, match=rf'^run\.toml: stage "dpo": its prompts are {refused}.*form = "messages"'):
        prepared(f'template = "{template}"\n' + talk, base=chatty)
    prepared(talk, base=chatty)
    messages = talk.replace('"hh_rlhf"', '"hh_rlhf"\nform = "messages"')
    prepared(f'template = "{template}"\n' + messages, base=chatty)
    audit = HEAD + AUDIT.replace('data = "voices"', 'rows = "more.jsonl"')
    with pytest.raises(InputError, match=rf'^run\.toml: audit "preferences": its prompts are {refused}'):
        prepared(f'template = "{template}"\n' + audit, base=chatty)
    if template == "auto":
        prepared(f'template = "{template}"\n' + talk)


def test_a_row_that_an_audit_cannot_read_is_named_by_its_file(prepared, tmp_path):
    (tmp_path / "shards").mkdir()
    row = {"prompt": "the ", "chosen": "in", "rejected": "at", "group": "us", "language": "en", "prompt_id": "1"}
    for name, given in (("a", [row] * 3), ("b", [row, row | {"chosen": None}])):
        text = "".join(json.dumps(each) + "\n" for each in given)
        (tmp_path / "shards" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    place = r'^run\.toml: audit "preferences": .*shards/b\.jsonl, row 2: column "chosen" is None'
    with pytest.raises(InputError, match=place):
        prepared(HEAD + AUDIT.replace('data = "voices"', 'rows = "shards"'))


def test_a_key_holds_what_results_depend_on(prepared, monkeypatch):
    def key(option: str) -> str:
        return prepared(HEAD + DPO + option).rung("dpo").stage.key

    own = key("")
    for option in ("token_budget = 99", "save_steps = 3", "save_total_limit = 2"):
        assert key(option) == own
    assert key("beta = 0.3") != own
    assert key("eval_steps = 2") != own
    monkeypatch.setattr("pluralign.train.precision.hardware", lambda wish: "cuda bfloat16")
    assert prepared(HEAD + DPO).rung("dpo").stage.key != own


def test_bf16_that_the_hardware_lacks_is_refused_by_its_stage(prepared, monkeypatch):
    monkeypatch.setattr("pluralign.train.precision._native", lambda device: False)
    with pytest.raises(InputError, match=r'stage "dpo".*bf16 = true'):
        prepared(HEAD + DPO + "bf16 = true")


def test_evaluation_needs_data_that_hold_some_out(prepared):
    with pytest.raises(InputError, match=r'stage "dpo": eval_steps: data "voices" holds none out; give it held_out'):
        prepared(HEAD.replace("0.25", "0.0") + DPO + "eval_steps = 2")


def test_a_group_with_the_name_of_everyone_is_refused_before_anything_is_asked(prepared, tmp_path):
    pairs = [{"prompt": "a", "chosen": "b", "rejected": "c", "language": "en", "prompt_id": "1", "group": "all"}]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    own = '[[audit]]\nuses = "preferences"\nrows = "pairs.jsonl"\n'
    with pytest.raises(InputError, match=r'audit "preferences": .*pairs\.jsonl: a group of "group" is called "all"'):
        prepared(HEAD + own)


OWN_AUDIT = """
from dataclasses import dataclass
from pathlib import Path

from pluralign.records.item import Choose, Item
from pluralign.records.measure import Measure

VERSION = 1
DESCRIPTION = "A question from a file."
MEASURES = {"right": Measure("share of right answers")}
SANDBOX = "reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    question: Path


def items(rows, options):
    asked = Choose(prompt=options.question.read_text(), options=(" yes", " no"))
    yield Item(id="1", asks=(asked,), slices={"language": "en"}, cluster="1")


def read(item, replies, options):
    yield from ()
"""


def test_the_key_of_an_audit_holds_the_content_of_its_files_and_not_where_they_lie(prepared, tmp_path):
    def key(file: str) -> str:
        found = prepared(f'{HEAD}[[audit]]\nuses = "own.py"\nrows = "sandbox"\nquestion = "{file}"\n')
        return plan.audit_entry(found.rung("base"), found.exams[0], found).key

    (tmp_path / "own.py").write_text(OWN_AUDIT)
    for file in ("one.txt", "same.txt"):
        (tmp_path / file).write_text("Is it so?")
    own = key("one.txt")
    assert key("same.txt") == own
    (tmp_path / "one.txt").write_text("Is it not so?")
    assert key("one.txt") != own
