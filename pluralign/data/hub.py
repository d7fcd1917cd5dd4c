"""Find a model's files: the sandbox's base, a folder, or a snapshot of a hub repository. No torch."""

import re
from dataclasses import dataclass
from pathlib import Path

from pluralign.data.models import check_model
from pluralign.errors import InputError
from pluralign.plugins import find
from pluralign.store import content_key, file_key

_NEEDED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.tiktoken")


@dataclass(frozen=True, slots=True)
class Model:
    """A model's folder on this machine, and what stands for its content in a key."""

    folder: Path
    fingerprint: str


def resolve(model: str, *, beside: Path, place: str) -> Model:
    """The folder of `model`: "sandbox", a path, or a hub id with an optional `@revision`, fetched into the hub's cache.

    A hub model's fingerprint is its commit, a folder's is a hash of its files. Raises `InputError` for anything else.
    """
    if model == "sandbox":
        from pluralign.sandbox import base_path

        return _from_folder(base_path(), place)
    path = find(model, beside)
    name, _, revision = model.partition("@")
    try:
        check_model(str(path) if path.exists() else name)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    return _from_folder(path, place) if path.exists() else _from_hub(name, revision or None, place)


def _from_folder(folder: Path, place: str) -> Model:
    if not folder.is_dir():
        raise InputError(f'{place}: there is no folder "{folder}"')
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in (".md", ".jsonl", ""))
    return Model(folder, content_key({path.name: file_key(path) for path in files}))


def _from_hub(name: str, revision: str | None, place: str) -> Model:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(_NEEDED)))
    except Exception as error:
        reason = re.split(r"[.\n]", str(error).strip())[0] or type(error).__name__
        raise InputError(
            f'{place}: model "{name}" is no folder here and cannot be had from the hub: {reason}'
        ) from error
    return Model(folder, content_key({"hub": name, "commit": folder.name}))
