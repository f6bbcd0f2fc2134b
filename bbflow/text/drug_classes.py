"""Names of families of drugs that a graph does not give as classes: by its allergies, by abbreviations, and those that it cannot know.

An allergy of the graph that is called `NSAID allergy` makes `NSAID` the family of the drugs that it forbids. A family that can be traced to
nothing in the graph is known to be one all the same, so that advice to take it does not pass unseen.
"""

from __future__ import annotations

from bbflow.graph.knowledge_graph import KnowledgeGraph

UNKNOWN = ""
"""Stands for a node where the graph has none for a family."""

_ALLERGY = " allergy"
_OTHER_NAMES = {
    "NSAID": ("NSAID allergy", "nonsteroidal anti-inflammatory drug"),
    "anti-inflammatory": ("NSAID allergy", "nonsteroidal anti-inflammatory drug"),
    "anti-inflammatorie": ("NSAID allergy", "nonsteroidal anti-inflammatory drug"),  # a plural but for its s
    "anti-inflammatory drug": ("NSAID allergy", "nonsteroidal anti-inflammatory drug"),
    "ACEI": ("ACE inhibitor",), "angiotensin converting enzyme inhibitor": ("ACE inhibitor",),
    "ARB": ("angiotensin receptor blocker",), "sartan": ("angiotensin receptor blocker",),
    "CCB": ("calcium channel blocker",), "calcium antagonist": ("calcium channel blocker",),
    "beta antagonist": ("beta blocker",), "water pill": ("diuretic",), "blood thinner": ("anticoagulant",),
    "quinolone": ("fluoroquinolone allergy",), "sulfa": ("sulfonamide allergy",), "sulfa drug": ("sulfonamide allergy",),
    "sulfa antibiotic": ("sulfonamide allergy",), "blood pressure pill": (), "penicillin": (), "cephalosporin": (), "macrolide": (),
    "fluoroquinolone": (), "tetracycline": (), "sulfonamide": (), "aminoglycoside": (), "carbapenem": (), "beta lactam": (),
    "SSRI": (), "SNRI": (), "tricyclic": (), "tricyclic antidepressant": (), "MAOI": (), "MAO inhibitor": (),
    "monoamine oxidase inhibitor": (), "benzodiazepine": (), "barbiturate": (), "antipsychotic": (), "neuroleptic": (), "opioid": (),
    "opiate": (), "PPI": (), "proton pump inhibitor": (), "H2 blocker": (), "DOAC": (), "NOAC": (), "P2Y12 inhibitor": (),
    "sulfonylurea": (), "biguanide": (), "glitazone": (), "gliflozin": (), "gliptin": (), "SGLT2 inhibitor": (), "DPP 4 inhibitor": (),
    "GLP 1 agonist": (), "thiazide": (), "thiazide diuretic": (), "loop diuretic": (), "PDE5 inhibitor": (), "retinoid": (),
    "ergot": (), "antihistamine": (), "decongestant": (), "bronchodilator": (), "beta agonist": (), "anticholinergic": (),
    "antispasmodic": (), "muscle relaxant": (), "antiemetic": (), "azole": (), "azole antifungal": (),
}  # fmt: skip
"""Family to names of the node that it is in a graph, the best first."""


def drug_classes(graph: KnowledgeGraph) -> dict[str, str]:
    """Returns families of drugs by name, singular, with the class or the allergy of the graph that says which drugs they are."""
    kinds = ("DrugClass", "Allergy")
    by_name = {name.casefold(): node.id for node in graph.nodes() if node.kind in kinds for name in (node.name, *node.synonyms)}
    found = {
        name.casefold(): next((by_name[n] for n in map(str.casefold, nodes) if n in by_name), UNKNOWN)
        for name, nodes in _OTHER_NAMES.items()
    }
    return found | {name.removesuffix(_ALLERGY): node for name, node in by_name.items() if name.endswith(_ALLERGY)}


def drugs_of(graph: KnowledgeGraph, family: str) -> list[str]:
    """Returns the drugs of a family: those of a class, or those that an allergy forbids."""
    if family == UNKNOWN:
        return []
    return graph.subjects(*(("contraindicated_in", family) if graph.node(family).kind == "Allergy" else ("subclass_of", family)))
