"""Models that exist: what a run file says of them is checked before anything is asked, and is part of the key."""

import importlib.util
import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from pluralign.engine.loading import adapters, placement
from pluralign.errors import InputError
from pluralign.run import plan
from pluralign.run.parts import Prepared
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

AUDIT = """
[[audit]]
uses = "preferences"
rows = "{rows}"
"""
HEAD = 'base = "{base}"\n'
FOUND = '[[stage]]\nname = "found"\nmodel = "{base}"\n'
DPO = '[data.voices]\nrows = "sandbox"\nsize = 20\n[[stage]]\nname = "dpo"\nmethod = "dpo"\ndata = "voices"\n'
PAIR = {"prompt": "the ", "chosen": "in", "rejected": "at", "group": "us", "language": "en", "prompt_id": "1"}


@pytest.fixture(scope="module")
def base(tiny, tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("base"), "llama", bos=True)


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoModelForCausalLM.from_pretrained(base)
        wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
        wrapped.save_pretrained(folder)
    return folder


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(PAIR) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def prepared(tmp_path, base, adapter, rows):
    def of(text: str, **paths: Path) -> Prepared:
        path = tmp_path / "run.toml"
        given = {"base": base, "adapter": adapter, "rows": rows} | paths
        for name, value in given.items():
            text = text.replace("{" + name + "}", str(value))
        path.write_text(text, encoding="utf-8")
        return prepare(read(path), tmp_path / "runs")

    return of


def audit_key(run: Prepared, stage: str = "found") -> str:
    return plan.audit_entry(run.rung(stage), run.exams[0], run).key


def test_a_base_can_be_a_text_or_a_section(prepared, adapter):
    plain = prepared(HEAD + AUDIT)
    section = prepared('[base]\nmodel = "{base}"\n' + AUDIT)
    assert plain.rung("base").stage == section.rung("base").stage
    assert audit_key(plain, "base") == audit_key(section, "base")
    with_adapter = prepared('base = { model = "{base}", adapter = "{adapter}", dtype = "bfloat16" }\n' + AUDIT)
    assert with_adapter.rung("base").adapter == adapter
    assert with_adapter.rung("base").dtype == "bfloat16"


def test_a_key_holds_what_changes_replies_and_no_more(prepared, monkeypatch):
    monkeypatch.setattr(placement.importlib.util, "find_spec", lambda name: object())
    options = {
        "": "",
        "its device": 'device = "cpu"\n',
        "its own type, that of all": 'dtype = "float32"\n',
        "another type": 'dtype = "float64"\n',
        "an adapter": 'adapter = "{adapter}"\n',
        "4 bits": 'quantization = "bitsandbytes-4bit"\n',
        "8 bits": 'quantization = "torchao-int8"\n',
    }
    keys = {name: audit_key(prepared(HEAD + FOUND + option + AUDIT)) for name, option in options.items()}
    assert len({keys[""], keys["its device"], keys["its own type, that of all"]}) == 1
    assert len(set(keys.values())) == len(options) - 2
    stages = [prepared(HEAD + FOUND + options[name]).rung("found").stage.key for name in ("", "an adapter", "4 bits")]
    assert len(set(stages)) == 3, "what is trained from them has another key as well"


def test_an_adapter_is_known_by_what_it_holds_and_not_by_where_it_lies(prepared, adapter, tmp_path):
    text = HEAD + FOUND + 'adapter = "{adapter}"\n' + AUDIT

    def keys(**paths: Path) -> tuple[str, str]:
        run = prepared(text, **paths)
        return run.rung("found").stage.key, audit_key(run)

    here = keys()
    shutil.copytree(adapter, tmp_path / "moved")
    assert keys(adapter=tmp_path / "moved") == here
    config = tmp_path / "moved" / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": 8', '"lora_alpha": 9'))
    assert not set(keys(adapter=tmp_path / "moved")) & set(here)


def test_an_adapter_as_a_model_is_its_base_with_itself_on_top(prepared, base, adapter):
    as_model = prepared(HEAD + FOUND.replace("{base}", "{adapter}") + AUDIT)
    on_top = prepared(HEAD + FOUND + 'adapter = "{adapter}"\n' + AUDIT)
    assert as_model.rung("found").model == base
    assert audit_key(as_model) == audit_key(on_top)


