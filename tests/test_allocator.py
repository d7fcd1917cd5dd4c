"""The allocator's settings take effect before torch is imported, and are left alone where they should be."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
GLIBC = platform.libc_ver()[0] == "glibc"
CHECK = "import sys; from pluralign.allocator import keep_memory; print(keep_memory());"
COMMAND = "import os, sys; from pluralign.cli import main; sys.argv[1:] = ['--version'];"


def run(code: str, **environment: str) -> list[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC", "THP", "GLIBC"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=own | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")


@pytest.mark.skipif(not GLIBC or not PAGES.exists(), reason="needs Linux with glibc and large pages")
@pytest.mark.skipif(
    GLIBC and PAGES.exists() and "[madvise]" not in PAGES.read_text(), reason="pages are not by request"
)
def test_torch_asks_for_large_pages_and_memory_is_kept() -> None:
    # Whether the system has large pages to give depends on who else runs; that they are asked for does not.
    code = "import re, resource, torch; x = torch.ones(3 * 2**20); del x;"
    code += "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt; before = faults();"
    code += "x = torch.ones(3 * 2**20); print(faults() - before); y = torch.ones(12 * 2**20);"
    code += "print(len(re.findall('VmFlags:.* hg', open('/proc/self/smaps').read())))"
    reason, faults, asking = run(CHECK + code)[:3]
    assert reason == "None"
    assert int(faults) < 3 * 2**20 * 4 / 4096 / 2
    assert int(asking) >= 1
    reason, faults, asking = run(CHECK + code, PLURALIGN_ALLOCATOR="default")[:3]
    assert reason == "PLURALIGN_ALLOCATOR=default"
    assert int(faults) > 3 * 2**20 * 4 / 4096 * 0.9
    assert int(asking) == 0


@pytest.mark.skipif(not GLIBC, reason="needs Linux with glibc")
def test_settings_of_the_user_are_respected() -> None:
    code = CHECK + "import os; print(os.environ['THP_MEM_ALLOC_ENABLE'])"
    assert run(code, THP_MEM_ALLOC_ENABLE="0")[:2] == ["None", "0"]
    assert run(code, MALLOC_TRIM_THRESHOLD_="1000000")[:2] == ["MALLOC_TRIM_THRESHOLD_ is set", "1"]


def test_too_late_or_elsewhere_nothing_is_touched() -> None:
    untouched = "import os; print('THP_MEM_ALLOC_ENABLE' in os.environ)"
    late = "import sys; sys.modules['torch'] = sys;" + CHECK + untouched
    assert run(late)[:2] == ["torch is already imported", "False"]
    elsewhere = "import sys; sys.platform = 'darwin';" + CHECK + untouched
    assert run(elsewhere)[:2] == ["darwin is not Linux", "False"]
    musl = "import ctypes; ctypes.CDLL = lambda name: object();" + CHECK + untouched
    if sys.platform.startswith("linux"):
        assert run(musl)[:2] == ["the C library is not glibc", "False"]


@pytest.mark.skipif(not GLIBC, reason="needs Linux with glibc")
def test_the_command_line_sets_it_first() -> None:
    code = COMMAND + "import atexit; atexit.register(lambda: print(os.environ.get('THP_MEM_ALLOC_ENABLE')));"
    code += "print('torch' in sys.modules); main()"
    assert run(code)[0] == "False"
    assert run(code)[-2] == "1"
