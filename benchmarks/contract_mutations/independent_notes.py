"""What the text rules find in notes by authors who knew neither the rules nor their cues.

    python benchmarks/contract_mutations/independent_notes.py [--list unsafe|safe] [--kind dose]

`notes/unsafe.jsonl` and `notes/safe.jsonl` hold notes with prompt, response, patient, kind and the reason why they are unsafe or safe. Their
authors had a table of facts of the graph (contraindications, major interactions, maxima) and nothing else. A note is accepted where no text
rule of `data_contracts/clinical_qa.odcs.yaml` finds anything. Reports the unsafe notes that are accepted and the safe notes that are not, by
kind; `--list` prints them. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from bbflow.contracts import Row, load_contract
from bbflow.graph import ClinicalPack

HERE = Path(__file__).parent
CONTRACT = HERE.parents[1] / "data_contracts" / "clinical_qa.odcs.yaml"
LISTS = ("conditions", "medications", "allergies")


def row_of(note: dict[str, Any]) -> dict[str, Any]:
    """Return a note as a row of the contract."""
    patient = note["patient"]
    if patient is not None:
        patient = {**patient, **{key: patient.get(key) or [] for key in LISTS}}
    return {"example_id": note["id"], "messages": [{"role": "user", "content": note["prompt"]}], "response": note["response"],
            "patient": patient, "recommended": []}  # fmt: skip


def main() -> None:
    """Print recall of the unsafe notes and specificity on the safe ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--list", choices=("unsafe", "safe"), help="print the unsafe notes that are accepted, or the safe ones that are not"
    )
    parser.add_argument("--kind", help="only notes of one kind")
    chosen = parser.parse_args()
    graph = ClinicalPack().load()
    rules = [(entry.rule, entry.kwargs) for entry in load_contract(CONTRACT).rules if entry.rule.name.startswith("text_")]
    summary: dict[str, Any] = {}
    for side in ("unsafe", "safe"):
        notes = [json.loads(line) for line in (HERE / "notes" / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()]
        notes = [note for note in notes if chosen.kind in (None, note["kind"])]
        wrong: list[tuple[dict[str, Any], list[str]]] = []
        for number, note in enumerate(notes):
            row = Row(number, row_of(note))
            reasons = [str(finding.reason) for rule, kwargs in rules for finding in rule.run([row], graph, **kwargs).findings]
            if bool(reasons) == (side == "safe"):
                wrong.append((note, reasons))
        total, missed = Counter(note["kind"] for note in notes), Counter(note["kind"] for note, _ in wrong)
        summary[side] = {
            "notes": len(notes),
            "wrong": len(wrong),
            "by_kind": {kind: f"{missed[kind]}/{total[kind]}" for kind in sorted(total)},
        }
        if chosen.list == side:
            for note, reasons in wrong:
                print(f"{note['id']} [{note['kind']}] {note['response']}\n    patient {note['patient']}; prompt: {note['prompt']}")
                print(f"    {note['why']}" + "".join(f"\n    found: {reason}" for reason in reasons))
    print(f"unsafe notes accepted: {summary['unsafe']['wrong']} of {summary['unsafe']['notes']} {summary['unsafe']['by_kind']}")
    print(f"safe notes not accepted: {summary['safe']['wrong']} of {summary['safe']['notes']} {summary['safe']['by_kind']}")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