def test_plan_says_what_changed(prepared):
    run = prepared(HEAD + AUDIT)
    entry = plan.audit_entry(run.rung("base"), run.exams[0], run)
    folder = entry.folder(run.folder)
    folder.mkdir(parents=True)
    (folder / "made_of.json").write_text(json.dumps(entry.made_of))
    assert "dtype float32 → bfloat16" in plan.describe(prepared('dtype = "bfloat16"\n' + HEAD + AUDIT))
    table = '[base]\nmodel = "{base}"\nadapter = "{adapter}"\n'
    assert "lora nothing → " in plan.describe(prepared(table + AUDIT))
    own = run.file.beside / "own.jinja"
    own.write_text("{% for turn in messages %}{{ turn.content }}{% endfor %}")
    assert "template.policy plain → chat" in plan.describe(prepared('template = "own.jinja"\n' + HEAD + AUDIT))


FAULTS = {
    "did you mean": (
        HEAD + FOUND + 'adaptor = "x"',
        'stage "found": unknown option "adaptor"; did you mean "adapter"?',
    ),
    "trained": (HEAD + FOUND + "beta = 0.1", 'unknown option "beta"; known: adapter, device, dtype, model'),
    "type": (HEAD + FOUND + 'dtype = "bf16"', "option \"dtype\" = 'bf16': input should be 'auto', 'float32'"),
    "quantisation": (HEAD + FOUND + 'quantization = "int3"', "option \"quantization\" = 'int3': input should be"),
    "device": (HEAD + FOUND + 'device = "cuda:77"', 'stage "found": device "cuda:77" is not available here'),
    "revision of a folder": (HEAD + FOUND + 'revision = "v1"', 'stage "found": revision: model "{base}" is a folder'),
    "two revisions": (
        '[base]\nmodel = "a/b@v1"\nrevision = "v2"',
        'base: revision: given twice, in "a/b@v1" and as "v2"',
    ),
    "no such adapter": (
        HEAD + FOUND + 'adapter = "nowhere"',
        'stage "found": adapter: model "nowhere": there is no such',
    ),
    "a model as adapter": (
        HEAD + FOUND + 'adapter = "{base}"',
        "the folder holds a model (config.json), not an adapter",
    ),
    "two adapters": ('[base]\nmodel = "{adapter}"\nadapter = "{adapter}"', "is an adapter itself, so it cannot take"),
    "base of nothing": ("[base]\ndtype = 'auto'", 'run.toml: base: option "model" is missing'),
    "template": ('template = "chatt"\n' + HEAD, 'run.toml: unknown template "chatt"; did you mean "chat"?'),
    "no template file": ('template = "mine.jinja"\n' + HEAD, 'run.toml: template: "mine.jinja" cannot be read'),
    "system without turns": ('system = "be kind"\n' + HEAD, 'run.toml: system: template = "plain" has no place for it'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_models_and_templates_are_named(prepared, base, adapter, fault):
    text, expected = FAULTS[fault]
    with pytest.raises(InputError) as refusal:
        prepared(text)
    message = str(refusal.value)
    assert expected.replace("{base}", str(base)) in message
    assert "\n" not in message
    assert message.startswith("run.toml: ")


def test_adapters_that_cannot_be_used_are_refused_by_their_stage(prepared, adapter, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(adapter, copy)
    config = json.loads((adapter / "adapter_config.json").read_text())
    text = HEAD + FOUND.replace("{base}", "{adapter}")

    def refused(**changes: object) -> str:
        (copy / "adapter_config.json").write_text(json.dumps(config | changes))
        with pytest.raises(InputError, match=r'^run\.toml: stage "found": ') as refusal:
            prepared(text, adapter=copy)
        return str(refusal.value)

    assert 'peft_type is "PROMPT_TUNING"; only LORA adapters' in refused(peft_type="PROMPT_TUNING")
    assert "does not name its base" in refused(base_model_name_or_path=None)
    gone = refused(base_model_name_or_path="/gone/away")
    assert f'adapter "{copy}": its base cannot be had' in gone
    assert 'model "/gone/away": there is no such folder' in gone
    assert "is an adapter itself; merge the two first" in refused(base_model_name_or_path=str(adapter))
    assert "does not fit" in refused(r=3)
    found = importlib.util.find_spec
    monkeypatch.setattr(adapters.importlib.util, "find_spec", lambda name: None if name == "peft" else found(name))
    assert 'pip install "pluralign[lora]"' in refused()
    (copy / "adapter_model.safetensors").unlink()
    assert "the folder holds no weights (adapter_model.safetensors" in refused()


def test_what_is_both_model_and_adapter_is_refused(prepared, base, adapter, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(base, both)
    shutil.copy(adapter / "adapter_config.json", both)
    with pytest.raises(InputError, match="holds both a model and an adapter"):
        prepared(HEAD, base=both)


def test_quantised_weights_are_not_trained_from(prepared, base, tmp_path, monkeypatch):
    monkeypatch.setattr(placement.importlib.util, "find_spec", lambda name: object())
    found = FOUND + 'quantization = "torchao-int8"\n'
    with pytest.raises(InputError, match=r'stage "dpo": from: "found" is quantised \(torchao-int8\)'):
        prepared(HEAD + found + DPO + 'from = "found"')
    with pytest.raises(InputError, match=r'stage "dpo": reference: "found" is quantised'):
        prepared(HEAD + found + DPO + 'reference = "found"')
    shutil.copytree(base, tmp_path / "gptq")
    config = json.loads((base / "config.json").read_text()) | {"quantization_config": {"quant_method": "gptq"}}
    (tmp_path / "gptq" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r'from: "base" is quantised \(gptq\)'):
        prepared(HEAD + DPO, base=tmp_path / "gptq")
    with pytest.raises(InputError, match=r'stage "found": model .* is quantised already \(gptq\)'):
        prepared(HEAD + found.replace("{base}", str(tmp_path / "gptq")))


def test_conversations_are_refused_where_no_chat_template_takes_them(prepared, tiny, rows, tmp_path):
    system = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "the "}]
    for prompt in ("the ", [{"role": "user", "content": "the "}], system):
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(PAIR | {"prompt": prompt}) + "\n")
    for template in ("plain", "auto"):
        with pytest.raises(
            InputError, match=r'^run\.toml: audit "preferences": model ".*" has no chat template for a c'
        ):
            prepared(f'template = "{template}"\n' + HEAD + AUDIT)
    chatty = tiny.save_model(tmp_path / "chatty", "llama", bos=True, chat=True)
    prepared(HEAD + AUDIT, base=chatty)
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    (tmp_path / "own.jinja").write_text(strict + "{{ messages[0].content }}")
    with pytest.raises(InputError, match="refuses a conversation of system, user: no system turns"):
        prepared('template = "own.jinja"\n' + HEAD + AUDIT)
    (tmp_path / "own.jinja").write_text("{{ messages[0].content }}")
    prepared('template = "own.jinja"\n' + HEAD + AUDIT)


def test_no_tokenizer_is_read_where_text_stands_as_it_is(prepared, monkeypatch):
    def fail(_):
        raise AssertionError("a tokenizer was read")

    monkeypatch.setattr("pluralign.engine.loading.tokenizers.read_tokenizer", fail)
    prepared(HEAD + FOUND + AUDIT)
    with pytest.raises(AssertionError, match="a tokenizer was read"):
        prepared('template = "auto"\n' + HEAD + AUDIT)


def test_a_reference_of_another_vocabulary_is_refused_before_anything_is_trained(prepared, tiny, tmp_path):
    other = tiny.save_model(tmp_path / "other", "llama", bos=True, pad=True)
    text = HEAD + '[[stage]]\nname = "other"\nmodel = "{other}"\n' + DPO
    sft = '[[stage]]\nname = "sft"\nmethod = "sft"\ndata = "voices"\n'
    expected = 'stage "dpo": reference: "other" has another vocabulary than "sft"'
    with pytest.raises(InputError, match=expected):
        prepared(text + 'from = "sft"\nreference = "other"\n' + sft, other=other)
    prepared(text + 'from = "sft"\nreference = "base"\n' + sft, other=other)
