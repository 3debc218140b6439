"""Both databases, for real: SQLite in a file, and a PostgreSQL server of the tests' own where one is installed."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the tests."""
    # Debian keeps a server's programs out of the PATH.
    places = os.pathsep.join([os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
    programs = {name: shutil.which(name, path=places) for name in ("initdb", "postgres")}
    if None in programs.values() or importlib.util.find_spec("pg8000") is None:
        pytest.skip("PostgreSQL (initdb, postgres) or its driver pg8000 is not installed")
    folder = Path(tempfile.mkdtemp(prefix="danlu-postgresql-"))
    account = _account()
    if account:
        shutil.chown(folder, account)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"user": account, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([programs["initdb"], "-D", folder / "data", "-U", "danlu", "-A", "trust"], check=True, **options)
    start = [programs["postgres"], "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    server = subprocess.Popen(start, **options)
    try:
        _wait_for(port)
        yield f"postgresql+pg8000://danlu@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty or shared database; the tests only look at conversations of their own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'talks.sqlite'}"
    return request.getfixturevalue("postgresql")


def _account() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def _wait_for(port: int) -> None:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine(f"postgresql+pg8000://danlu@127.0.0.1:{port}/postgres")
    for _ in range(150):
        try:
            with engine.connect() as connection:
                connection.execute(text("select 1"))
            engine.dispose()
            return
        except SQLAlchemyError:
            time.sleep(0.1)
    pytest.fail("PostgreSQL does not answer")
