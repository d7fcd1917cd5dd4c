"""Find a model's files: the sandbox's base, a folder, or a snapshot of a hub repository. No torch."""

import re
from dataclasses import dataclass
from pathlib import Path

from pluralign.data.models import (
    ADAPTER_WEIGHTS,
    adapter_base,
    architecture,
    check_adapter,
    check_model,
    count_labels,
    is_adapter,
    is_reward_adapter,
)
from pluralign.errors import InputError
from pluralign.plugins import find
from pluralign.store import content_key, file_key

_OLD_WEIGHTS = ("pytorch_model*.bin", "pytorch_model.bin.index.json", ADAPTER_WEIGHTS[1])
_NEEDED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.tiktoken")
_UNUSED = ("*/*", "consolidated*")
"""Of those, what transformers does not read: folders, and Mistral's own copy of the weights."""


@dataclass(frozen=True, slots=True)
class Files:
    """A folder of a model or an adapter on this machine; `name` and `commit` where it is a snapshot of the hub's."""

    folder: Path
    name: str | None = None
    commit: str | None = None

    def fingerprint(self) -> str:
        """What stands for the content in a key: the commit, or a hash of the folder's files."""
        if self.commit is not None:
            return content_key({"hub": self.name, "commit": self.commit})
        kept = (path for path in self.folder.iterdir() if path.is_file() and path.suffix not in (".md", ".jsonl", ""))
        return content_key({path.name: file_key(path) for path in sorted(kept)})

    def __str__(self) -> str:
        return self.name or str(self.folder)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's files and those of the adapter that goes on top of it, if any."""

    files: Files
    adapter: Files | None = None

    @property
    def folder(self) -> Path:
        """The folder of the weights."""
        return self.files.folder

    def labels(self) -> int | None:
        """Labels of a classifier; None for a causal language model."""
        if self.adapter is not None and is_reward_adapter(self.adapter.folder):
            return 1
        return count_labels(self.folder)

    def is_reward(self) -> bool:
        """Whether it is a reward model: a sequence classifier with one label.

        Raises: InputError for a classifier of several labels.
        """
        labels = self.labels()
        if labels not in (None, 1):
            raise InputError(f'model "{self.files}" is a classifier of {labels} labels; a reward model has 1')
        return labels is not None


def resolve(model: str, *, beside: Path, place: str, revision: str | None = None, adapter: str | None = None) -> Model:
    """The files of `model`: "sandbox", a path, or a hub id with an optional `@revision`, fetched into the hub's cache.

    A folder or repository that is an adapter stands for the model that it names as its base, with itself on top.
    `revision` is another way to write the one of `model`; `adapter` a path or a hub id with an optional `@revision`.

    Raises: InputError that begins with `place`, for anything else.
    """
    if model == "sandbox":
        from pluralign.sandbox import base_path

        model = str(base_path())
    try:
        return locate(model, revision=revision, adapter=adapter, beside=beside)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def locate(model: str, *, revision: str | None = None, adapter: str | None = None, beside: Path = Path()) -> Model:
    """As `resolve`, for a path or a hub id; relative paths lead from the working directory, else from `beside`."""
    files = _files(model, revision, beside)
    if is_adapter(files.folder):
        if adapter is not None:
            raise InputError(f'model "{model}" is an adapter itself, so it cannot take the adapter "{adapter}"')
        return Model(_base_of(files, beside), files)
    return Model(files) if adapter is None else Model(files, _adapter_of(files, adapter, beside))


def _adapter_of(model: Files, adapter: str, beside: Path) -> Files:
    """An adapter's files; of those that name a base in a folder that is here, the architecture must be the model's."""
    path = find(adapter, beside)
    try:
        files = Files(path) if path.is_dir() else _files(adapter, None, beside)
        check_adapter(files.folder)
    except InputError as error:
        raise InputError(f"adapter: {error}") from error
    base = adapter_base(files.folder)
    if base is not None and (find(base[0], beside) / "config.json").is_file():
        own, its = architecture(model.folder), architecture(find(base[0], beside))
        if own != its:
            raise InputError(f'adapter "{adapter}" was trained on a model of the kind {its}, and "{model}" is {own}')
    return files


def _base_of(adapter: Files, beside: Path) -> Files:
    named = adapter_base(adapter.folder)
    if named is None:
        raise InputError(f'adapter "{adapter}" does not name its base; give that as the model, and this as its adapter')
    base, revision = named
    try:
        files = _files(base, None if find(base, beside).exists() else revision, beside)
    except InputError as error:
        raise InputError(
            f'adapter "{adapter}": its base cannot be had; give that as the model, and this as its adapter ({error})'
        ) from error
    if is_adapter(files.folder):
        raise InputError(f'adapter "{adapter}": its base "{base}" is an adapter itself; merge the two first')
    return files


def _files(model: str, revision: str | None, beside: Path) -> Files:
    """A checked folder or snapshot."""
    path = find(model, beside)
    if path.exists():
        if revision is not None:
            raise InputError(f'revision: model "{model}" is a folder, so it has no revision "{revision}"')
        check_model(str(path))
        return Files(path)
    name, _, own = model.partition("@")
    check_model(name)
    if own and revision is not None:
        raise InputError(f'revision: given twice, in "{model}" and as "{revision}"')
    return _from_hub(name, own or revision)


def _from_hub(name: str, revision: str | None) -> Files:
    """A checked snapshot; weights in the old format are fetched only where there are no safetensors."""
    folder = _fetch(name, revision, _NEEDED)
    if not any(folder.glob("*.safetensors")):
        folder = _fetch(name, revision, (*_NEEDED, *_OLD_WEIGHTS))
    check_model(str(folder))
    return Files(folder, name, folder.name)


def _fetch(name: str, revision: str | None, patterns: tuple[str, ...]) -> Path:
    """The snapshot's folder with the files of its top level that fit `patterns` and are of use."""
    from huggingface_hub import snapshot_download

    try:
        fetched = snapshot_download(
            name, revision=revision, allow_patterns=list(patterns), ignore_patterns=list(_UNUSED)
        )
    except Exception as error:
        reason = re.split(r"[.\n]", str(error).strip())[0] or type(error).__name__
        raise InputError(f'model "{name}" is no folder here and cannot be had from the hub: {reason}') from error
    return Path(fetched)
