"""The verifiers against an independent implementation of IFEval's, on 5,000 generated cases, half of them passing in every type."""

import random
from collections import Counter

import langdetect
import pytest
from if_verifiable.common import get_loose_transformations
from if_verifiable.ifeval import instructions_util
from if_verifiable.ifeval.instructions_registry import INSTRUCTION_DICT
from ifeval_cases import CASES
from nltk.tokenize import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer

from bbflow.rewards.ifeval_verifiers import VERIFIERS, edits, is_met, is_met_loosely

PER_TYPE = 200
SENTENCES = PunktSentenceTokenizer()
SLOW = ("language:response_language", "change_case:english_capital", "change_case:english_lowercase")
"""Types for which the oracle asks langdetect; the loose reading would ask it eight times."""


@pytest.fixture(autouse=True)
def _oracle_without_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle's two tokenizers want trained data from the network; these are nltk's own without it."""
    monkeypatch.setattr(instructions_util, "count_sentences", lambda text: len(SENTENCES.tokenize(text)))
    monkeypatch.setattr(instructions_util.nltk, "word_tokenize", NLTKWordTokenizer().tokenize)
    langdetect.DetectorFactory.seed = 0


def oracle(kind: str, kwargs: dict, text: str) -> bool:
    checker = INSTRUCTION_DICT[kind](kind)
    checker.build_description(**kwargs)
    return bool(checker.check_following(text))


def balanced(kind: str, rng: random.Random) -> list[tuple[dict, str, bool]]:
    """As many passing cases as failing ones, by the oracle's word."""
    found: dict[bool, list] = {True: [], False: []}
    for _ in range(PER_TYPE * 40):
        kwargs, text = CASES[kind](rng)
        passes = oracle(kind, kwargs, text)
        if len(found[passes]) < PER_TYPE // 2:
            found[passes].append((kwargs, text, passes))
        if all(len(cases) == PER_TYPE // 2 for cases in found.values()):
            break
    return found[True] + found[False]


def test_all_25_types_are_there() -> None:
    assert set(CASES) == set(INSTRUCTION_DICT) <= set(VERIFIERS)
    assert len(CASES) == 25


def test_agreement() -> None:
    rng = random.Random(20_261_124)
    differences, total, loose_differences = Counter(), 0, Counter()
    for kind in CASES:
        cases = balanced(kind, rng)
        share = sum(passes for _, _, passes in cases) / len(cases)
        assert 0.4 <= share <= 0.6, (kind, share, len(cases))
        for kwargs, text, passes in cases:
            demand = {"type": kind, "kwargs": kwargs}
            if is_met(demand, text) != passes:
                differences[kind] += 1
                print("strict", kind, passes, kwargs, repr(text[:160]))  # noqa: T201
            if kind not in SLOW:
                loosely = any(edit.strip() and oracle(kind, kwargs, edit) for edit in get_loose_transformations(text))
                loose_differences[kind] += is_met_loosely(demand, text) != loosely
        total += len(cases)
    print("cases", total, "strict", dict(differences), "loose", dict(+loose_differences))  # noqa: T201
    assert total == 5000
    assert 1 - sum(differences.values()) / total >= 0.995, differences
    assert 1 - sum(loose_differences.values()) / (total - PER_TYPE * len(SLOW)) >= 0.995, loose_differences


def test_the_edits_are_those_of_the_oracle() -> None:
    for text in ("one", "*a*\nb\nc", "\n\n", ""):
        assert sorted(edits(text)) == sorted(get_loose_transformations(text))
