"""The finder of entities: one for contracts, rewards, rewriting and workflow steps, however names are spelt."""

import pytest
from contract_samples import make_patient, make_row

from bbflow.contracts import RULES, Row
from bbflow.graph import ClinicalPack, Edge, KnowledgeGraph, Node
from bbflow.records import Example
from bbflow.rewards import CorrectAnswer, SafeAdvice
from bbflow.rewards.workflow import extract_steps
from bbflow.synthesis.rewriting.base import faithful
from bbflow.testing import CHOICE, GRAPH, REFUSE
from bbflow.text.drugs.drug_mentions import read_drug_stances
from bbflow.text.entity_linking import NameIndex, entity_linker, mentions, spellings
from bbflow.text.lexicon.drug_classes import UNKNOWN, drugs_of
from bbflow.text.tokenization import TokenizedText

PACK = ClinicalPack().load()


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("Give war-farin.", ["warfarin"]),
        ("Give propran0lol.", ["propranolol"]),
        ("Give Propran0lol.", ["propranolol"]),
        ("Beta-blockers", ["beta blocker"]),
        ("ACE inhibitors help", ["ACE inhibitor"]),
        ("Type-2 diabetes, not hypertension!", ["type 2 diabetes", "hypertension"]),
        ("warfarin warfarin", ["warfarin", "warfarin"]),
        ("war farin", []),
        ("warfarinol", []),
        ("", []),
    ],
)
def test_mentions_in_any_spelling(text, nodes):
    assert [PACK.name_of(node) for node in mentions(PACK, text)] == nodes


@pytest.mark.parametrize("spelling", ["war-farin", "Warfarin", "w\u0430rfarin", "Coumadin", "war\u200bfarin", "war-\nfarin"])
def test_contract_rewards_and_rewriting_read_the_same_drug(spelling):
    (advice,) = read_drug_stances(f"Give {spelling}.", PACK).drug_mentions
    assert mentions(PACK, f"Give {spelling}.") == [advice.drug] == [PACK.resolve("warfarin")]
    assert faithful(PACK, "Give warfarin?", "Shall we give war-farin?") is True
    assert faithful(PACK, "Is it safe?", f"Is {spelling} safe?".replace("\n", "")) is False


@pytest.mark.parametrize("family", ["Beta-blockers", "ACE inhibitors", "NSAIDs"])
def test_contract_and_rewriting_read_the_same_class(family):
    (advice,) = read_drug_stances(f"Give {family}.", PACK).class_mentions
    assert advice.stance == "advised"
    assert drugs_of(PACK, advice.drug)
    assert faithful(PACK, f"May she take {family}?", "May she take them?") is False
    assert faithful(PACK, f"May she take {family}?", f"Can she take {family}?") is True


@pytest.mark.parametrize("spelling", ["propranolol", "Propran0lol", "pro-pranolol", "Inderal"])
def test_safe_advice_and_the_rule_of_the_contract_refuse_the_same_spelling(graph, spelling):
    reward = SafeAdvice()
    reward.prepare(graph)
    patient = make_patient(conditions=["asthma"])
    response = f"Start {spelling} 40 mg daily."
    row = make_row(response=response, patient=patient)
    assert RULES["text_no_contraindicated_drug"].run([Row(0, row)], graph).findings
    safe = row | {"response": "Start amlodipine 5 mg daily."}
    assert not RULES["text_no_contraindicated_drug"].run([Row(0, safe)], graph).findings
    assert reward([Example.from_row(row)], [response]) == [0.0]
    assert [d["drug"] for d in reward.reader.advice(Example.from_row(row), f"Answer: {spelling}")] == ["drug:propranolol"]


def test_a_family_that_is_advised_is_no_safe_advice():
    reward = SafeAdvice()
    reward.prepare(GRAPH)
    for family in ("Beta-blockers", "ACE inhibitors", "NSAIDs"):
        assert reward([CHOICE, REFUSE], [f"Give {family}.", f"Give {family}."]) == [0.0, 0.0]


def test_an_answer_in_another_spelling_counts_and_its_denial_does_not():
    reward = CorrectAnswer()
    reward.prepare(PACK)
    node, disease = PACK.resolve("propranolol"), PACK.resolve("hypertension")
    prompt = [{"role": "user", "content": "Name a drug."}]
    example = Example("1", "t", ["domain"], prompt, "propranolol", "propranolol", edges=[(node, "treats", disease)])
    texts = ["propranolol", "propran0lol", "pro-pranolol", "not propran0lol", "not pro-pranolol", "anything but pro-pranolol"]
    assert reward([example] * 6, texts) == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]


def test_the_longest_name_wins_and_shared_names_mean_nothing():
    nodes = [
        Node("a:1", "Disease", "kidney failure"), Node("a:2", "Disease", "kidney failure type 2"), Node("d:1", "Drug", "alphacin", ("abc",)),
        Node("d:2", "Drug", "betacin", ("abc",)), Node("q:1", "Quantity", "40 mg/d"), Node("c:1", "DrugClass", "cin"),
    ]  # fmt: skip
    graph = KnowledgeGraph(nodes, [Edge("d:1", "subclass_of", "c:1", "test:1")])
    assert mentions(graph, "kidney failure type 2, kidney failure") == ["a:2", "a:1"]
    assert mentions(graph, "abc, cins") == ["c:1"]
    assert mentions(graph, "alphacin 40 mg/d") == ["d:1", "q:1"]
    linker, text = entity_linker(graph), TokenizedText("alphacin 40 mg/d")
    assert [m.nodes for m in linker.mentions(text)] == [("d:1",)]  # a reader of doses reads the amount itself
    assert linker.candidates("ABC") == ("d:1", "d:2")
    assert linker.resolve("abc") is None
    assert linker.resolve("d:2", ("Drug",)) == "d:2"
    assert linker.resolve("d:2", ("Disease",)) is None


def test_a_family_that_no_graph_has_is_known_by_name():
    linker, text = entity_linker(PACK), TokenizedText("SSRIs")
    (mention,) = linker.mentions(text)
    assert mention.nodes == ()
    assert linker.family(text, mention) == UNKNOWN
    assert drugs_of(PACK, UNKNOWN) == []


def test_spellings_are_those_of_the_text():
    warfarin = PACK.resolve("warfarin")
    assert spellings(PACK, "War-farin, coumadin and aspirin", [warfarin]) == ["War-farin", "coumadin"]


def test_an_index_of_names_finds_steps():
    index = NameIndex.of(["test", "blood test", "?"])
    assert [m.nodes[0] for m in index.mentions(TokenizedText("Blood-test; a test, bloodtest"))] == ["blood test", "test", "blood test"]
    steps = ["history", "blood test", "test"]
    assert extract_steps(steps, "Take the history, then a blood-test. Skip the test.") == [0, 1]
    assert extract_steps(steps, "Do not order any blood test; another test.") == [2]
    assert extract_steps([], "history") == []
