"""Near duplicates by MinHash (Broder 1997): questions of one answer that share most of their words in order.

Two questions with different answers are no duplicates, however alike: such pairs are what teaches a difference.
"""

from __future__ import annotations

import re
import zlib

import numpy as np

from bbflow.records import Example

PERMUTATIONS = 64
BANDS = 16
_BAND = 4 * PERMUTATIONS // BANDS
"""Bytes of a signature in one band."""
_SHINGLE = 3
_FACTORS, _TERMS = np.random.default_rng(7).integers(0, 2**64, (2, PERMUTATIONS), np.uint64, endpoint=False)
_FACTORS |= np.uint64(1)
"""Multiply-shift hashing (Dietzfelbinger et al. 1997): the upper half of factor * x + term, modulo 2**64, the factor odd."""


def shingles(text: str) -> set[str]:
    """Returns the word triples of a text, case and punctuation aside; all its words where it has fewer than three.

    >>> sorted(shingles("Which drug treats gout?"))
    ['drug treats gout', 'which drug treats']
    """
    words = re.findall(r"\w+", text.casefold())
    return {" ".join(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))}


def signature(example: Example) -> np.ndarray:
    """Returns the MinHash signature of an example, `PERMUTATIONS` 32-bit values.

    Questions are compared by their prompt; text that asks nothing, such as statements, by what it tells as well.
    """
    text = example.prompt if example.capabilities else f"{example.prompt} {example.response}"
    hashed = np.array([zlib.crc32(shingle.encode()) for shingle in shingles(text)], np.uint64)
    return ((hashed[:, None] * _FACTORS + _TERMS) >> np.uint64(32)).min(axis=0).astype(np.uint32)


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
        raw = signed.tobytes()
        keys = [hash((answer, band, raw[at : at + _BAND])) for band, at in enumerate(range(0, len(raw), _BAND))]
        candidates = {i for key in keys for i in self._buckets.get(key, ())}
        for i in candidates:
            if np.count_nonzero(np.frombuffer(self._signatures[i], np.uint32) == signed) >= self.threshold * PERMUTATIONS:
                return False
        for key in keys:
            self._buckets.setdefault(key, []).append(len(self._signatures))
        self._signatures.append(raw)
        return True
