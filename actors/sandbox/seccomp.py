"""A seccomp filter that lets a program make no new process or thread.

RLIMIT_NPROC does the same for ordinary users, but the kernel exempts root, which is who runs in most containers.
"""

from __future__ import annotations

import errno
import struct

# Classic BPF, as in linux/bpf_common.h and linux/seccomp.h.
_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE = 0, 4
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32_CALLS = 0x40000000

# machine: (AUDIT_ARCH, calls that make processes, clone3)
_CALLS = {
    "x86_64": (0xC000003E, (56, 57, 58), 435),  # clone, fork, vfork
    "aarch64": (0xC00000B7, (220,), 435),  # clone
}


def no_new_processes(machine: str) -> bytes | None:
    """The filter for `platform.machine()` as bubblewrap's `--seccomp` reads it; None where the calls are not known.

    `clone` fails with EAGAIN, as under RLIMIT_NPROC; `clone3` with ENOSYS, so that libc falls back to `clone`.
    """
    if machine not in _CALLS:
        return None
    architecture, refused, clone3 = _CALLS[machine]
    program = [
        (_LOAD_WORD, 0, 0, _OFFSET_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD_WORD, 0, 0, _OFFSET_NUMBER),
        (_JUMP_GREATER_EQUAL, 0, 1, _X32_CALLS),  # the same calls under other numbers
        (_RETURN, 0, 0, _KILL),
        *_refuse(clone3, errno.ENOSYS),
    ]
    for call in refused:
        program += _refuse(call, errno.EAGAIN)
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in program)


def _refuse(call: int, error: int) -> list[tuple[int, int, int, int]]:
    return [(_JUMP_EQUAL, 0, 1, call), (_RETURN, 0, 0, _ERRNO | error)]
