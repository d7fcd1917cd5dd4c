"""Find a model's files: the sandbox's base, a folder, or a snapshot of a hub repository. No torch."""

import re
from dataclasses import dataclass
from pathlib import Path

from pluralign.data.models import check_model, has_chat_template, is_reward_model
from pluralign.errors import InputError
from pluralign.plugins import find
from pluralign.store import content_key, file_key

_OLD_WEIGHTS = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
_NEEDED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.tiktoken")


@dataclass(frozen=True, slots=True)
class Model:
    """A model's folder on this machine, what stands for its content in a key, and what its files say of it."""

    folder: Path
    fingerprint: str
    is_reward: bool = False
    has_chat_template: bool = False


def resolve(model: str, *, beside: Path, place: str) -> Model:
    """The folder of `model`: "sandbox", a path, or a hub id with an optional `@revision`, fetched into the hub's cache.

    A hub model's fingerprint is its commit, a folder's is a hash of its files. Raises `InputError` for anything else.
    """
    if model == "sandbox":
        from pluralign.sandbox import base_path

        model = str(base_path())
    path = find(model, beside)
    name, _, revision = model.partition("@")
    try:
        check_model(str(path) if path.exists() else name)
        folder, fingerprint = _from_folder(path) if path.exists() else _from_hub(name, revision or None)
        return Model(folder, fingerprint, is_reward_model(folder), has_chat_template(folder))
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _from_folder(folder: Path) -> tuple[Path, str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in (".md", ".jsonl", ""))
    return folder, content_key({path.name: file_key(path) for path in files})


def _from_hub(name: str, revision: str | None) -> tuple[Path, str]:
    """A checked snapshot; weights in the old format are fetched only where there are no safetensors."""
    folder = _fetch(name, revision, _NEEDED)
    if not any(folder.glob("*.safetensors")):
        folder = _fetch(name, revision, (*_NEEDED, *_OLD_WEIGHTS))
    check_model(str(folder))
    return folder, content_key({"hub": name, "commit": folder.name})


def _fetch(name: str, revision: str | None, patterns: tuple[str, ...]) -> Path:
    """The snapshot's folder with the files of its top level that fit `patterns`."""
    from huggingface_hub import snapshot_download

    try:
        fetched = snapshot_download(name, revision=revision, allow_patterns=list(patterns), ignore_patterns=["*/*"])
    except Exception as error:
        reason = re.split(r"[.\n]", str(error).strip())[0] or type(error).__name__
        raise InputError(f'model "{name}" is no folder here and cannot be had from the hub: {reason}') from error
    return Path(fetched)
