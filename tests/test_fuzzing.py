"""Whatever is read from outside ends in a value or in an `InputError`: readers, contracts, records, benchmarks, completions.

Inputs are valid files, damaged: bytes flipped, cut out, repeated, spliced with one another, and marks of the formats thrown in. The seed
is fixed. `make test` tries hundreds of each, `make nightly` a hundred thousand.
"""

import json
import random
from pathlib import Path

import pytest

from bbflow.contracts import load_contract
from bbflow.data.example_io import read_examples, write_examples
from bbflow.errors import InputError
from bbflow.evaluation.benchmarks.formats import read_benchmark
from bbflow.graph import ClinicalPack, read_graph
from bbflow.records import Example
from bbflow.rewards import correctness, instructions, reasoning, safety
from bbflow.synthesis import generate
from bbflow.synthesis.tasks import FactRecall, InstructedAnswer, JointCase, MultiHop, TreatmentChoice, UnsafeRequest
from bbflow.text.answers.extraction import parses
from bbflow.text.entity_linking import mentions

FEW, MANY = 300, 100_000
MARKS = [
    *(text.encode() for text in ("{", "}", "[", "]", ":", ",", "\t", "\n", '"', "'", "\\", "|", "&a ", "*a", "!!python/object:os.system ", "<<: ")),
    *(text.encode() for text in ("null", "NaN", "1e999", "-1", "99999999999999999999", "true", "é", "\ufeff", "\u202e", "A\u0301", "👩‍⚕️", "\u0000")),
    *(text.encode() for text in ("Answer:", "Answer: A", "not ", "none of these", "<<x>>", "***", "P.S.", "id: ", "is_a: ", "[Term]", "---\n", "[" * 3000)),
    b"\xff\xfe", b"\x00", b"\x80", b"\r",
]  # fmt: skip

OBO = b"""format-version: 1.2
data-version: hp/releases/2025-01-16
ontology: hp

[Term]
id: HP:0000118
name: Phenotypic abnormality

[Term]
id: HP:0002212
name: Curly hair
synonym: "Kinky hair" EXACT []
is_a: HP:0000118 ! Phenotypic abnormality
"""
YAML_GRAPH = b"""name: small
version: "1"
nodes:
  - {id: "drug:a", kind: Drug, name: a, synonyms: [aa]}
  - {id: "disease:b", kind: Disease, name: b}
edges:
  - {subject: "drug:a", predicate: treats, object: "disease:b", source: "label:a indications"}
"""
NODE_LINK = json.dumps({
    "directed": True, "multigraph": True, "graph": {"name": "small", "version": "1"},
    "nodes": [{"id": "drug:a", "kind": "Drug", "name": "a"}, {"id": "disease:b", "kind": "Disease", "name": "b"}],
    "links": [{"source": "drug:a", "target": "disease:b", "key": "treats", "provenance": "x"}],
}).encode()  # fmt: skip
EDGES = (
    b"subject\tsubject_kind\tsubject_name\tpredicate\tobject\tobject_kind\tobject_name\tsource\n"
    b"drug:a\tDrug\ta\ttreats\tdisease:b\tDisease\tb\tx\ndrug:c\tDrug\tc\tinteracts_with\tdrug:a\tDrug\ta\ty\n"
)
MAPPING = b"extends: plain\nkinds: {Medicine: Drug, Illness: Disease}\npredicates: {helps: treats}\n"
CONTRACT = b"""apiVersion: v3.1.0
kind: DataContract
id: small
name: Small
version: 1.0.0
status: active
schema:
  - name: examples
    properties:
      - {name: example_id, logicalType: string, required: true}
      - {name: response, logicalType: string, required: true}
    quality:
      - id: length
        name: Length
        type: custom
        engine: greatExpectations
        implementation: {type: response_not_empty, kwargs: {min_words: 1, max_words: 150}}
        severity: warning
        customProperties:
          - {property: accept, value: [{response: amlodipine}]}
"""


def damaged(rng: random.Random, seeds: list[bytes]) -> bytes:
    """One of the seeds after one to four accidents."""
    text = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        stop = min(len(text), start + rng.choice((1, 2, 8, 40)))
        accident = rng.randrange(6)
        if accident == 0 and start < len(text):
            text[start] ^= 1 << rng.randrange(8)
        elif accident == 1:
            del text[start:stop]
        elif accident == 2:
            text[start:start] = text[start:stop] * rng.randint(1, 3)
        elif accident == 3:
            other = rng.choice(seeds)
            text[start:] = other[rng.randrange(len(other) + 1) :]
        elif accident == 4:
            del text[start:]
        else:
            text[start:start] = rng.choice(MARKS)
    return bytes(text)


