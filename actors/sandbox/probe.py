"""What the probe runs inside a child: what must be impossible there, else it is not isolated."""

import os
import socket


def inside() -> list[str]:
    """What the isolation lets through; an empty list means that it holds."""
    faults = []
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        faults.append("the child sees network interfaces")
    if sum(name.isdigit() for name in os.listdir("/proc")) > 3:
        faults.append("the child sees other processes")
    if os.path.exists("/etc/passwd"):
        faults.append("the child sees the machine's files")
    if _can_write("/probe") or _can_write("/usr/probe"):
        faults.append("the child can write outside /tmp")
    if not _can_write("/tmp/probe"):
        faults.append("the child has no /tmp of its own")
    if _can_fork():
        faults.append("the child can make processes")
    return faults


def _can_write(path: str) -> bool:
    try:
        with open(path, "w", encoding="utf-8"):
            return True
    except OSError:
        return False


def _can_fork() -> bool:
    try:
        child = os.fork()
    except OSError:
        return False
    if child == 0:
        os._exit(0)
    return True
