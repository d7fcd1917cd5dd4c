"""Is this a causal language model? Found out from names and files alone, before any heavy library is imported."""

import json
import re
from pathlib import Path

from pluralign.errors import InputError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
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
        raise InputError(f'model "{model}": there is no such folder, and a hub id has the form owner/name')


def _check_config(folder: Path) -> None:
    config = folder / "config.json"
    if not config.is_file():
        raise InputError(f'model "{folder}": the folder holds no config.json, so it is not a model')
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{config}: not JSON ({error})") from error
    if not isinstance(content, dict) or "model_type" not in content:
        raise InputError(f'{config}: no "model_type", so transformers cannot tell what model it is')


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
