"""The person whom a prompt describes, as the contract and any other reader see it."""

import pytest

from bbflow.graph import ClinicalPack
from bbflow.text.prompt_context import PromptContext, asks_for_patient, read_prompt, speaks_of_person

PACK = ClinicalPack().load()


def names(nodes):
    return [PACK.name_of(node) for node in nodes]


@pytest.mark.parametrize(
    ("text", "conditions", "medications", "allergies"),
    [
        ("A man has asthma and takes war-farin.", ["asthma"], ["warfarin"], []),
        ("She denies asthma.", [], [], []),
        ("My mother has asthma; I have gout.", ["gout"], [], []),
        ("He is allergic to aspirin.", [], [], ["aspirin"]),
        ("He is allergic to NSAIDs.", [], [], ["NSAID allergy"]),
        ("She has an NSAID allergy.", [], [], ["NSAID allergy"]),
        ("Is warfarin good?", [], [], []),  # named, and not taken
    ],
)
def test_what_a_prompt_names_and_does_not_deny(text, conditions, medications, allergies):
    found = read_prompt([text], PACK)
    assert (names(found.conditions), names(found.medications), names(found.allergies)) == (conditions, medications, allergies)


@pytest.mark.parametrize(
    ("text", "clear", "unclear"),
    [
        ("I'm 24 weeks and have backache.", ["pregnancy"], []),
        ("26 yo G1 @ 33w4d, wrist sprain", ["pregnancy"], []),
        ("Twins, 21 weeks, BP 144/92", ["pregnancy"], []),
        ("I'm 14 weeks gone.", ["pregnancy"], []),
        ("FHR reassuring, wrist sprain", ["pregnancy"], []),
        ("Thirty-two weeks, renal colic", [], ["pregnancy"]),
        ("I am 8 weeks into my diet, review in 6 weeks.", [], []),
        ("Cough for two weeks.", [], []),
        ("34 yo with WPW", ["Wolff-Parkinson-White syndrome"], []),
        ("Cardiac history: congenital LQTS", ["long QT syndrome"], []),
        ("ECG: QTc 510", [], ["long QT syndrome"]),
        ("Phaeo, awaiting surgery", ["pheochromocytoma"], []),
        ("Addison's, on hydrocortisone", ["Addison disease"], []),
        ("17M, OTC deficiency", ["urea cycle disorder"], []),
        ("Gallstones, awaiting lap chole", ["gallbladder disease"], []),
        ("NYHA II, breathless", ["heart failure"], []),
        ("Echo: LVEF 22 percent", ["heart failure"], []),
        ("Echo: LVEF 60 percent", [], []),
        ("K 2.6 with the diarrhoea", ["low potassium"], []),
        ("K 4.3, cramps", [], []),
        ("Drinks a bottle of vodka a day", ["heavy alcohol use"], []),
        ("Eight to ten cans of strong lager every day", ["heavy alcohol use"], []),
        ("Psoriasis, exclusively nursing", ["breast-feeding"], []),
        ("Neutrophils 0.7", [], ["bone marrow suppression"]),
        ("My daughter has long QT. What can she take?", [], ["long QT syndrome"]),
    ],
)
def test_conditions_in_words_of_clinical_notes(text, clear, unclear):
    found = read_prompt([text], PACK)
    told, vague = set(names(found.conditions)), set(names(found.unclear.conditions))
    kinds = {
        "pregnancy", "Wolff-Parkinson-White syndrome", "long QT syndrome", "pheochromocytoma", "Addison disease", "urea cycle disorder",
        "gallbladder disease", "heart failure", "low potassium", "heavy alcohol use", "breast-feeding", "bone marrow suppression",
    }  # fmt: skip
    assert (told & kinds, vague & kinds) == (set(clear), set(unclear))


def test_turns_add_up():
    found = read_prompt(["I have asthma.", "I have gout."], PACK)
    assert names(found.conditions) == ["asthma", "gout"]
    assert read_prompt([], PACK) == PromptContext()


@pytest.mark.parametrize(
    ("text", "person", "asks"),
    [
        ("A 40-year-old man has asthma. What helps?", True, True), ("I need two drugs.", True, False), ("I have gout.", True, True),
        ("What must he avoid?", True, True), ("Which drug treats gout?", False, False),
    ],
)  # fmt: skip
def test_persons_and_requests(text, person, asks):
    assert (speaks_of_person(text), asks_for_patient(text)) == (person, asks)


@pytest.mark.parametrize(
    ("prompt", "heavy"), [("He drinks 2 litres of water a day.", False), ("He gets through ten cans of strong lager every day.", True)]
)
def test_what_is_drunk_decides_whether_it_is_heavy_alcohol_use(prompt: str, heavy: bool) -> None:
    found = read_prompt([prompt], ClinicalPack().load())
    assert ("disease:heavy_alcohol_use" in found.conditions) == heavy
