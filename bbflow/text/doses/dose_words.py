"""The words that tell what a number next to a dose is: tablets, a ceiling, a supply, a swallowed amount, a laboratory value."""

from __future__ import annotations

from collections.abc import Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLETS = _words(
    """
    tablet tablets tab tabs pill pills capsule capsules cap caps ampoule ampoules vial vials puff puffs caplet caplets lozenge lozenges
    sachet sachets suppository suppositories patch patches
    """
)
ADMINISTRATIONS = _words("take takes taking give gives giving swallow use start prescribe administer have takes")
"""Verbs after which a bare number is a number of tablets."""

SUPPLIES = _words(
    """
    dispense dispensed dispensing disp supply supplied supplies quantity qty pack packs packet box boxes bottle bottles refill refills
    """
)
"""Words before a number of tablets that are handed out, not taken."""

SWALLOWED = _words("swallowed ingested overdosed overdose gulped took poisoned ingestion overdosage")
"""Words before an amount that was taken, not advised."""

CEILINGS = _words(
    """
    max maximum maximal maximally exceed exceeds exceeding exceeded ceiling limit limits limited cap capped
    """
)
"""Words before an amount that bounds the doses; it has no frequency but its own."""

LABORATORY = _words(
    """
    creatinine glucose cholesterol ldl hdl triglycerides bilirubin bun hemoglobin haemoglobin crp albumin proteinuria urea sugar ferritin
    weighs weight weighing weighed
    """
)
"""Words before the value of a measurement."""

_COPULAS = _words("is was of at level levels the to about around value equals being now a")
"""Words between the name of a measurement and its value."""

ADDITIONS = _words("and plus")
SEQUENCES = _words(
    "then thereafter week weeks days after later increase increased increasing titrate titrated raise raised or to until followed instead"
)
"""Words between two doses of which one follows the other, so that they do not add up."""

FORMS = _words(
    """
    po oral orally iv im sc sl pr ir er xr sr cr la dr ec ml extended immediate modified sustained release film coated retard by mouth
    the a of each per dose doses dosed given taken once-daily intravenously subcutaneously sublingually rectally po prn
    """
)
"""Words between a dose and its frequency that say how it is given."""

FREQUENCY_LIKE = _words(
    """
    alternis hora horis somni omni omnibus quaque die dies diebus diem noctis diurnal diurnally continuously continuous regularly sos
    """
)
"""Words of a frequency that cannot be counted."""

ORDINARY_SHORT_WORDS = _words(
    """
    a i am an as at be by do go he hi if in is it me my no of on or so to up us we ad ie eg vs
    add age ago aid aim air all and any are ask bad bed big but buy can cup day did dry due ear eat end era eye fat few fit for fry gel get
    got gut had has her him his hot how its jar job key kit law led leg let lie lot low may men met mix new nil non nor not now off oil old
    one our out own pay pen per put ran raw red rid run sad sat saw say see set she sit six ten the tie tip too top try two use via war was
    way web wet who why won yes yet you iv im sc po sl pr ir er xr sr cr la dr ec ng mg ml kg hr prn usp ssri bp hf af mi ed icu asap ok
    mrs mr dr ms uk us eu fda who nhs bnf ckd copd gfr egfr
    """
)
"""Words of up to three letters that follow a dose without being a frequency."""

_REACH = 4
"""Words before a number that say what it is."""


def is_said_before(words: Sequence[str], at: int, cues: frozenset[str]) -> bool:
    """Return whether a number is what one of some words says of it: the words before it hold one, and no verb of giving follows that one.

    >>> swallowed = "overdose of 12 g".split(), "after an overdose give 1 g".split()
    >>> is_said_before(swallowed[0], 2, SWALLOWED), is_said_before(swallowed[1], 4, SWALLOWED)
    (True, False)
    """
    for i in range(at - 1, max(-1, at - 1 - _REACH), -1):
        if words[i] in cues:
            return True
        if words[i] in ADMINISTRATIONS:
            return False
    return False


def is_measurement(words: Sequence[str], at: int) -> bool:
    """Return whether a number is the value of a measurement ("creatinine of 1.2 mg"), by the words before it.

    >>> is_measurement("weight is 90".split(), 2), is_measurement("for weight loss orlistat 120".split(), 4)
    (True, False)
    """
    i = at - 1
    while i > 0 and words[i] in _COPULAS:
        i -= 1
    return i >= 0 and words[i] in LABORATORY
