"""Key/value caches of several sequences side by side, so that one forward pass gives each of them a token.

Rows are padded on the left: all end at the same column, where the next token goes. A sequence joins with the cache that
its prompt has left and leaves at any time; columns that only padding is left in are cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_COLUMNS = 64


class _RoomyLayer(DynamicLayer):
    """A layer with room for tokens to come: transformers' own copies everything for each token.

    Attributes:
        keys, values: (rows, heads, columns, width), views of buffers that may hold more columns.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns; returns all of them."""
        keys, values = self.states
        columns = keys.shape[2]
        wanted = columns + key_states.shape[2]
        if self._buffers is None or self._buffers[0].shape[2] < wanted:
            room = max(_LEAST_COLUMNS, 2 * wanted)
            self._buffers = (_roomy(keys, room), _roomy(values, room))
        keys, values = self._buffers
        keys[:, :, columns:wanted] = key_states
        values[:, :, columns:wanted] = value_states
        self.keys, self.values = keys[:, :, :wanted], values[:, :, :wanted]
        return self.states

    @property
    def states(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values; a layer of ours always has them."""
        assert self.keys is not None and self.values is not None
        return self.keys, self.values

    def replace(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Other rows or columns instead."""
        self.keys, self.values, self._buffers = keys, values, None


def can_batch(cache: Any) -> bool:
    """Whether a model's cache is plain keys and values of every token, which is what rows can be made of.

    Windows, recurrent states and models without a cache have to be served alone.
    """
    layers: Any = cache.layers if type(cache) is DynamicCache else None  # a subclass keeps more than its layers
    return bool(layers) and all(type(layer) is DynamicLayer and layer.is_initialized for layer in layers)


class KvBatch:
    """The caches of the sequences that are decoded together.

    Attributes:
        lengths: tokens that each row's cache holds.
        cache: for the model's `past_key_values`; None while there is no row.
    """

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.cache: DynamicCache | None = None

    @property
    def columns(self) -> int:
        return max(self.lengths, default=0)

    def join(self, cache: DynamicCache) -> None:
        """Add a row: the cache of one sequence that `can_batch`."""
        length = int(cache.get_seq_length())
        found: Any = cache.layers  # transformers' annotations allow for layers that `can_batch` has refused
        layers = [(layer.keys, layer.values) for layer in found]
        if self.cache is None:
            self.cache = DynamicCache()
            self.cache.layers = [_RoomyLayer(keys, values) for keys, values in layers]
        else:
            columns = max(self.columns, length)
            for ours, (keys, values) in zip(self._layers, layers, strict=True):
                our_keys, our_values = ours.states
                ours.replace(_stacked(our_keys, keys, columns), _stacked(our_values, values, columns))
        self.lengths.append(length)

    def keep(self, rows: Sequence[int]) -> None:
        """Only these rows, in this order."""
        if list(rows) == list(range(len(self.lengths))):
            return
        before = self.columns
        self.lengths = [self.lengths[row] for row in rows]
        if not rows:
            self.cache = None
            return
        spare = before - self.columns
        for layer in self._layers:
            keys, values = layer.states
            chosen = torch.tensor(rows, device=keys.device)
            layer.replace(keys[:, :, spare:][chosen], values[:, :, spare:][chosen])

    def next_mask(self) -> torch.Tensor | None:
        """(rows, columns + 1) int64, 0 on padding, for the pass that reads one more token; None without padding."""
        columns = self.columns
        if all(length == columns for length in self.lengths):
            return None
        lengths = torch.tensor(self.lengths)[:, None]
        return (torch.arange(columns + 1)[None] >= columns - lengths).long()

    def advanced(self) -> None:
        """The model has read one more token of each row."""
        self.lengths = [length + 1 for length in self.lengths]

    @property
    def _layers(self) -> list[_RoomyLayer]:
        assert self.cache is not None
        return [layer for layer in self.cache.layers if isinstance(layer, _RoomyLayer)]


def _roomy(states: torch.Tensor, columns: int) -> torch.Tensor:
    room = states.new_empty((*states.shape[:2], columns, states.shape[3]))
    room[:, :, : states.shape[2]] = states
    return room


def _stacked(rows: torch.Tensor, row: torch.Tensor, columns: int) -> torch.Tensor:
    """Both under each other, each padded with zeros on the left."""
    # Zeros, as masked scores are added up with the values: 0 * NaN of an unset cell would be NaN.
    whole = rows.new_zeros((rows.shape[0] + 1, rows.shape[1], columns, rows.shape[3]))
    whole[:-1, :, columns - rows.shape[2] :] = rows
    whole[-1:, :, columns - row.shape[2] :] = row
    return whole
