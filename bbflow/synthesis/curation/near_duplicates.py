"""Near duplicates by MinHash (Broder 1997): questions of one answer that share most of their words in order.

Two questions with different answers are no duplicates, however alike: such pairs are what teaches a difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bbflow.records import Example

PERMUTATIONS = 64
BANDS = 16
_SHINGLE = 3
_SEED = 7


def shingles(text: str) -> set[str]:
    """Returns the word triples of a text, case and punctuation aside; all its words where it has fewer than three.

    >>> sorted(shingles("Which drug treats gout?"))
    ['drug treats gout', 'which drug treats']
    """
    words = re.findall(r"\w+", text.casefold())
    return {" ".join(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))}


def signature(example: Example) -> np.ndarray:
    """Returns the MinHash signature of an example's prompt, `PERMUTATIONS` 32-bit values."""
    from datasketch import MinHash

    sketch = MinHash(num_perm=PERMUTATIONS, seed=_SEED)
    sketch.update_batch([shingle.encode() for shingle in shingles(example.prompt)])
    return sketch.hashvalues.astype(np.uint32)


class NearDuplicates:
    """The questions kept so far, found again by bands of their signatures.

    Args:
        threshold: Estimated Jaccard similarity from which two questions with one answer are duplicates.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._buckets: dict[int, list[int]] = {}
        self._signatures: list[bytes] = []

    def admit(self, answer: str, signed: np.ndarray) -> bool:
        """Keeps a question and says so, or says that one like it is there already."""
        keys = self._keys(answer, signed)
        candidates = {i for key in keys for i in self._buckets.get(key, ())}
        for i in candidates:
            if float(np.mean(np.frombuffer(self._signatures[i], np.uint32) == signed)) >= self.threshold:
                return False
        for key in keys:
            self._buckets.setdefault(key, []).append(len(self._signatures))
        self._signatures.append(signed.tobytes())
        return True

    def _keys(self, answer: str, signed: np.ndarray) -> Sequence[int]:
        rows = signed.reshape(BANDS, -1)
        return [hash((answer, band, row.tobytes())) for band, row in enumerate(rows)]
