"""Curation from outside: what it drops, what it keeps, and that nothing else changes."""

import json
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbflow.data.answerability import Answerability
from bbflow.errors import InputError
from bbflow.graph import ClinicalPack
from bbflow.records import Example
from bbflow.synthesis import generate
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.curation.near_duplicates import PERMUTATIONS, NearDuplicates, shingles, signature
from bbflow.synthesis.tasks import FactRecall, Statement, TreatmentChoice, UnsafeRequest
from bbflow.text.decontamination import WINDOW, Benchmarks

GRAPH = ClinicalPack().load()


def example(prompt: str, answer: str = "x", **changes) -> Example:
    return Example("id", "t", ["domain"], [{"role": "user", "content": prompt}], "r", answer, **changes)


@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(0, 60))
def test_signatures_estimate_the_overlap_of_word_triples(seed: int, length: int, changed: int) -> None:
    rng = random.Random(seed)
    words = [f"w{rng.randrange(10**6)}" for _ in range(length)]
    other = [w if i >= changed else f"v{i}" for i, w in enumerate(words)]
    one, two = " ".join(words), " ".join(other)
    a, b = shingles(one), shingles(two)
    exact = len(a & b) / len(a | b)
    estimate = np.mean(signature(example(one)) == signature(example(two)))
    assert abs(estimate - exact) <= 5 * np.sqrt(exact * (1 - exact) / PERMUTATIONS) + 1e-9


def test_near_duplicates_are_told_by_words_and_answer() -> None:
    seen = NearDuplicates(0.8)
    long = "A woman of sixty with long standing gout asks which drug lowers her uric acid and may be taken with her other tablets"
    seen.add("allopurinol", signature(example(long)))
    assert seen.has("allopurinol", signature(example(long + " today")))
    assert not seen.has("probenecid", signature(example(long)))
    assert not seen.has("allopurinol", signature(example("Which drug, of those that treat gout, is a xanthine oxidase inhibitor?")))