@pytest.fixture(scope="module")
def graph():
    return ClinicalPack().load()


@pytest.fixture(scope="module")
def examples(graph):
    families = (FactRecall(), MultiHop(), InstructedAnswer(), TreatmentChoice(), UnsafeRequest(), JointCase())
    return generate(graph, {task.name: task for task in families}, {"train": 120}, {}, 3).examples["train"]


def survives(read, path: Path, seeds: list[bytes], count: int) -> None:
    """Reads damaged files; some must be good and some must be refused, or nothing was tried."""
    rng, seen = random.Random(str(path.name)), {"read": 0, "refused": 0}
    for seed in seeds:
        path.write_bytes(seed)
        read(path)
    for number in range(count):
        content = damaged(rng, seeds)
        path.write_bytes(content)
        try:
            read(path)
            seen["read"] += 1
        except InputError as error:
            seen["refused"] += all(problem.what for problem in error.problems)
        except BaseException as error:
            raise AssertionError(f"input {number}: {type(error).__name__}: {error} on {content[:2000]!r}") from error
    assert min(seen.values()) > count / 200, seen


def often(count_of_all: int):
    """Runs a test with few inputs, and in the nightly run with its share of a hundred thousand."""
    share = -(-MANY // count_of_all)
    return pytest.mark.parametrize("count", [FEW, pytest.param(share, marks=pytest.mark.slow)], ids=["few", "many"])


READERS = {
    "graph.obo": ([OBO], "obo"), "graph.yaml": ([YAML_GRAPH], "yaml"), "graph.json": ([NODE_LINK], "node-link"),
    "edges.tsv": ([EDGES], "table"), "edges.csv": ([EDGES.replace(b"\t", b",")], "table"), "guess.json": ([NODE_LINK], None),
}  # fmt: skip


@pytest.mark.parametrize("on_error", ["refuse", "skip"])
@pytest.mark.parametrize("name", READERS)
@often(2 * len(READERS))
def test_graph_readers(tmp_path, name, on_error, count):
    seeds, form = READERS[name]
    survives(lambda path: read_graph(path, form, on_error=on_error), tmp_path / name, seeds, count)


@often(5)
def test_mappings(tmp_path, count):
    (tmp_path / "edges.tsv").write_bytes(EDGES)
    survives(lambda path: read_graph(tmp_path / "edges.tsv", "table", mapping=str(path)), tmp_path / "mapping.yaml", [MAPPING], count)


@often(1)
def test_contracts(tmp_path, count):
    survives(load_contract, tmp_path / "small.odcs.yaml", [CONTRACT], count)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@often(2)
def test_records(tmp_path, examples, suffix, count):
    seeds = []
    for i in range(0, 12, 2):
        write_examples(tmp_path / f"seed{suffix}", examples[i : i + 2])
        seeds.append((tmp_path / f"seed{suffix}").read_bytes())
    survives(read_examples, tmp_path / f"damaged{suffix}", seeds, count)


@often(4)
def test_benchmarks(tmp_path, count):
    rows = [
        {"question": "Which?", "choices": ["a", "b", "c", "d"], "answer": 1, "subject": "anatomy"},
        {"question": "Which?", "options": {"A": "a", "B": "b"}, "answer_idx": "B", "answer": "b"},
        {"question": "Which?", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": 4, "id": "x"},
        {"prompt": "Say it", "key": 1, "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
    ]
    survives(read_benchmark, tmp_path / "benchmark.jsonl", [json.dumps(row).encode() + b"\n" for row in rows], count)


@often(1)
def test_completions(graph, examples, count):
    """Every shipped metric and reward scores whatever a policy says in [0, 1], or abstains."""
    rng = random.Random(11)
    scorers = [
        correctness.CorrectAnswer(), reasoning.ReasonedAnswer(), reasoning.ChainReward(), instructions.FollowsInstructions(),
        instructions.ConstraintReward(), safety.SafeChoice(),
    ]  # fmt: skip
    for scorer in scorers:
        scorer.prepare(graph)
    seeds = [example.response.encode() for example in examples] + [example.prompt.encode() for example in examples]
    highest = 0.0
    for _ in range(count):
        example: Example = rng.choice(examples)
        text = damaged(rng, [example.response.encode(), *rng.sample(seeds, 3)]).decode(errors="replace")
        for scorer in scorers:
            (score,) = scorer([example], [text])
            assert score is None or 0.0 <= score <= 1.0
            highest = max(highest, score or 0.0)
        assert parses(example, text, graph) in (True, False)
        assert all(node in graph for node in mentions(graph, text))
    assert highest == 1.0
