"""A key/value cache with room for the completion, so that a decoding step copies one column and not the whole cache."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class PreallocatedLayer(DynamicLayer):
    """Keys and values of one layer, [rows, heads, tokens, width], in buffers with spare room."""

    def __init__(self, keys: Tensor, values: Tensor, room: int) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._key_buffer, self._value_buffer = _with_room(keys, room), _with_room(values, room)
        self._show(keys.shape[2])

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write new columns in place and return all columns so far."""
        start, stop = self._used, self._used + key_states.shape[2]
        self._key_buffer[:, :, start:stop] = key_states
        self._value_buffer[:, :, start:stop] = value_states
        return self._show(stop)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only some rows."""
        self._key_buffer, self._value_buffer = self._key_buffer[indices], self._value_buffer[indices]
        self._show(self._used)

    def _show(self, used: int) -> tuple[Tensor, Tensor]:
        self._used = used
        keys, values = self._key_buffer[:, :, :used], self._value_buffer[:, :, :used]
        self.keys, self.values = keys, values
        return keys, values


def preallocate(cache: DynamicCache, room: int) -> DynamicCache:
    """Move a cache into buffers with space for `room` more tokens; layers of other kinds (sliding windows) stay as they are."""
    layers: list[Any] = cache.layers
    cache.layers = [PreallocatedLayer(*_states(layer), room) if type(layer) is DynamicLayer else layer for layer in layers]
    return cache


def _with_room(states: Tensor, room: int) -> Tensor:
    rows, heads, used, width = states.shape
    buffer = states.new_empty(rows, heads, used + room, width)
    buffer[:, :, :used] = states
    return buffer


def _states(layer: Any) -> tuple[Tensor, Tensor]:
    return layer.keys, layer.values
