"""A graph small enough to check by hand, rows that are right by it, and contracts as data."""

from bbflow.graph import KnowledgeGraph
from bbflow.graph.knowledge_graph import Edge, Node

ALL_AXES = {"coverage": {"disease": "complete", "pregnancy": "complete", "allergy": "complete", "interaction": "complete"}}
RISK = {"risk": True}


def make_graph(name="small"):
    nodes = [
        Node("drug:propranolol", "Drug", "propranolol", ("Inderal",), ALL_AXES),
        Node("drug:amlodipine", "Drug", "amlodipine", ("Norvasc",), ALL_AXES),
        Node("drug:lisinopril", "Drug", "lisinopril", ("Zestril",), ALL_AXES),
        Node("drug:amoxicillin", "Drug", "amoxicillin", ("Amoxil",), ALL_AXES),
        Node("drug:ampicillin", "Drug", "ampicillin", (), ALL_AXES),
        Node("drug:warfarin", "Drug", "warfarin", ("Coumadin",), {**ALL_AXES, **RISK}),
        Node("drug:aspirin", "Drug", "aspirin", (), {**ALL_AXES, **RISK}),
        Node("drug:omeprazole", "Drug", "omeprazole", (), RISK),
        Node("class:penicillins", "DrugClass", "penicillins"),
        Node("mondo:hypertension", "Disease", "hypertension", ("high blood pressure",), RISK),
        Node("mondo:asthma", "Disease", "asthma", (), RISK),
        Node("mondo:severe_asthma", "Disease", "severe asthma", (), RISK),
        Node("mondo:gout", "Disease", "gout"),
        Node("allergy:penicillin", "Allergy", "penicillin allergy", (), RISK),
        Node("state:pregnancy", "PhysiologicalState", "pregnancy", (), RISK),
        Node("hp:cough", "PhenotypicFeature", "cough"),
        Node("dose:amlodipine", "Quantity", "10 mg per day", (), {"value": 10, "unit": "mg/d"}),
        Node("dose:warfarin", "Quantity", "0.01 g per day", (), {"value": 0.01, "unit": "g/d"}),
    ]
    edges = [
        ("drug:propranolol", "treats", "mondo:hypertension"),
        ("drug:amlodipine", "treats", "mondo:hypertension"),
        ("drug:lisinopril", "treats", "mondo:hypertension"),
        ("drug:propranolol", "contraindicated_in", "mondo:asthma"),
        ("drug:lisinopril", "contraindicated_in", "state:pregnancy"),
        ("drug:lisinopril", "has_side_effect", "hp:cough"),
        ("drug:amlodipine", "caution_in", "mondo:gout"),
        ("mondo:severe_asthma", "subclass_of", "mondo:asthma"),
        ("drug:amoxicillin", "contraindicated_in", "allergy:penicillin"),
        ("drug:ampicillin", "contraindicated_in", "allergy:penicillin"),
        ("drug:amoxicillin", "subclass_of", "class:penicillins"),
        ("drug:amlodipine", "has_maximum_daily_dose", "dose:amlodipine"),
        ("drug:warfarin", "has_maximum_daily_dose", "dose:warfarin"),
    ]
    interactions = [("drug:warfarin", "drug:aspirin", "major"), ("drug:propranolol", "drug:warfarin", "moderate"),
                    ("drug:amlodipine", "drug:warfarin", "minor"), ("drug:lisinopril", "drug:aspirin", None)]  # fmt: skip
    return KnowledgeGraph(
        nodes,
        [Edge(*triple, source="label:test") for triple in edges]
        + [Edge(a, "interacts_with", b, "label:test", attributes={"severity": s} if s else {}) for a, b, s in interactions],
        name=name,
    )


def make_row(**changes):
    """A right row: of three drugs for hypertension, the one that asthma and pregnancy leave."""
    row = {
        "example_id": "0123456789abcdef",
        "task": "treatment_choice",
        "capabilities": ["safety"],
        "messages": [{"role": "user", "content": "A pregnant woman with asthma. Which drug for hypertension?"}],
        "response": "propranolol is contraindicated in asthma. Answer: amlodipine",
        "answer": "amlodipine",
        "options": ["propranolol", "amlodipine", "lisinopril", "none of these"],
        "constraints": [],
        "patient": make_patient(pregnant=True, conditions=["mondo:hypertension", "mondo:asthma"]),
        "recommended": [recommend("drug:amlodipine")],
        "workflow": [],
        "entities": ["mondo:hypertension", "mondo:asthma", "drug:amlodipine"],
        "edges": [
            ["drug:propranolol", "contraindicated_in", "mondo:asthma"],
            ["drug:amlodipine", "treats", "mondo:hypertension"],
            ["drug:lisinopril", "contraindicated_in", "state:pregnancy"],
        ],
        "open_book": False,
        "hops": 1,
        "level": 1,
        "cluster": "mondo:hypertension",
        "split": "train",
        "provenance": None,
        "accepted": [],
    }
    return {**row, **changes}


def make_patient(**changes):
    return {"age": 34, "sex": "female", "pregnant": None, "conditions": [], "medications": [], "allergies": [], "egfr": None, **changes}


def recommend(drug, dose=None, unit=None, per_day=None):
    return {"drug": drug, "dose": dose, "unit": unit, "per_day": per_day, "route": None}


def quality(rule, id=None, severity="critical", kwargs=None, **custom):
    entry = {"id": id or rule, "type": "custom", "engine": "greatExpectations", "severity": severity}
    entry["implementation"] = {"type": rule, **({"kwargs": kwargs} if kwargs else {})}
    entry["customProperties"] = [{"property": k, "value": v} for k, v in custom.items()]
    return entry


def contract_data(*rules, columns=(), **custom):
    return {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "test", "version": "1.0.0", "status": "active",
        "customProperties": [{"property": k, "value": v} for k, v in custom.items()],
        "schema": [{"name": "examples", "properties": list(columns), "quality": list(rules)}],
    }  # fmt: skip
