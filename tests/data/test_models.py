import json
import subprocess
import sys

import pytest

from pluralign.data.models import check_model
from pluralign.errors import InputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def test_a_folder_with_all_files_and_a_hub_id_pass(folder):
    check_model(str(folder))
    check_model("Qwen/Qwen2.5-0.5B")


@pytest.mark.parametrize(
    ("absent", "complaint"),
    [("config.json", "config.json"), ("model.safetensors", "weights"), ("tokenizer.json", "tokenizer")],
)
def test_a_folder_that_lacks_a_file_is_refused(folder, absent, complaint):
    (folder / absent).unlink()
    with pytest.raises(InputError, match=complaint):
        check_model(str(folder))


def test_every_shard_must_be_there(folder):
    (folder / "model.safetensors").rename(folder / "model-1-of-2.safetensors")
    shards = {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(InputError, match="names model-2"):
        check_model(str(folder))
    (folder / "model-2-of-2.safetensors").write_bytes(b"x")
    check_model(str(folder))


@pytest.mark.parametrize("config", ["{}", "[]", "no json", '{"a": '])
def test_a_config_that_says_nothing_is_refused(folder, config):
    (folder / "config.json").write_text(config)
    with pytest.raises(InputError, match="config"):
        check_model(str(folder))


@pytest.mark.parametrize("name", ["no-such-folder", "a/b/c", "./a", "/", "a b/c"])
def test_neither_folder_nor_hub_id(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refusal:
        check_model(name)
    assert "\n" not in str(refusal.value)


def test_checking_needs_no_heavy_library():
    code = "import sys, pluralign.data.models; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
