"""Snapshots: all that changes while a stage is trained, on disk, so that a killed training goes on to the same bits.

A snapshot is a folder named by its step. It is written beside, made durable and renamed, so that it stands whole or
not at all; it is renamed away before it is deleted. The log up to its step is on disk before it is. Of several
processes each writes its own shards; any number of them may go on from it.
"""

import io
import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from pluralign import store
from pluralign.engine.memory import out_of_memory
from pluralign.engine.ranks import from_first, own_rank, together
from pluralign.errors import RunError
from pluralign.train import checkpoint
from pluralign.train.examples import Example

Tensors = dict[str, Tensor]
WEIGHTS, MOMENTS = "model.", "optimiser."
"""What the names of tensors begin with."""
MEMORY = "memory.pt"
"""What the weighting remembers, and examples that more steps are taken on."""


@dataclass(slots=True, kw_only=True)
class State:
    """All that changes while a stage is trained. With the job it determines every later step.

    `written`: examples that more steps will be taken on, None where each step has its own.
    """

    model: PreTrainedModel
    optimiser: torch.optim.AdamW
    step: int = 0
    num_tokens: int = 0
    weighting: Any = None
    written: list[Example] | None = None


def path_of(folder: Path, step: int) -> Path:
    """The snapshot of a step."""
    return folder / f"{step:06d}"


def write(folder: Path, state: State, *, key: str | None, log_bytes: int) -> None:
    """Add the snapshot of `state` to `folder`; `key` names the job, and its log has `log_bytes` up to this step.

    Of several processes every one must call this; the first says that it is whole when all have written their part.

    Raises: RunError where it cannot be written, such as on a full disk; earlier snapshots stand as they were.
    """
    whole = path_of(folder, state.step)
    beside = whole.with_name(f".{whole.name}.writing")
    said = {"key": key, "log_bytes": log_bytes, "step": state.step, "num_tokens": state.num_tokens}
    try:
        from_first(lambda: beside.mkdir(parents=True))
        checkpoint.save(beside, _weights(state.model) | _moments(state.optimiser))
        from_first(lambda: _complete(beside, state, said))
    except (OSError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        if own_rank() == 0:
            shutil.rmtree(beside, ignore_errors=True)
        before = max(steps(folder), default=0)
        kept = f"that of step {before} is kept" if before else "there is none before it"
        raise RunError(
            f"step {state.step}: the snapshot cannot be written ({error}); {kept}; make room and run again"
        ) from error


def _complete(beside: Path, state: State, said: dict[str, Any]) -> None:
    """Add to the tensors what the first process alone writes, and give the folder its name."""
    buffer = io.BytesIO()
    torch.save((state.weighting, state.written), buffer)
    store.write_bytes(beside / MEMORY, buffer.getvalue())
    store.write_json(beside / "state.json", said)
    store.write_text(beside / "DONE", f"{said['key']}\n")
    beside.rename(path_of(beside.parent, state.step))
    store.sync_folder(beside.parent)


def steps(folder: Path) -> list[int]:
    """Steps whose snapshots stand, in order."""
    return sorted(int(path.name) for path in folder.glob("[0-9]*") if (path / "DONE").is_file())


def prune(folder: Path, kept: Collection[int]) -> None:
    """Delete the snapshots of all other steps, and what was left half-written or half-deleted.

    Raises: RunError where they cannot be deleted.
    """
    with store.writing(folder):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name.startswith("."):
                shutil.rmtree(path)
            elif int(path.name) not in kept:
                gone = path.with_name(f".{path.name}.gone")
                path.rename(gone)
                store.sync_folder(folder)
                shutil.rmtree(gone)


def take_up(folder: Path, state: State, *, key: str | None, log: Path) -> int:
    """Put `state` back to the newest snapshot of the job `key`; gives the bytes of its log up to there.

    Where there is none, or the job has no key, the state stays as it is and the answer is 0. Snapshots that are of no
    use to this job are deleted. Of several processes every one must call this, and sees the same folder.

    Raises: RunError where the snapshot cannot be read.
    """
    said = from_first(lambda: _find(folder, key, log))
    if said is None:
        return 0
    together(lambda: _restore(path_of(folder, said["step"]), state))
    state.step, state.num_tokens = said["step"], said["num_tokens"]
    return said["log_bytes"]


def _find(folder: Path, key: str | None, log: Path) -> dict[str, Any] | None:
    """What the newest snapshot of the job says, where there is one; those of no use are deleted."""
    said = _newest(folder, key, log.stat().st_size if log.is_file() else 0)
    prune(folder, () if said is None else [step for step in steps(folder) if step <= said["step"]])
    return said


def _newest(folder: Path, key: str | None, log_bytes: int) -> dict[str, Any] | None:
    for step in reversed(steps(folder)):
        said = json.loads((path_of(folder, step) / "state.json").read_text(encoding="utf-8"))
        if key is not None and said["key"] == key and said["log_bytes"] <= log_bytes:
            return said
    return None


def _restore(snapshot: Path, state: State) -> None:
    load_weights(snapshot, state.model)
    _load_moments(snapshot, state.optimiser)
    try:  # a weighting may remember anything, and the file is this run's own
        state.weighting, state.written = torch.load(snapshot / MEMORY, weights_only=False)
    except checkpoint.DAMAGED as error:
        raise checkpoint.unreadable(snapshot / MEMORY, error) from error


def load_weights(snapshot: Path, model: PreTrainedModel) -> None:
    """Give the model, whole or in shards, the weights of a snapshot. No process waits for another.

    Raises: RunError where they are not this model's.
    """
    own = _weights(model)
    if own.keys() != {name for name in checkpoint.outline(snapshot) if name.startswith(WEIGHTS)}:
        raise RunError(f"{snapshot}: the weights are another model's; delete the folder and run again")
    checkpoint.load(snapshot, own)


def _load_moments(snapshot: Path, optimiser: torch.optim.AdamW) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, Tensors] = {}
    for name, held in checkpoint.outline(snapshot).items():
        if name.startswith(MOMENTS):
            index, _, kind = name.removeprefix(MOMENTS).partition(".")
            value = torch.zeros_like(parameters[int(index)]) if held.ndim else torch.zeros((), dtype=held.dtype)
            state.setdefault(int(index), {})[kind] = value
    checkpoint.load(snapshot, _flat(state))
    packed = optimiser.state_dict()
    packed["state"] = state
    optimiser.load_state_dict(packed)


def trained(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """The weights that are trained, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _weights(model: PreTrainedModel) -> Tensors:
    return {f"{WEIGHTS}{name}": weight.detach() for name, weight in trained(model).items()}


def _moments(optimiser: torch.optim.AdamW) -> Tensors:
    return _flat(optimiser.state_dict()["state"])


def _flat(state: dict[int, Tensors]) -> Tensors:
    return {f"{MOMENTS}{index}.{kind}": value for index, held in state.items() for kind, value in held.items()}
