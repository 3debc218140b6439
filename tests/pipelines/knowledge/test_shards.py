from hypothesis import given
from hypothesis import strategies as st

from pipelines.knowledge.shards import group_files

sizes = st.lists(st.integers(0, 100), max_size=40)


@given(sizes, st.integers(1, 5), st.integers(1, 120))
def test_groups_hold_every_file_in_order_and_are_bounded(sizes: list[int], max_files: int, max_bytes: int) -> None:
    files = [(f"f{i}", size) for i, size in enumerate(sizes)]
    groups = group_files(files, max_files, max_bytes)
    assert [f for group in groups for f in group] == [name for name, _ in files]
    by_name = dict(files)
    for group in groups:
        assert 0 < len(group) <= max_files
        assert len(group) == 1 or sum(by_name[name] for name in group) <= max_bytes
