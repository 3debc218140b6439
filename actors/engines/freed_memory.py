"""Memory that has been freed, given back to the operating system.

OpenVINO allocates and frees tensors of ever other sizes. glibc keeps what is freed for the next allocation; between
blocks that stay, the free ones come to lie scattered, and a process that holds no more than before grows by a few per
cent an hour. `malloc_trim` gives back every page that is free from end to end, in milliseconds.
"""

from __future__ import annotations

import ctypes
import threading
import time

_EVERY_S = 15.0


def release_freed_memory() -> None:
    """Give back what this process has freed. Without glibc: nothing, as other allocators do so by themselves."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep_releasing(every_s: float = _EVERY_S) -> None:
    """Release freed memory every so many seconds from now on, from a thread that ends with the process."""
    threading.Thread(target=_release_for_ever, args=[every_s], name="freed-memory", daemon=True).start()


def _release_for_ever(every_s: float) -> None:
    while True:
        time.sleep(every_s)
        release_freed_memory()
