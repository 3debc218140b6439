import socket

import pytest

from danlu.errors import ResourceError
from danlu.resources import require_free_port, require_resources


def test_both_numbers_are_named() -> None:
    with pytest.raises(ResourceError, match="danlu train wants 4 CPUs, the cluster has 2"):
        require_resources({"CPU": 4}, {"CPU": 2.0}, "danlu train")
    require_resources({"CPU": 2}, {"CPU": 2.0}, "danlu train")


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port is {port}"):
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)
