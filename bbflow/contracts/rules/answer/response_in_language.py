"""The response is in the language that it should be in."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph

_FUNCTION_WORDS = {
    "en": "the and of to in is for with that this are was be not or as on by an it from at which has have can should if will who there "
    "may must no do does give take avoid because patient answer treats drug",
    "de": "der die das und ist nicht ein eine einen mit für auf den dem des zu bei wird werden kann soll sollte oder wenn sich auch als im "
    "von nach sind hat haben keine kein geben antwort weil",
    "fr": "le la les un une des et est pas dans pour avec sur que qui au aux ce cette il elle sont par ne ou du être doit peut donner "
    "réponse chez car plus",
    "es": "el la los las un una unos y es no en para con por que del al se su son como más pero está debe puede dar respuesta porque este",
    "it": "il lo la gli le un una e è non in per con che di del della al si sono come più o ma deve può dare risposta perché questo dei",
    "pt": "o a os as um uma e é não em para com que do da dos das ao se são como mais mas ou deve pode dar resposta porque este no na",
    "nl": "de het een en is niet in van op te voor met dat die zijn aan bij wordt kan moet of als ook geen geven antwoord omdat deze door",
}


_WORD = re.compile(r"[^\W\d_]+")


@row_rule("response", group="form")
def response_in_language(
    row: Row, graph: KnowledgeGraph, *, language: Literal["en", "de", "fr", "es", "it", "pt", "nl"] = "en", foreign: float = 0.1
) -> Iterator[str]:
    """The response is in the expected language.

    Counted are function words of seven languages, and letters of other alphabets; a short answer such as a name belongs to any of them.

    Args:
        row: The row.
        graph: The graph.
        language: ISO 639-1 code.
        foreign: Largest share of letters that are not Latin; single Greek letters are common in medicine.
    """
    response = row.text("response")
    if not response.isascii():
        letters = [c for c in response if c.isalpha()]
        other = sum(not _latin(c) for c in letters)
        if other > foreign * len(letters):
            yield f"{other} of {len(letters)} letters of the response are not Latin"
            return
    elif 2 * sum(map(_foreign(language).__contains__, found := row.words("response").words)) < sum(map(_own(language).__contains__, found)):
        return  # no language can have half as many hits again as the expected one; most rows end here
    known, words = _words(), _WORD.findall(response.lower())
    hits = [codes for codes in map(known.get, words) if codes]
    scores = Counter(code for codes in hits for code in codes)
    best = max(scores, key=lambda code: scores[code], default=language)
    if len(words) >= 4 and scores[best] >= 2 and scores[best] >= 1.5 * scores[language] and best != language:
        yield f"the response reads like '{best}', not '{language}'"


@lru_cache
def _own(language: str) -> frozenset[str]:
    return frozenset(_FUNCTION_WORDS[language].split())


@lru_cache
def _foreign(language: str) -> frozenset[str]:
    return frozenset(_words()) - _own(language)


@lru_cache(maxsize=1)
def _words() -> dict[str, tuple[str, ...]]:
    """Returns each function word with the languages that it belongs to."""
    known: dict[str, tuple[str, ...]] = {}
    for code, words in _FUNCTION_WORDS.items():
        for word in dict.fromkeys(words.split()):
            known[word] = (*known.get(word, ()), code)
    return known


@lru_cache(maxsize=4096)
def _latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith(("LATIN", "FEMININE", "MASCULINE", "MICRO"))
