"""The node kinds and predicates bbflow knows, and what a well-formed medical graph obeys.

Names follow the Biolink Model (https://biolink.github.io/biolink-model/) where it has the word; `caution_in`,
`has_maximum_daily_dose`, `has_red_flag` and `needs_urgent_action` are this project's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

KINDS = {
    "Drug": "a medicinal substance",
    "DrugClass": "a group of drugs with a shared mechanism or structure",
    "Disease": "a disease or disorder, also as comorbidity",
    "PhenotypicFeature": "a symptom, sign or side effect",
    "Test": "a laboratory test, image or procedure",
    "Allergy": "a hypersensitivity to a drug or drug class",
    "PhysiologicalState": "a state that is no disease, such as pregnancy",
    "RenalFunction": "a range of kidney function, with `egfr_from` and `egfr_below` in `unit`",
    "Action": "what is done at once in an emergency",
    "Quantity": "an amount with its unit",
}

AXES = ("disease", "pregnancy", "allergy", "interaction", "renal")
"""What a drug's `coverage` may declare complete; each axis has its own kind of risk node."""

RISK_AXIS = {
    "Disease": "disease",
    "PhysiologicalState": "pregnancy",
    "Allergy": "allergy",
    "Drug": "interaction",
    "RenalFunction": "renal",
}
"""Kind of a node in a patient's context to the coverage axis that judges it."""


@dataclass(frozen=True)
class Predicate:
    """A relation: which kinds it joins, how a sentence says it in either direction, and whether it holds both ways.

    `phrase` stands between subject and object in a plain statement, `inverse` between object and subject; what writes
    statements and what reads them back both use these.
    """

    domain: tuple[str, ...]
    range: tuple[str, ...]
    phrase: str
    inverse: str
    symmetric: bool = False


_RISKS = ("Disease", "Allergy", "PhysiologicalState", "RenalFunction")

PREDICATES = {
    "treats": Predicate(("Drug",), ("Disease",), "treats", "is treated with"),
    "subclass_of": Predicate(("Drug", "DrugClass", "Disease"), ("DrugClass", "Disease"), "is a kind of", "includes"),
    "has_phenotype": Predicate(("Disease",), ("PhenotypicFeature",), "presents with", "is a finding of"),
    "diagnosed_by": Predicate(("Disease",), ("Test",), "is diagnosed by", "diagnoses"),
    "contraindicated_in": Predicate(("Drug",), _RISKS, "is contraindicated in", "forbids"),
    "caution_in": Predicate(("Drug",), _RISKS, "needs caution in", "asks for caution with"),
    "interacts_with": Predicate(("Drug",), ("Drug",), "interacts with", "interacts with", symmetric=True),
    "has_side_effect": Predicate(("Drug",), ("PhenotypicFeature",), "can cause", "is a side effect of"),
    "has_maximum_daily_dose": Predicate(("Drug",), ("Quantity",), "has a maximum daily dose of", "is the maximum daily dose of"),
    "has_red_flag": Predicate(("Disease", "PhenotypicFeature"), ("PhenotypicFeature",), "has the red flag", "is a red flag in"),
    "needs_urgent_action": Predicate(("Disease",), ("Action",), "calls at once for", "is done at once for"),
}

CURIE = re.compile(r"[A-Za-z][A-Za-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._-]*")


def is_curie(identifier: str) -> bool:
    """Tells whether an identifier is a compact URI such as `HP:0000118`.

    >>> is_curie("drug:metformin"), is_curie("metformin")
    (True, False)
    """
    return CURIE.fullmatch(identifier) is not None
