"""Whether a cluster can hold what a job asks for, said before anything starts."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from danlu.errors import ResourceError

_UNITS = {"CPU": "CPUs", "GPU": "GPUs"}


def require_resources(wanted: Mapping[str, float], available: Mapping[str, float], what: str, fix: str = "") -> None:
    """Raise when `available` (Ray's resource names) is less than `wanted`.

    Raises:
        ResourceError: names what is wanted and what the cluster has.
    """
    for resource, amount in wanted.items():
        has = available.get(resource, 0.0)
        if amount > has + 1e-9:
            unit = _UNITS.get(resource, resource)
            raise ResourceError(f"{what} wants {amount:g} {unit}, the cluster has {has:g}", fix=fix)


def require_free_port(host: str, port: int, key: str = "port") -> None:
    """Raise when something already listens on the port.

    Raises:
        ResourceError: the port is taken.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ResourceError(
                f"{key} is {port}",
                rule=f"{host}:{port} can't be listened on ({error.strerror})",
                fix=f"try {key}={port + 1}",
            ) from None
