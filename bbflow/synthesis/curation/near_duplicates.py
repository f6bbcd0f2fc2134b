"""Near duplicates by MinHash (Broder 1997): questions with the same answer that share most of their words in order.

Two questions with different answers are never duplicates, however alike: such pairs teach a difference. Neither are the
questions of one attempt, which are alike on purpose.
"""

from __future__ import annotations

import zlib

import numpy as np

from bbflow.records import Example
from bbflow.text.normalization import plain_words

PERMUTATIONS = 64
BANDS = 16
_BAND = 4 * PERMUTATIONS // BANDS
"""Bytes of a signature in one band."""
_SHINGLE = 3
_FACTORS, _TERMS = np.random.default_rng(7).integers(0, 2**64, (2, PERMUTATIONS), np.uint64, endpoint=False)
_FACTORS |= np.uint64(1)
"""Multiply-shift hashing (Dietzfelbinger et al. 1997): the upper half of factor * x + term, modulo 2**64, the factor odd."""


def shingles(text: str) -> set[str]:
    """Return the word triples of a text, without case and punctuation; a text of fewer than three words is one shingle.

    >>> sorted(shingles("Which drug treats gout?"))
    ['drug treats gout', 'which drug treats']
    """
    words = plain_words(text)
    return {" ".join(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))}


def signature(example: Example) -> np.ndarray:
    """Return the MinHash signature of an example, `PERMUTATIONS` 32-bit values.

    Questions are compared by their prompt; examples that no capability judges, such as statements, by their response as well.
    """
    text = example.prompt if example.capabilities else f"{example.prompt} {example.response}"
    hashed = np.array([zlib.crc32(shingle.encode()) for shingle in shingles(text)], np.uint64)
    return ((hashed[:, None] * _FACTORS + _TERMS) >> np.uint64(32)).min(axis=0).astype(np.uint32)


class NearDuplicates:
    """An index of questions, looked up by bands of their signatures.

    Args:
        threshold: Estimated Jaccard similarity from which two questions with one answer are duplicates.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._buckets: dict[int, list[int]] = {}
        self._signatures: list[bytes] = []

    def has(self, answer: str, signed: np.ndarray) -> bool:
        """Return whether a question with the same answer and a similar signature has been added."""
        alike = {i for key in _bands(answer, signed) for i in self._buckets.get(key, ())}
        least = self.threshold * PERMUTATIONS
        return any(np.count_nonzero(np.frombuffer(self._signatures[i], np.uint32) == signed) >= least for i in alike)

    def add(self, answer: str, signed: np.ndarray) -> None:
        """Add a question."""
        for key in _bands(answer, signed):
            self._buckets.setdefault(key, []).append(len(self._signatures))
        self._signatures.append(signed.tobytes())


def _bands(answer: str, signed: np.ndarray) -> list[int]:
    """Return the hash of each band of a signature."""
    raw = signed.tobytes()
    return [hash((answer, band, raw[at : at + _BAND])) for band, at in enumerate(range(0, len(raw), _BAND))]
