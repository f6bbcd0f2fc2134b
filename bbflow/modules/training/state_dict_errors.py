"""Error for a checkpoint whose weights belong to another model than the recipe's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bbflow.errors import InputError, Problem


@contextmanager
def fitting_weights() -> Iterator[None]:
    """Raise one short error where weights do not fit; torch would list every tensor.

    Raises:
        InputError: Names or shapes of the weights are not the model's.
    """
    try:
        yield
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))
        hint = "--ckpt_path resumes a run of the same policy and adapter; to start from other weights, set policy.path"
        what = f"the weights of the checkpoint do not fit the recipe's model: {first[:200]}"
        raise InputError(Problem(what, "--ckpt_path", hint)) from error
