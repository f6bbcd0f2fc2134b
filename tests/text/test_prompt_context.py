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
