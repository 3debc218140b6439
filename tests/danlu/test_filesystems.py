from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from danlu.config import JobConfig
from danlu.errors import DanluError, InputError, NotAvailableError
from danlu.filesystems import filesystem_of
from danlu.inputs import find_files
from danlu.run_directory import RunDirectory

MISSING = [(uri, p) for uri, p in (("s3://b/x", "s3fs"), ("gs://b/x", "gcsfs"), ("sftp://h/x", "paramiko"))]


def test_paths_and_uris_are_told_apart(tmp_path: Path) -> None:
    assert filesystem_of(str(tmp_path))[1] == str(tmp_path)
    assert filesystem_of("memory://bucket/a")[1] == "/bucket/a"


@pytest.mark.parametrize(("uri", "package"), MISSING)
def test_a_missing_library_is_named_with_its_command(uri: str, package: str) -> None:
    if find_spec(package):
        pytest.skip(f"{package} is installed")
    with pytest.raises(NotAvailableError, match=rf"input is '{uri}'(.|\n)*pip install {package}"):
        find_files(uri, [".jsonl"])


def test_an_unknown_kind_of_storage_is_named() -> None:
    with pytest.raises(InputError, match=r"input is 'foo://x'.*foo"):
        find_files("foo://x", [".jsonl"])
    with pytest.raises(InputError, match="output is 'foo://x'"):
        RunDirectory.open("trial", JobConfig(output="foo://x"), [])


def test_a_library_that_does_not_load_is_one_line() -> None:
    try:
        filesystem_of("hdfs://host/x")
    except DanluError as error:  # no Java here
        assert "input is 'hdfs://host/x'" in str(error) and len(str(error).splitlines()) <= 2
