"""Models of the hub are checked once they are here; what is fetched is no more than what is needed."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.utils import filter_repo_objects

from pluralign.data.hub import resolve
from pluralign.errors import InputError

CONFIG = '{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}'
WHOLE = {"config.json": CONFIG, "tokenizer.json": "{}", "model.safetensors": "x"}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that holds one repository of the given files."""

    def holding(files: dict[str, str]) -> Path:
        folder = tmp_path / "c0ffee"

        def fetch(name: str, *, revision: str | None, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
            wanted = filter_repo_objects(files, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns)
            for file in wanted:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(files[file])
            return str(folder)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
        return folder

    return holding


def there(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def get(name: str = "lab/model"):
    return resolve(name, beside=Path(), place="run.toml: base")


def test_old_weights_and_folders_stay_on_the_hub(hub):
    unused = dict.fromkeys(("pytorch_model.bin", "original/model.safetensors", "consolidated.safetensors"), "x")
    folder = hub(WHOLE | unused | {"onnx/config.json": "{}"})
    assert get().folder == folder
    assert there(folder) == set(WHOLE)


def test_old_weights_come_where_there_are_no_others(hub):
    files = {name: text for name, text in WHOLE.items() if name != "model.safetensors"} | {"pytorch_model.bin": "x"}
    folder = hub(files | {"training_args.bin": "x", "original/model.safetensors": "x"})
    get()
    assert there(folder) == set(files)


@pytest.mark.parametrize("absent", WHOLE)
def test_a_snapshot_that_is_no_model_is_refused(hub, absent):
    hub({"README.json": "{}"} | {name: text for name, text in WHOLE.items() if name != absent})
    with pytest.raises(InputError, match=r"run\.toml: base: model .*holds no"):
        get()


def test_a_model_that_cannot_be_had_is_named_in_one_line(monkeypatch):
    def fail(*_, **__):
        raise OSError("No such repository.\nTry again")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(InputError) as refusal:
        get()
    assert str(refusal.value) == (
        'run.toml: base: model "lab/model" is no folder here and cannot be had from the hub: No such repository'
    )


def test_a_bare_word_is_told_how_hub_ids_are_written():
    with pytest.raises(InputError, match=r'base: model "nowhere": .* owner/name \(gpt2 is openai-community/gpt2\)'):
        get("nowhere")


def test_an_adapter_of_the_hub_brings_the_base_that_it_names(monkeypatch, tmp_path):
    seen: list[tuple[str, str | None]] = []
    named = '{"peft_type": "LORA", "base_model_name_or_path": "lab/base", "revision": "v2"}'
    shelves = {"lab/base": WHOLE, "lab/lora": {"adapter_config.json": named, "adapter_model.safetensors": "x"}}

    def fetch(name: str, *, revision: str | None, **_: object) -> str:
        seen.append((name, revision))
        folder = tmp_path / name / (revision or "main")
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in shelves[name].items():
            (folder / file).write_text(text)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    found = get("lab/lora@v1")
    assert seen == [("lab/lora", "v1"), ("lab/base", "v2")]
    assert found.adapter is not None
    assert (found.files.name, found.files.commit) == ("lab/base", "v2")
    assert (found.adapter.name, found.adapter.commit) == ("lab/lora", "v1")
    on_top = resolve("lab/base", revision="v2", adapter="lab/lora@v1", beside=Path(), place="run.toml: base")
    assert on_top == found


def test_a_fingerprint_is_of_the_commit_or_of_the_files(hub, tmp_path):
    hub(WHOLE)
    first, again, other = get(), get(), get("lab/other")
    assert first.files.fingerprint() == again.files.fingerprint() != other.files.fingerprint()
    folder = tmp_path / "folder"
    folder.mkdir()
    for file, text in WHOLE.items():
        (folder / file).write_text(text)
    before = get(str(folder)).files.fingerprint()
    (folder / "README.md").write_text("words")
    assert get(str(folder)).files.fingerprint() == before
    (folder / "model.safetensors").write_text("y")
    assert get(str(folder)).files.fingerprint() != before
