"""How long graphs take to load and index, and how much memory: HPO, and a table shaped like PrimeKG.

Run: python benchmarks/performance/data/graph.py [PRIMEKG_ROWS]. Each graph is read in a process of its own, three times: medians of wall time, and of
the processor time behind it (one thread; on a busy machine only the second means something), and the highest peak of resident
memory, interpreter and imports included. `obonet` beside it is obonet.read_obo of hp.obo alone. The last line is JSON. Needs the
`hpo` extra.
"""

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS, MEBIBYTES = 6.0, 600
"""What HPO has to keep to."""


def measured(what: str, path: str) -> None:
    """Runs in the child: reads, indexes, prints."""
    if what == "obonet":
        import obonet

        start, cpu = time.perf_counter(), time.process_time()
        graph = obonet.read_obo(path)
        nodes, edges = len(graph), graph.number_of_edges()
    else:
        from bbflow.graph import HumanPhenotypeOntology, read_graph

        start, cpu = time.perf_counter(), time.process_time()
        loaded = HumanPhenotypeOntology().load() if what == "hpo" else read_graph(path)
        loaded.resolve("headache")  # builds the index of names; those of edges are there already
        nodes, edges = len(loaded), sum(1 for _ in loaded.edges())
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "nodes": nodes, "edges": edges}))


def primekg(path: Path, rows: int) -> None:
    """Writes a table shaped like kg.csv: half of the rows, then the same in the other direction."""
    rng = random.Random(0)
    kinds = (("drug", "DrugBank"), ("disease", "MONDO"), ("gene/protein", "NCBI"), ("effect/phenotype", "HPO"))
    relations = (("indication", 0, 1), ("drug_drug", 0, 0), ("disease_protein", 2, 1), ("protein_protein", 2, 2), ("drug_effect", 0, 3))
    seen, forward, backward = set(), [], []
    while len(forward) < rows // 2:
        relation, x, y = rng.choice(relations)
        a, b = rng.randrange(1, 25_000), rng.randrange(1, 25_000)
        if (relation, a, b) in seen or (relation, b, a) in seen or (x == y and a == b):
            continue
        seen.add((relation, a, b))
        ends = [f"{n},{n},{kinds[k][0]},{kinds[k][0]} number {n},{kinds[k][1]}" for k, n in ((x, a), (y, b))]
        forward.append(f"{relation},{relation},{ends[0]},{ends[1]}\n")
        backward.append(f"{relation},{relation},{ends[1]},{ends[0]}\n")
    header = "relation,display_relation,x_index,x_id,x_type,x_name,x_source,y_index,y_id,y_type,y_name,y_source\n"
    path.write_text(header + "".join(forward + backward))


def main(rows: int = 400_000) -> None:
    from bbflow.graph.readers.hpo import installed

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "kg.csv")
        primekg(table, rows)
        for what, path in (("hpo", ""), ("obonet", str(installed() / "hp.obo")), ("primekg-shaped", str(table))):
            runs = []
            for _ in range(3):
                command = [sys.executable, __file__, "--child", what, path]
                runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))
            seconds, peak = statistics.median(r["seconds"] for r in runs), max(r["peak"] for r in runs)
            cpu = statistics.median(r["cpu"] for r in runs)
            results[what] = {
                "seconds": round(seconds, 2),
                "cpu_seconds": round(cpu, 2),
                "peak_MiB": round(peak),
                "nodes": runs[0]["nodes"],
                "edges": runs[0]["edges"],
            }
            print(
                f"{what:15} {runs[0]['nodes']:8,} nodes {runs[0]['edges']:9,} edges  {seconds:6.2f} s ({cpu:.2f} s of processor)  {peak:6.0f} MiB"
            )
    hpo = results["hpo"]
    kept = hpo["cpu_seconds"] <= SECONDS and hpo["peak_MiB"] < MEBIBYTES
    print(f"HPO within {SECONDS:.0f} s of processor and {MEBIBYTES} MiB: {'yes' if kept else 'no'}")
    print(json.dumps(results))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        measured(*sys.argv[2:4])
    else:
        main(*map(int, sys.argv[1:2]))
