from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import InputError
from danlu.lineage import below_common_folder, read_lineage

NAMES = st.text("ab", min_size=1, max_size=2)
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=4)


@given(PATHS, st.lists(NAMES, max_size=3).map(lambda parts: "".join(f"{part}/" for part in parts)))
def test_where_the_common_folder_lies_does_not_matter(paths: list[str], root: str) -> None:
    assert below_common_folder([root + path for path in paths]) == below_common_folder(paths)


@given(PATHS)
def test_different_paths_stay_different(paths: list[str]) -> None:
    assert len(set(below_common_folder(paths))) == len(set(paths))


def test_one_file_keeps_its_name_and_uris_are_paths_too() -> None:
    assert below_common_folder(["/x/a.txt"]) == ["a.txt"]
    assert below_common_folder(["s3://b/raw/x/1", "s3://b/raw/2"]) == ["x/1", "2"]
    assert below_common_folder([]) == []


def test_an_unreadable_lineage_is_said(tmp_path: Path) -> None:
    (tmp_path / "lineage.json").write_text("half a li")
    with pytest.raises(InputError, match="can't be read"):
        read_lineage(str(tmp_path))
