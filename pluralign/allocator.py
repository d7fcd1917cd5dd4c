"""Settings of the C library's memory allocator that make torch faster on a Linux CPU.

Large tensors come and go with every layer. By default each is mapped anew from the operating system, which clears it
page by page of 4 kB. Here blocks of up to 32 MB are kept and used again, up to 2 GB of free memory stays with the
process, and larger blocks are made of pages of 2 MB. It must be said before torch is imported.

The environment variable `PLURALIGN_ALLOCATOR=default` leaves everything as it is.
"""

import ctypes
import os
import sys

SWITCH = "PLURALIGN_ALLOCATOR"
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Read by torch when it is loaded: large blocks ask for transparent huge pages."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES, _REUSE_BYTES = 2**31 - 1, 32 * 2**20
"""The first is the largest number that mallopt takes, the second the largest threshold that glibc allows."""

_OWN_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_memory() -> str | None:
    """Tell the allocator to keep memory and torch to use large pages; None where that is done, or why it is not.

    What the user's environment already says of either is left as it is. Never raises.
    """
    reason = _hindrance()
    if reason is not None:
        return reason
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return "the C library is not glibc"
    os.environ.setdefault(LARGE_PAGES, "1")
    own = [name for name in _OWN_SETTINGS if name in os.environ]
    if own:
        return f"{own[0]} is set"
    done = library.mallopt(_M_MMAP_THRESHOLD, _REUSE_BYTES) and library.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    return None if done else "mallopt refused"


def _hindrance() -> str | None:
    if os.environ.get(SWITCH) == "default":
        return f"{SWITCH}=default"
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} is not Linux"
    if "torch" in sys.modules:
        return "torch is already imported"
    return None
