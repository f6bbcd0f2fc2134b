"""Decoding steps that are the same operations on the same tensors every time, so that a GPU can replay them as one graph.

A small model's step is hundreds of kernels of a few microseconds each, and launching them costs more than running them. A CUDA graph is
launched once. It needs fixed shapes and addresses: the cache keeps its full length, columns not yet written are hidden, and position and
column of the next token are tensors that the step itself moves on.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from bbflow.policies.rollouts.llama_decoder import ALIGNED, LlamaDecoder, LlamaWeights


class StaticDecoder(LlamaDecoder):
    """`LlamaDecoder` with the same arguments; on a CUDA device every step replays a graph, recorded anew when rows leave."""

    def __init__(self, weights: LlamaWeights, prompt_ids_BP: Tensor, prompt_mask_BP: Tensor, group_size: int, room: int) -> None:
        room += -room % ALIGNED
        super().__init__(weights, prompt_ids_BP, prompt_mask_BP, group_size, room)
        self.hidden_T = torch.ones(room, dtype=torch.bool, device=self.position_N.device)
        for states in (self.keys, self.values):
            states.zero_()  # hidden, but NaN times nothing is NaN
        self.column = torch.zeros(1, dtype=torch.long, device=self.position_N.device)
        self.token_N = torch.zeros_like(self.position_N)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stale = True
        self._pool: Any = None

    def advance(self, token: Tensor) -> None:
        """Append one token to every row."""
        self.token_N.copy_(token)
        if not self.token_N.is_cuda:
            self.logits = self._step()
            return
        if self._stale:
            self._record()
        if self._graph is not None:
            self._graph.replay()

    def select(self, keep: Tensor) -> None:
        """Drop all other rows."""
        super().select(keep)
        self.token_N, self._stale = self.token_N[keep], True

    def _record(self) -> None:
        """Record a step; the graph before it lives until then, because a pool that no graph uses any more cannot be recorded into."""
        side, main = _side_stream(self.token_N.device), torch.cuda.current_stream()
        side.wait_stream(main)
        with torch.cuda.stream(side):
            if self._pool is None:  # the libraries set themselves up in a first run, which a graph must not contain
                self._pool = torch.cuda.graph_pool_handle()
                state = self.position_N.clone(), self.column.clone()
                self._step()
                for moved, before in zip((self.position_N, self.column), state, strict=True):
                    moved.copy_(before)
            graph = torch.cuda.CUDAGraph()
            graph.capture_begin(pool=self._pool)  # not `torch.cuda.graph`, which empties the allocator's cache whenever rows leave
            try:
                self.logits = self._step()
            finally:
                graph.capture_end()
        main.wait_stream(side)
        self._graph, self._stale = graph, False

    def _step(self) -> Tensor:
        """Run one token of every row: write the caches, advance position and column, return logits [N, V]."""
        self.hidden_T.index_fill_(0, self.column, False)

        def attend(number: int, q_NHLE: Tensor, k_NJLE: Tensor, v_NJLE: Tensor) -> Tensor:
            keys, values = self.keys[number].index_copy_(2, self.column, k_NJLE), self.values[number].index_copy_(2, self.column, v_NJLE)
            return self._attended(number, q_NHLE, keys, values, self.hidden_T)

        logits_NV = self._forward(self.token_N[:, None], self.position_N[:, None], attend)
        self.position_N += 1
        self.column += 1
        return logits_NV


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the one stream of the whole run: the workspaces that libraries set up for a stream are never given back."""
    return torch.cuda.Stream(device)
