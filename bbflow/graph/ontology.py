"""The ontology: node kinds, predicates, and the kinds that each predicate joins.

Names follow the Biolink Model (https://biolink.github.io/biolink-model/) where it has a term; `caution_in`, `diagnosed_by`,
`has_maximum_daily_dose`, `has_red_flag` and `needs_urgent_action` are specific to this project, as are `Test`, `Allergy`,
`PhysiologicalState`, `RenalFunction`, `Action` and `Quantity`.
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
    "Gene": "a gene, or the proteins it encodes where a source does not tell them apart",
    "Protein": "a gene product",
    "Pathway": "a series of molecular events",
    "BiologicalProcess": "a process that gene products take part in",
    "MolecularActivity": "what a gene product does at the molecular level",
    "CellularComponent": "a part of a cell",
    "AnatomicalEntity": "an organ, tissue or cell type",
    "EnvironmentalExposure": "a substance or condition that people are exposed to",
}

AXES = ("disease", "pregnancy", "allergy", "interaction", "renal")
"""Axes on which a drug's `coverage` may be declared complete; each axis has its own kind of risk node."""

RISK_AXIS = {
    "Disease": "disease",
    "PhysiologicalState": "pregnancy",
    "Allergy": "allergy",
    "Drug": "interaction",
    "RenalFunction": "renal",
}
"""Kind of a node in a patient's context to the coverage axis it belongs to."""


@dataclass(frozen=True)
class Predicate:
    """A relation: the kinds it joins, its phrase in either direction, and whether it is symmetric.

    A plain statement is subject, `phrase`, object, or object, `inverse`, subject; the code that writes statements and the
    code that parses them both use these phrases. `alike` relations join nodes of one kind, or a drug and a drug class.
    """

    domain: tuple[str, ...]
    range: tuple[str, ...]
    phrase: str
    inverse: str
    symmetric: bool = False
    alike: bool = False

    def fits(self, subject: str, obj: str) -> bool:
        """Return whether the relation may join a subject and an object of these kinds.

        >>> PREDICATES["treats"].fits("Drug", "Disease"), PREDICATES["treats"].fits("Disease", "Drug")
        (True, False)
        """
        return subject in self.domain and obj in self.range and not (self.alike and subject != obj and (subject, obj) != _MEMBER)


_MEMBER = ("Drug", "DrugClass")
_CONDITION = ("Disease", "PhenotypicFeature")
_RISK = (*_CONDITION, "Allergy", "PhysiologicalState", "RenalFunction")
_PRODUCT = ("Gene", "Protein")
_PROCESS = ("Pathway", "BiologicalProcess", "MolecularActivity")
_ANY = tuple(KINDS)

PREDICATES = {
    "treats": Predicate(("Drug",), _CONDITION, "treats", "is treated with"),
    "subclass_of": Predicate(_ANY, _ANY, "is a kind of", "includes", alike=True),
    "has_phenotype": Predicate(("Disease",), ("PhenotypicFeature",), "presents with", "is a finding of"),
    "diagnosed_by": Predicate(("Disease",), ("Test",), "is diagnosed by", "diagnoses"),
    "contraindicated_in": Predicate(("Drug",), _RISK, "is contraindicated in", "forbids"),
    "caution_in": Predicate(("Drug",), _RISK, "needs caution in", "asks for caution with"),
    "interacts_with": Predicate(("Drug",), ("Drug",), "interacts with", "interacts with", symmetric=True),
    "has_side_effect": Predicate(("Drug",), ("PhenotypicFeature",), "can cause", "is a side effect of"),
    "has_maximum_daily_dose": Predicate(("Drug",), ("Quantity",), "has a maximum daily dose of", "is the maximum daily dose of"),
    "has_red_flag": Predicate(_CONDITION, ("PhenotypicFeature",), "has the red flag", "is a red flag in"),
    "needs_urgent_action": Predicate(("Disease",), ("Action",), "calls at once for", "is done at once for"),
    # For larger graphs; without these relations a graph is read, verbalised and used for questions as before.
    "preventative_for_condition": Predicate(("Drug",), _CONDITION, "is given to prevent", "is prevented by"),
    "ameliorates_condition": Predicate(("Drug",), _CONDITION, "eases", "is eased by"),
    "gene_associated_with_condition": Predicate(_PRODUCT, _CONDITION, "is a gene linked to", "is linked to the gene"),
    "disease_has_location": Predicate(_CONDITION, ("AnatomicalEntity",), "is found in the", "is a site of"),
    "affects": Predicate(
        ("Drug", "EnvironmentalExposure", *_PRODUCT), (*_PRODUCT, *_PROCESS, "CellularComponent"), "acts on", "is acted on by"
    ),
    "physically_interacts_with": Predicate(_PRODUCT, _PRODUCT, "binds to", "binds to", symmetric=True),
    "participates_in": Predicate(_PRODUCT, _PROCESS, "takes part in", "involves"),
    "located_in": Predicate(_PRODUCT, ("CellularComponent",), "is located in the", "is a location of"),
    "expressed_in": Predicate(_PRODUCT, ("AnatomicalEntity",), "is expressed in", "expresses"),
    "part_of": Predicate(_ANY, _ANY, "is part of", "has as a part", alike=True),
    "similar_to": Predicate(_ANY, _ANY, "resembles", "resembles", symmetric=True, alike=True),
    "related_to": Predicate(_ANY, _ANY, "is related to", "is related to", symmetric=True),
}

CURIE = re.compile(r"[A-Za-z][A-Za-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._-]*")


def is_curie(identifier: str) -> bool:
    """Return whether an identifier is a compact URI such as `HP:0000118`.

    >>> is_curie("drug:metformin"), is_curie("metformin")
    (True, False)
    """
    return CURIE.fullmatch(identifier) is not None
