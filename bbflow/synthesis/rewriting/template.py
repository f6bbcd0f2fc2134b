"""A rewriter without a model: openings, and synonyms of common words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bbflow.synthesis.rewriting.base import Rewriter, generator

OPENINGS = ("", "", "A question from the ward: ", "Please help with this: ", "From a colleague: ", "For the record: ", "Quick check: ")
WORDS = {
    "which": ("which", "what"),
    "name": ("name", "state", "give"),
    "choose": ("choose", "pick", "select"),
    "typical": ("typical", "characteristic"),
    "presents with": ("presents with", "shows", "comes with"),
    "a patient": ("a patient", "someone", "a person"),
    "treats": ("treats", "is used for", "is given for"),
    "is given": ("is given", "is prescribed"),
    "takes": ("takes", "is taking"),
}
_PATTERN = re.compile(rf"\b({'|'.join(sorted(WORDS, key=len, reverse=True))})\b", re.IGNORECASE)


class TemplateRewriter(Rewriter):
    """Replace words by synonyms and prepend an opening; fast and deterministic.

    Args:
        tries: Number of proposals for a text.
    """

    def __init__(self, tries: int = 3) -> None:
        self.tries = tries

    def __call__(self, texts: Sequence[str], seed: int) -> list[list[str]]:
        """Propose wordings."""
        return [self._proposals(text, seed) for text in texts]

    def _proposals(self, text: str, seed: int) -> list[str]:
        rng = generator(text, seed)
        found = []
        for _ in range(self.tries):
            new = _PATTERN.sub(lambda match: _cased(rng.choice(WORDS[match[0].lower()]), match[0]), text)
            opening = rng.choice(OPENINGS)
            found.append(opening + (new[0].lower() + new[1:] if opening and new[:2].istitle() and not new[:2].isupper() else new))
        return found


def _cased(word: str, like: str) -> str:
    return word[0].upper() + word[1:] if like[0].isupper() else word
