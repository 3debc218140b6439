"""The same pressure with HAProxy before the gateways, as `danlu serve` has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.serve_proxy import haproxy, has_haproxy

# As `danlu serve` has it: the process that starts Ray has Serve imported before, and only its children take HAProxy.
_RUN = """
import sys, pytest
from cluster.serve_proxy import haproxy
with haproxy():
    sys.exit(pytest.main(["-p", "no:cacheprovider", "-q", sys.argv[1]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not has_haproxy(), reason="HAProxy's package is for Linux alone")
def test_all_of_it_holds_behind_haproxy() -> None:
    name = "RAY_SERVE_HAPROXY_BALANCE_ALGORITHM"
    with haproxy():
        settings = os.environ[name].replace("http-request 30s", "http-request 2s")
    file = Path(__file__).with_name("test_pressure.py")
    command = [sys.executable, "-c", _RUN, str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, name: settings}, timeout=280)
    assert ran.returncode == 0, ran.stdout[-6000:]
