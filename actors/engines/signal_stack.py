"""The stack that signal handlers run on, kept safe from OpenVINO.

OpenVINO's CPU plugin gives the thread that loads it a signal stack of its own, and frees it with the plugin. Of two
plugins that end in the order in which they began, the second puts the freed stack of the first back: the next signal
(Ctrl-C, an alarm) then ends the process with a segmentation fault. When the stack from before is put back as soon as
the plugin is loaded, every plugin finds that one, and puts that one back.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` as Linux defines it."""

    _fields_ = [("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size_bytes", ctypes.c_size_t)]


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Put the calling thread's signal stack back after what may have replaced it. Elsewhere than on Linux: nothing."""
    if sys.platform != "linux":
        yield
        return
    libc, before = ctypes.CDLL(None), _Stack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
