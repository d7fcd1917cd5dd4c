"""bfloat16 is used where the hardware computes in it, and refused where it would be emulated."""

import pytest
import torch

from pluralign.errors import InputError
from pluralign.train.precision import autocast, hardware, use_bf16

CPU = torch.device("cpu")


@pytest.fixture(params=["avx512_bf16", "amx_bf16", "sve_bf16", "bf16", None])
def capability(request, monkeypatch) -> str | None:
    """What the processor can do, by PyTorch's word, beside much that is no bfloat16."""
    found = {"avx2": True, "avx512_fp16": True, "avx512_bf16": False, "architecture": "x86_64"}
    found |= {request.param: True} if request.param else {}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    return request.param


def test_a_cpu_computes_in_bfloat16_where_it_has_it_and_is_asked_to(capability):
    assert not use_bf16("auto", CPU)
    assert not use_bf16(False, CPU)
    if capability is None:
        with pytest.raises(InputError, match=r"bf16 = true: .* cpu does not compute in bfloat16"):
            use_bf16(True, CPU)
    else:
        assert use_bf16(True, CPU)


@pytest.mark.parametrize(("native", "expected"), [(True, "cuda bfloat16"), (False, "cuda float32")])
def test_a_gpu_computes_in_bfloat16_of_itself_where_it_has_it(monkeypatch, native, expected):
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr("pluralign.train.precision.pick_device", lambda _: torch.device("cuda"))
    assert hardware("auto") == expected
    assert hardware(False) == "cuda float32"


def test_passes_run_in_what_was_decided():
    one, other = torch.ones(2, 2), torch.ones(2, 2)
    for bf16, expected in ((True, torch.bfloat16), (False, torch.float32)):
        with autocast(CPU, bf16):
            assert (one @ other).dtype == expected
