"""The reference of a KL penalty: the policy as it was when the run began."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bbflow.policies.policy import Policy


class Reference:
    """The policy at the start of the run, without gradient.

    A fresh adapter changes nothing at the start, so the model without it is the reference and costs no memory. A model trained in full, or
    an adapter that was trained before, needs a frozen copy; the copy is not part of the module, so checkpoints do not contain it: a resumed
    run loads it again from `policy.path`.
    """

    def __init__(self, policy: Policy) -> None:
        self._adapted = policy.model if policy.fresh_adapter else None
        self._copy = None if policy.fresh_adapter else copy.deepcopy(policy.model).eval().requires_grad_(False)

    @contextmanager
    def model(self, device: torch.device) -> Iterator[Any]:
        """Provide the reference model on a device, gradients off."""
        with torch.no_grad():
            if self._copy is not None:
                yield self._copy.to(device)
            else:
                with self._adapted.disable_adapter():  # type: ignore[union-attr]
                    yield self._adapted
