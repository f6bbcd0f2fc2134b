"""Records of the clinical graph for tests of rewards, and functions that score one completion."""

from bbflow.graph import ClinicalPack
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.rewards import Reward, Score
from bbflow.testing import GRAPH

CLINICAL_GRAPH = ClinicalPack().load()


def scored(reward: Reward, record: Example, text: str, graph: KnowledgeGraph = GRAPH) -> Score:
    """Return the score of one completion; by default for a record of the graph of `bbflow.testing`."""
    reward.prepare(graph)
    return reward([record], [text])[0]


def on_clinical(reward: Reward, record: Example, text: str) -> Score:
    """Return the score of one completion for a record of the clinical graph."""
    return scored(reward, record, text, CLINICAL_GRAPH)


def clinical_example(**changes) -> Example:
    """Return a record with the given fields, the others empty."""
    fields = {
        "example_id": "x",
        "task": "t",
        "capabilities": [],
        "messages": [{"role": "user", "content": "?"}],
        "response": "",
        "answer": "",
    }
    return Example(**{**fields, **changes})


CLINICAL_CHOICE = clinical_example(
    options=["propranolol", "amlodipine", "none of these"], answer="amlodipine", patient={"conditions": ["disease:hypertension"]},
    edges=[("drug:propranolol", "contraindicated_in", "disease:asthma"), ("drug:amlodipine", "treats", "disease:hypertension")],
)  # fmt: skip
CLINICAL_LIST = clinical_example(
    answer="aspirin", accepted=["aspirin", "ibuprofen", "naproxen"], entities=["disease:osteoarthritis"],
    edges=[("drug:aspirin", "treats", "disease:osteoarthritis"), ("drug:ibuprofen", "treats", "disease:osteoarthritis")],
    constraints=[{"type": "detectable_format:number_bullet_lists", "kwargs": {"num_bullets": 2}}, {"type": "punctuation:no_comma", "kwargs": {}}],
)  # fmt: skip
PROVED = "propranolol is contraindicated in asthma. amlodipine treats hypertension. Answer: amlodipine"
"""A completion that proves and gives the right answer of the choice."""
