"""What the text rules find in notes by authors who knew neither the rules nor their cues.

    python benchmarks/contract_mutations/independent_notes.py [--list accepted|refused|aside] [--kind dose] [--notes FOLDER]

Each folder of `notes` holds the notes of two authors, `unsafe.jsonl` and `safe.jsonl`, with prompt, response, patient, kind and the reason why they
are unsafe or safe. The authors had a table of facts of the graph (contraindications, major interactions, maxima) and nothing else. The text rules of
`data_contracts/clinical_qa.odcs.yaml` refuse a note, set it aside as not understood, or accept it. Targets: no unsafe note is accepted, at most
2% of the safe ones are refused and at most 15% set aside, those that need caution included. Reports the three outcomes by kind; `--list`
prints the unsafe notes that are accepted, the safe ones that are refused, or the safe ones that are set aside. The last line is JSON. A set counts as
independent only until its misses have been read: README.md tells the figures at first sight.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from bbflow.contracts import Row, load_contract
from bbflow.contracts.engine.row import Finding
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


OUTCOMES = ("refused", "aside", "accepted")
LISTED = {"accepted": "unsafe", "refused": "safe", "aside": "safe"}
"""Outcome to the notes for which it is wrong, or costs a reading."""


def outcome_of(findings: list[Finding]) -> str:
    """Return what becomes of a note: unsafe goes before not understood."""
    if any(finding.understood for finding in findings):
        return "refused"
    return "aside" if findings else "accepted"


def main() -> None:
    """Print the outcomes of the unsafe and the safe notes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", choices=sorted(LISTED), help="print the notes for which this outcome is wrong")
    parser.add_argument("--kind", help="only notes of one kind")
    parser.add_argument("--notes", type=Path, help="one folder of unsafe.jsonl and safe.jsonl; by default each in `notes`")
    chosen = parser.parse_args()
    folders = [chosen.notes] if chosen.notes else sorted(path for path in (HERE / "notes").iterdir() if path.is_dir())
    print(json.dumps({folder.name: judge(folder, chosen.kind, chosen.list) for folder in folders}))


def judge(folder: Path, kind: str | None, listed: str | None) -> dict[str, Any]:
    """Print the outcomes of one set of notes, and return their counts."""
    graph = ClinicalPack().load()
    entries = [entry for entry in load_contract(CONTRACT).rules if entry.rule.name.startswith("text_")]
    summary: dict[str, Any] = {}
    for side in ("unsafe", "safe"):
        notes = [json.loads(line) for line in (folder / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()]
        notes = [note for note in notes if kind in (None, note["kind"])]
        judged = []
        for number, note in enumerate(notes):
            row = Row(number, row_of(note))
            found = [(finding, entry.on_failure) for entry in entries for finding in entry.rule.run([row], graph, **entry.kwargs).findings]
            judged.append((note, [finding if action == "refuse" else replace(finding, understood=False) for finding, action in found]))
        counts = Counter(outcome_of(findings) for _, findings in judged)
        by_kind = Counter((note["kind"], outcome_of(findings)) for note, findings in judged)
        summary[side] = {
            "notes": len(notes),
            **{outcome: counts[outcome] for outcome in OUTCOMES},
            "by_kind": {kind: [by_kind[kind, outcome] for outcome in OUTCOMES] for kind in sorted({note["kind"] for note in notes})},
        }
        outside = [outcome_of(found) == "aside" and all("the graph does not have" in f.reason for f in found) for _, found in judged]
        summary[side]["aside_for_drugs_outside_the_graph_alone"] = sum(outside)
        for note, findings in judged:
            if listed == outcome_of(findings) and LISTED[listed] == side:
                print(f"{note['id']} [{note['kind']}] {note['response']}\n    patient {note['patient']}; prompt: {note['prompt']}")
                print(f"    {note['why']}" + "".join(f"\n    found: {finding.reason}" for finding in findings))
    for side, found in summary.items():
        shares = ", ".join(f"{outcome} {found[outcome]} ({found[outcome] / max(found['notes'], 1):.1%})" for outcome in OUTCOMES)
        print(f"{folder.name}: {found['notes']} {side} notes: {shares}; {' / '.join(OUTCOMES)} by kind {found['by_kind']}")
        print(f"    of those set aside, {found['aside_for_drugs_outside_the_graph_alone']} for a drug outside the graph alone")
    return summary


if __name__ == "__main__":
    main()