def test_statements_are_compared_by_what_they_tell() -> None:
    tasks = {"statement": Statement()}
    made = generate(GRAPH, tasks, {"train": 1000}, {}, 0, curation=Curation(near_duplicates=0.95))
    assert len(made.examples["train"]) == 1000
    assert made.dropped["statement", "near duplicate"] < 300


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("In short, which of the following drugs is safe for a patient of 45 years with gout?", "eight words in a row"),
        ("Name it: which drug lowers uric acid?", "a whole question"),
        ("Which of these would you pick?", "the options"),
        ("Which finding is typical of gout?", None),
    ],
)
def test_decontamination(tmp_path, question: str, reason: str | None) -> None:
    file = tmp_path / "benchmark.jsonl"
    rows = [
        {"question": "Which of the following drugs is safe for a patient of 63 years?", "options": ["aspirin", "ibuprofen", "naproxen"]},
        {"question": "Which drug lowers uric acid?"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["naproxen", "Aspirin", "ibuprofen"] if reason == "the options" else None
    found = Benchmarks([str(file)]).objection(example(question, options=options))
    assert (found is None) if reason is None else (reason in found)


def test_every_file_kind_of_benchmarks_says_the_same(tmp_path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = "Which of the following drugs is safe for a patient of 63 years?"
    (tmp_path / "a.txt").write_text(text + "\n")
    (tmp_path / "b.csv").write_text(f'question,answer\n"{text}",B\n')
    (tmp_path / "c.json").write_text(json.dumps([{"question": text}]))
    pq.write_table(pa.table({"question": [text]}), tmp_path / "d.parquet")
    for file in sorted(tmp_path.iterdir()):
        shared = Benchmarks([str(file)]).shared_run(f"He asks: {text}")
        assert shared is not None, file
        assert (shared.words, shared.whole) == (WINDOW, False)


def test_all_bad_benchmark_files_are_named(tmp_path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "x.docx").write_text("")
    with pytest.raises(InputError) as caught:
        Benchmarks([str(tmp_path / name) for name in ("broken.json", "x.docx", "none.csv")])
    assert len(caught.value.problems) == 3


def test_a_dropped_question_is_counted_and_never_comes_back(tmp_path) -> None:
    before = generate(GRAPH, {"f": FactRecall()}, {"train": 120}, {}, 0)
    file = tmp_path / "benchmark.txt"
    taken = [e.prompt.split("\n")[0] for e in before.examples["train"] if len(e.prompt.split("\n")[0].split()) > 8][:5]
    file.write_text("\n".join(taken) + "\n")
    after = generate(GRAPH, {"f": FactRecall()}, {"train": 120}, {}, 0, curation=Curation(benchmarks=[str(file)]))
    assert not {e.prompt.split("\n")[0] for e in after.examples["train"]} & set(taken)
    assert sum(n for (_, why), n in after.dropped.items() if why.startswith("contaminated")) >= 5


def test_letters_take_turns() -> None:
    made = generate(GRAPH, {"t": FactRecall(choice=1.0)}, {"train": 1200, "test": 400}, {}, 0, curation=Curation())
    for split in ("train", "test"):
        examples = made.examples[split]
        places = Counter(e.options.index(e.answer) for e in examples)
        assert all(abs(count / len(examples) - 0.25) <= 0.01 for count in places.values()), places


def test_levels_and_capabilities_mix() -> None:
    tasks = {"f": FactRecall(), "t": TreatmentChoice()}
    curation = Curation(levels={1: 0.5, 2: 0.5, 3: 0.0}, capabilities={"domain": 3.0})
    made = generate(GRAPH, tasks, {"train": 200}, {}, 0, curation=curation).examples["train"]
    levels = Counter(e.level for e in made if e.task == "fact_recall")
    assert abs(levels[1] - levels[2]) <= 2
    assert sum(e.task == "fact_recall" for e in made) > 1.2 * sum(e.task == "treatment_choice" for e in made)
    assert Curation(near_duplicates=2.0, levels={1: 0.0}, capabilities={"x": -1.0}).problems("c", {"x"}).__len__() == 3


def test_no_entity_holds_most_of_what_is_held_out_and_training_stays_as_it_is() -> None:
    tasks, sizes = {"t": TreatmentChoice(), "u": UnsafeRequest()}, {"train": 300, "test": 300}
    before = generate(GRAPH, tasks, sizes, {}, 0).examples
    assert max(Counter((e.task, e.cluster) for e in before["test"]).values()) > 20
    after = generate(GRAPH, tasks, sizes, {}, 0, curation=Curation(balance_letters=False, held_out_per_cluster=10)).examples
    assert max(Counter((e.task, e.cluster) for e in after["test"]).values()) == 10
    assert len(after["test"]) == 300
    pairs = Counter(e.provenance["generator"] for e in after["test"] if e.task == "unsafe_request")
    assert set(pairs.values()) == {2}
    # But for what would offer a held-out question's options, the same training questions are asked.
    assert len({e.example_id for e in after["train"]} & {e.example_id for e in before["train"]}) > 0.9 * len(after["train"])
    assert [p.what for p in Curation(held_out_per_cluster=0).problems("c", set())] == ["held_out_per_cluster must be at least 1, not 0"]


def test_answerability_drops_what_a_policy_never_answers_and_grades_the_rest() -> None:
    stage = Answerability("any", tries=3, drop_easy=False)
    stage.prepare(GRAPH)
    asked = [replace(e, split="train") for e in generate(GRAPH, {"f": FactRecall()}, {"test": 4}, {}, 0).examples["test"]]
    told = {0: 3, 1: 1, 2: 0, 3: 2}
    stage._sampler = lambda prompts, seed: [  # the policy: right so many times of three
        [e.response if i < told[n] else "I do not know." for i in range(3)] for n, e in enumerate(asked)
    ]
    found = stage(asked, 0)
    assert [e if isinstance(e, str) else e.level for e in found] == [1, 3, "not answered in 3 tries", 2]


def test_answerability_of_the_bundled_policy() -> None:
    stage = Answerability("tiny", tries=2, max_new_tokens=24)
    stage.prepare(GRAPH)
    asked = generate(GRAPH, {"f": FactRecall()}, {"train": 12}, {}, 0).examples["train"]
    one, two = stage(asked, 5), stage(asked, 5)
    assert one == two
    assert any(isinstance(e, Example) for e in one)
    assert all(e.level in (1, 2) for e in one if isinstance(e, Example))
