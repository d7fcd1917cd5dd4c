"""Tensors on disk: what is read is what was written, bit by bit, and what does not fit is told."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from pluralign.errors import RunError
from pluralign.train import checkpoint

SHAPES = st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=1, max_size=4)
TYPES = st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.int64])


@settings(max_examples=20)
@given(SHAPES, TYPES, st.integers(0, 2**32))
def test_what_is_read_is_what_was_written(tmp_path_factory, shapes, kind, seed):
    draw = torch.Generator().manual_seed(seed)
    bits = [torch.randint(-(2**31), 2**31, shape, generator=draw) for shape in shapes]
    tensors = {f"model.{number}.weight": each.to(kind) for number, each in enumerate(bits)}
    folder = tmp_path_factory.mktemp("step")
    checkpoint.save(folder, tensors)
    outline = checkpoint.outline(folder)
    assert {name: (each.shape, each.dtype) for name, each in outline.items()} == {
        name: (each.shape, each.dtype) for name, each in tensors.items()
    }
    found = {name: torch.zeros_like(each) for name, each in tensors.items()}
    checkpoint.load(folder, found)
    for name, each in tensors.items():
        assert torch.equal(found[name], each)


def test_a_part_of_it_is_read_alone_and_a_view_of_a_larger_tensor_is_written_alone(tmp_path):
    rows = torch.arange(10_000.0).view(1000, 10)
    checkpoint.save(tmp_path, {"model.a": rows[3:5], "model.b": rows[0]})
    found = {"model.a": torch.zeros(2, 10)}
    checkpoint.load(tmp_path, found)
    assert torch.equal(found["model.a"], rows[3:5])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 10_000


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"model.c": torch.zeros(3)}, "Missing key"), ({"model.a": torch.zeros(4)}, "Size mismatch")],
)
def test_what_is_not_there_is_told(tmp_path, asked, said):
    checkpoint.save(tmp_path, {"model.a": torch.ones(3)})
    with pytest.raises(RunError, match=rf"(?s){tmp_path}: the tensors cannot be read \({said}.*delete the folder"):
        checkpoint.load(tmp_path, asked)


@pytest.mark.parametrize("damage", ["no tensors", "torn account", "torn values", "of another release"])
def test_a_damaged_folder_is_told(tmp_path, damage):
    tensors = {"model.a": torch.ones(3000)}
    if damage == "no tensors":
        save_file(tensors, tmp_path / "model.safetensors")
    elif damage == "of another release":
        (tmp_path / ".metadata").write_bytes(b"ctorch.distributed.checkpoint.metadata\nOther\n.")
    else:
        checkpoint.save(tmp_path, tensors)
        torn = tmp_path / (".metadata" if damage == "torn account" else "__0_0.distcp")
        torn.write_bytes(torn.read_bytes()[:100])
    with pytest.raises(RunError, match="the tensors cannot be read"):
        checkpoint.load(tmp_path, dict.fromkeys(checkpoint.outline(tmp_path), torch.zeros(3000)))


def test_an_error_of_the_disk_is_raised_as_it_is(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint.save(tmp_path, {"model.a": torch.ones(3)})
