"""Is this a causal language model? Found out from names and files alone, before any heavy library is imported."""

import json
import re
from pathlib import Path
from typing import Any

from pluralign.errors import InputError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
CHAT_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates", "tekken.json")
CLASSIFIER = "ForSequenceClassification"
"""How the architecture of a classifier's checkpoint ends in its `config.json`; a reward model has one label."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "spiece.model")


def check_model(model: str) -> None:
    """Refuse what cannot be a model: neither a folder with a model's files, nor a hub id of the form owner/name.

    Of a folder it checks `config.json` with a `model_type`, the weights (every shard that the index names) and the
    tokenizer; of a hub id the form alone, since whether it exists is known only to the hub.

    Raises: InputError.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        _check_config(folder)
        _check_weights(folder)
        if not any((folder / name).is_file() for name in TOKENIZERS):
            raise InputError(f'model "{model}": the folder holds no tokenizer ({", ".join(TOKENIZERS)})')
    elif folder.exists():
        raise InputError(f'model "{model}" is a file; a model is a folder with config.json, weights and a tokenizer')
    elif not HUB_ID.fullmatch(model):
        raise InputError(
            f'model "{model}": there is no such folder, and a hub id has the form owner/name '
            "(gpt2 is openai-community/gpt2)"
        )


def is_reward_model(folder: Path) -> bool:
    """Whether a model's folder holds a reward model: a sequence classifier with one label.

    Raises: InputError for a classifier of several labels.
    """
    config = _read_json(folder / "config.json")
    if not any(str(name).endswith(CLASSIFIER) for name in config.get("architectures") or ()):
        return False
    labels = len(config["id2label"]) if "id2label" in config else config.get("num_labels", 2)
    if labels != 1:
        raise InputError(f'model "{folder}" is a classifier of {labels} labels; a reward model has 1')
    return True


def has_chat_template(folder: Path) -> bool:
    """Whether a model's folder holds a template for conversations, wherever tokenizers keep theirs."""
    if any((folder / name).exists() for name in CHAT_TEMPLATES):
        return True
    settings = folder / "tokenizer_config.json"
    return settings.is_file() and bool(_read_json(settings).get("chat_template"))


def _check_config(folder: Path) -> None:
    config = folder / "config.json"
    if not config.is_file():
        raise InputError(f'model "{folder}": the folder holds no config.json, so it is not a model')
    if "model_type" not in _read_json(config):
        raise InputError(f'{config}: no "model_type", so transformers cannot tell what model it is')


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object but {type(content).__name__}")
    return content


def _check_weights(folder: Path) -> None:
    if any((folder / name).is_file() for name in WEIGHTS):
        return
    indexes = [folder / f"{name}.index.json" for name in WEIGHTS]
    index = next((path for path in indexes if path.is_file()), None)
    if index is None:
        raise InputError(f'model "{folder}": the folder holds no weights ({" or ".join(WEIGHTS)})')
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f'{index}: not an index of weights with a "weight_map"') from error
    for shard in shards:
        if not (folder / shard).is_file():
            raise InputError(f"{index} names {shard}, which is not in the folder")
