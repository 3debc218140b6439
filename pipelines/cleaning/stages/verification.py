"""From pairs of documents that may be duplicates to those that go: what near and semantic duplicates have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from danlu.progress import Stage
from pipelines.cleaning.components import components
from pipelines.cleaning.layout import Shard
from pipelines.cleaning.packs import Pack, pack_groups
from pipelines.cleaning.removals import save_removals
from pipelines.cleaning.spread import spread
from pipelines.cleaning.survivors import Removal


def drop_verified(
    met: Iterable[np.ndarray],
    shards: Sequence[Shard],
    verify: Callable[[Pack], list[Removal]],
    uri: str,
    workers: int | None,
    stage: Stage,
    protected: frozenset[int] = frozenset(),
) -> list[Removal]:
    """What `verify` drops of the groups that pairs connect; written to `uri` as well.

    Args:
        met: (n_pairs, 2) int64 document numbers, in parts.
        protected: not to be dropped.
    """
    groups = components(np.concatenate([np.zeros((0, 2), dtype=np.int64), *met]))
    stage.update(note=f"{sum(map(len, groups)):,} candidates")
    found = spread(verify, pack_groups(groups, [shard.name for shard in shards], protected), workers)
    removals = save_removals(uri, (removal for part in found for removal in part))
    stage.update(note=f"{len(removals):,} dropped")
    return removals
