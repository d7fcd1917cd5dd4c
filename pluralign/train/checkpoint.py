"""Named tensors on disk, whole or in shards: every process writes and reads its own part of them.

A folder holds a file for each process that wrote, and `.metadata`, which says what stands where. What any number of
processes wrote, any number reads. The form is PyTorch's (torch.distributed.checkpoint), which promises none of it from
one release to the next: it is for what is read again soon.
"""

import pickle
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from pluralign.engine.ranks import count_ranks, linked, told
from pluralign.errors import RunError

DAMAGED = (OSError, EOFError, RuntimeError, ValueError, TypeError, AttributeError, ImportError, pickle.UnpicklingError)
"""What reading raises of a file that is torn, gone, or of another release of a library."""


def save(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write the tensors into the empty `folder`, durably. Every process must call this, with the same names.

    Raises: in all processes what failed in the first in which something did; RunError where one has ended.
    """
    try:
        with linked(), _quiet():
            alone = count_ranks() == 1
            state_dict_saver.save(dict(tensors), storage_writer=FileSystemWriter(folder), no_dist=alone)
    except CheckpointException as error:
        raise told(_cause(error)) from error


def load(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Fill `tensors` in place with what stands there under their names, of one in shards the shard that lies here.

    No process waits for another. Raises: RunError where a name is missing, a shape is another, or nothing can be read.
    """
    try:
        with _quiet():
            state_dict_loader.load(dict(tensors), storage_reader=FileSystemReader(folder), no_dist=True)
    except CheckpointException as error:
        raise unreadable(folder, _cause(error)) from error


def outline(folder: Path) -> dict[str, Tensor]:
    """What stands there, by name: tensors of that shape and type without values, on the device "meta".

    Raises: RunError where the folder holds no tensors.
    """
    try:
        found = FileSystemReader(folder).read_metadata().state_dict_metadata
    except DAMAGED as error:
        raise unreadable(folder, error) from error
    return {
        name: torch.empty(held.size, dtype=held.properties.dtype, device="meta")
        for name, held in found.items()
        if isinstance(held, TensorStorageMetadata)
    }


def unreadable(place: Path, error: Exception) -> RunError:
    """What is said of a snapshot's folder, or of a file in it, that cannot be read."""
    folder = place if place.is_dir() else place.parent
    which = "the tensors" if place == folder else place.name
    return RunError(f"{folder}: {which} cannot be read ({error}); delete the folder and run again")


@contextmanager
def _quiet() -> Iterator[None]:
    """A process that is alone is no reason to warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")
        yield


def _cause(error: CheckpointException) -> Exception:
    """What failed in the first process in which something did; what is no error, such as Ctrl-C, is raised."""
    _, (cause, _) = min(error.failures.items())
    if not isinstance(cause, Exception):
        raise cause
    return cause
