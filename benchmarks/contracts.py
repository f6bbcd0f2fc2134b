# ruff: noqa: ANN001, ANN201, PERF401
"""Cost of data contracts: 100,000 rows under 20 rules, beside the same checks in pandera, and the stale check of a receipt.

    python benchmarks/contracts.py [--rows 100000] [--no-pandera]

Every row is a patient with a response of at least 60 words. The rules are all that look things up in the graph or read the text, with those
on form, privacy, leakage, duplicates and contamination. pandera (extra `bench`) runs the very same functions as element-wise checks, so the
ratio compares what the two frameworks add. Seconds of the processor stand beside those of the clock, for a machine that others use.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from bbflow.contracts import Row, check_receipt, load_contract, validate, write_receipt
from bbflow.contracts.contract import Contract
from bbflow.graph import ClinicalPack

ROOT = Path(__file__).parents[1]
KEPT = 20
TALK = (
    "The blood pressure should be measured again after two weeks, and the patient should note headaches, dizziness or swelling of the legs. "
    "Salt, alcohol and weight matter as much as tablets do, and a walk of half an hour a day helps most people. "
    "If the pressure stays above the target, the dose can be raised step by step, with a check of the blood each time."
)


def make_rows(graph, count, seed=1):
    """Makes rows that every rule accepts."""
    rng = random.Random(seed)
    drugs = [n for n in graph.nodes("Drug") if n.attributes.get("coverage", {}).get("disease") == "complete"]
    cases = []
    for drug in drugs:
        for disease in graph.objects(drug.id, "treats"):
            out = [d for d in graph.subjects("treats", disease) for c in graph.objects(d, "contraindicated_in") if d != drug.id and graph.covers(drug.id, c)
                   and not graph.has(drug.id, "contraindicated_in", c) and not graph.has(drug.id, "treats", c)]  # fmt: skip
            for other in dict.fromkeys(out):
                for risk in graph.objects(other, "contraindicated_in"):
                    if (
                        graph.covers(drug.id, risk)
                        and not graph.has(drug.id, "contraindicated_in", risk)
                        and graph.node(risk).kind == "Disease"
                    ):
                        cases.append((drug.id, disease, other, risk))
    rows = []
    for i in range(count):
        drug, disease, other, risk = rng.choice(cases)
        names = [graph.name_of(n) for n in (drug, other, "disease:none" if False else disease, risk)]
        options = [names[0], names[1], "none of these"]
        rng.shuffle(options)
        age = rng.randrange(30, 85)
        response = f"Avoid {names[1]}, since it is contraindicated in {names[3]}. Start {names[0]} and see the patient again. {TALK} Answer: {names[0]}"
        rows.append(
            {
                "example_id": f"{i:016x}", "task": "treatment_choice", "capabilities": ["safety"], "response": response, "answer": names[0],
                "messages": [{"role": "user", "content": f"Case {i}: a {age}-year-old patient with {names[3]} needs a drug for {names[2]}. Which one?"}],
                "options": options, "constraints": [], "workflow": ["history", "tests", "diagnosis", "treatment"],
                "patient": {"age": age, "sex": "male", "pregnant": None, "conditions": [disease, risk], "medications": [], "allergies": [], "egfr": 75.0},
                "recommended": [{"drug": drug, "dose": None, "unit": None, "per_day": None, "route": None}],
                "entities": [drug, other, disease, risk], "edges": [[other, "contraindicated_in", risk], [drug, "treats", disease]],
                "cluster": disease, "split": "train", "open_book": False,
            }
        )  # fmt: skip
    assert all(len(row["response"].split()) >= 60 for row in rows[:100])
    return rows


def timed(function):
    """Returns clock seconds, processor seconds and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def by_pandera(contract: Contract, rows, graph):
    """The same rules as element-wise checks of a pandera schema over a column of rows."""
    import pandera.pandas as pa

    frame = pd.DataFrame({"row": pd.Series([Row(i, row) for i, row in enumerate(rows)], dtype=object)})
    single = [r for r in contract.rules if r.rule.group not in ("data set",) and r.rule.name not in ("no_split_leakage",)]
    whole = [r for r in contract.rules if r not in single]
    checks = [pa.Check(lambda row, r=r: not r.rule.run([row], graph, **r.kwargs).findings, element_wise=True, name=r.id) for r in single]
    tables = [pa.Check(lambda column, r=r: not r.rule.run(list(column), graph, **r.kwargs).findings, name=r.id) for r in whole]
    pa.DataFrameSchema({"row": pa.Column(object, [*checks, *tables])}).validate(frame, lazy=True)


def main():
    """Prints a table and, last, one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--no-pandera", action="store_true")
    arguments = parser.parse_args()
    graph = ClinicalPack().load()
    full = load_contract(ROOT / "data_contracts" / "clinical_training.odcs.yaml")
    left_out = {"dose-within-maximum", "benign-twin-present", "balanced-capabilities", "balanced-letters", "balanced-lengths", "workflow-in-order",
                "red-flag-not-ignored", "task-fields"}  # fmt: skip
    rules = tuple(r for r in full.rules if r.id not in left_out)[:KEPT]
    contract = Contract(**{**vars(full), "rules": rules, "columns": ()})
    rows = make_rows(graph, arguments.rows)
    import bbflow.contracts.expectations  # noqa: F401  (loading Great Expectations is no part of the figure)

    wall, cpu, verdict = timed(lambda: validate(contract, rows, graph))
    assert not verdict.refused, verdict.refusals
    assert all(r.evaluated == len(rows) for r in verdict.results)
    out = {"rows": len(rows), "rules": len(rules), "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2)}
    out["peak_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3)
    if not arguments.no_pandera:
        wall_p, cpu_p, _ = timed(lambda: by_pandera(contract, rows, graph))
        out |= {"pandera_seconds": round(wall_p, 2), "pandera_cpu_seconds": round(cpu_p, 2), "ratio_cpu": round(cpu / cpu_p, 2)}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "train.parquet")
        data.write_bytes(random.Random(0).randbytes(20_000_000))
        few = validate(contract, rows[:50], graph)
        write_receipt(Path(folder, "receipt.json"), few, [data], graph)
        times = [timed(lambda: check_receipt(Path(folder, "receipt.json"), contract.path, [data], graph))[:2] for _ in range(9)]
    out["stale_check_ms_20mb"] = round(1000 * sorted(t[0] for t in times)[4], 1)
    out["stale_check_cpu_ms_20mb"] = round(1000 * sorted(t[1] for t in times)[4], 1)
    for key, value in out.items():
        print(f"{key:>24} {value}")
    print(json.dumps(out))


if __name__ == "__main__":
    sys.exit(main())
