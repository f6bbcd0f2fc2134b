"""`bbflow compare`: runs side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem
from bbflow.io.atomic import atomic_write


def compare(runs: list[str], out: str) -> None:
    """Compare runs that were judged on the same items: table, paired differences to the first, Pareto plot.

    Args:
        runs: Run folders, or folders that `bbflow evaluate` wrote; the first is the reference.
        out: Folder for compare.json and index.html.

    Raises:
        InputError: Fewer than two runs, a folder without a report, or runs that were judged on different items.
    """
    from bbflow.cli.recipes.relative_paths import folder_problems
    from bbflow.evaluation.comparison import compare_runs, read_run
    from bbflow.reporting.pages.comparison_page import render_comparison_page
    from bbflow.reporting.run_report import round_floats

    if len(runs) < 2:
        raise InputError(Problem("at least two runs are needed to compare", "RUN"))
    problems, read = folder_problems(out, "--out"), []
    for folder_of_run in runs:
        try:
            read.append(read_run(folder_of_run))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    seen: Counter[str] = Counter()
    for i, run in enumerate(read):
        seen[run.name] += 1
        if seen[run.name] > 1:  # the same recipe in two places
            read[i] = replace(run, name=f"{run.name} ({seen[run.name]})")
    comparison = round_floats(compare_runs(read))
    folder, page = Path(out), render_comparison_page(comparison)
    with atomic_write(folder / "compare.json") as draft:
        draft.write_text(json.dumps(comparison, indent=1) + "\n", encoding="utf-8")
    with atomic_write(folder / "index.html") as draft:
        draft.write_text(page, encoding="utf-8")
    _show(comparison, folder / "index.html")


def _show(comparison: Mapping[str, Any], page: Path) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    runs = comparison["runs"]
    names = list(next(iter(runs.values()))["capabilities"])
    title = f"Scores, and differences to {comparison['reference']}"
    heads = [Column("run", overflow="fold"), *names, "integration", Column("verdict", no_wrap=True)]
    table = Table(*heads, title=title, title_justify="left")
    for run, entry in runs.items():
        change = comparison["differences"].get(run, {})
        of = {**change.get("capabilities", {}), "integration": change.get("integration")}
        scores = {**entry["capabilities"], "integration": entry["integration"]}
        cells = [f"{part['score']:.3f}" + (f" ({of[n]['estimate']:+.3f})" if of.get(n) else "") for n, part in scores.items()]
        table.add_row(run, *cells, entry.get("verdict", ""))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"page: {page}", soft_wrap=True, markup=False)
