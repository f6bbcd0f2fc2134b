"""Whether a span is denied: findings, steps, urgency, refusals, answers."""

import pytest

from bbflow.text.negation import CALM, DENIED_URGENCY, NO_REFUSAL, SKIPPED_STEP, count_negations, is_negated
from bbflow.text.tokenization import TokenizedText


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("She denies any chest pain", True), ("no fever or chest pain", True), ("without pain", True), ("negative for pain", True),
        ("She has pain", False), ("No fever. Pain since Monday", False), ("no fever but pain", False), ("no fever, has pain", False),
        ("not one two three four five pain", True), ("not one two three four five six pain", False), ("pain, not fever", False),
    ],
)  # fmt: skip
def test_a_finding_is_denied_within_six_words_of_its_sentence(text, negated):
    words = TokenizedText(text)
    assert is_negated(words, words.words.index("pain")) is negated


@pytest.mark.parametrize(
    ("kind", "text", "denied"),
    [
        (SKIPPED_STEP, "skip the |history", True), (SKIPPED_STEP, "don t order any further |tests", True),
        (SKIPPED_STEP, "not now but |history", False), (SKIPPED_STEP, "take the |history", False),
        (DENIED_URGENCY, "There is no need for an |urgent referral", True), (DENIED_URGENCY, "It isn't |urgent", True),
        (DENIED_URGENCY, "No pain, yet |urgent", False), (DENIED_URGENCY, "Nobody minds: |urgent", False),
        (CALM, "This is non-|urgent", True), (CALM, "Rule out an |emergency", True), (CALM, "instead of |admission", True),
        (CALM, "no. |Emergency", False), (CALM, "not at all the time that we have spent here |emergency", False),
        (NO_REFUSAL, "I do not |refuse", True), (NO_REFUSAL, "no reason to ever |refuse", True), (NO_REFUSAL, "I must |refuse", False),
    ],
)  # fmt: skip
def test_each_kind_reaches_its_span(kind, text, denied):
    before, _, after = text.partition("|")
    assert kind.reaches(before + after, len(before)) is denied


@pytest.mark.parametrize(("text", "number"), [("Give it", 0), ("Do not avoid it, don't", 3), ("ruled out and unsafe", 2), ("nothing", 0)])
def test_negations_are_counted(text, number):
    assert count_negations(text) == number
