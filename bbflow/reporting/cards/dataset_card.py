"""The dataset card of a folder of generated examples, with its Croissant metadata."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import bbflow
from bbflow.data.sharding import Summary
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import SPLITS
from bbflow.reporting.cards.croissant import DISCLAIMER, croissant
from bbflow.reporting.template_rendering import render
from bbflow.synthesis.pipeline import Generated


def summary_of(made: Generated, folder: Path) -> Summary:
    """Return the summary of examples in memory that are written as one file per split."""
    sample = next((e for e in made.examples["train"] if e.options), made.examples["train"][0])
    counts = Counter((e.task, split) for split in SPLITS for e in made.examples[split])
    return Summary(Counter(counts), made.dropped, made.short, sample, {split: [folder / f"{split}.parquet"] for split in SPLITS})


def write_card(folder: Path, made: Generated | Summary, graph: KnowledgeGraph, receipt: dict[str, Any] | None, recipe: str) -> None:
    """Write `README.md` and `croissant.json` next to the Parquet files of a folder."""
    summary = made if isinstance(made, Summary) else summary_of(made, folder)
    (folder / "README.md").write_text(dataset_card(summary, graph, receipt, recipe), encoding="utf-8")
    metadata = croissant(summary.files, graph, list(dict.fromkeys(task for task, _ in summary.counts)))
    (folder / "croissant.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def dataset_card(made: Summary, graph: KnowledgeGraph, receipt: dict[str, Any] | None, recipe: str) -> str:
    """Return the card as Markdown with the front matter that the Hub reads."""
    return render(
        "dataset_card.md.jinja",
        made=made,
        graph=graph,
        receipt=receipt,
        recipe=recipe,
        tasks=sorted({task for task, _ in made.counts}),
        splits=SPLITS,
        version=bbflow.__version__,
        licence=str(graph.about.get("licence", "see the graph's own licence")),
        disclaimer=DISCLAIMER,
    )
