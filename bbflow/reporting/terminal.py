"""Output of an evaluation in a terminal: a progress bar while it runs, a table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLES = {"improved": "green", "certified": "green", "preserved": "cyan", "regressed": "red", "refused": "red", "inconclusive": "yellow"}


@contextmanager
def evaluation_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar, on a terminal only; yield its update, called with prompts done and prompts in total."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def score_table(report: Mapping[str, Any]) -> Table:
    """Return the table of a report: one row per capability and one for the integration score."""
    from rich.table import Table
    from rich.text import Text

    certified = "verdict" in report
    table = Table(title="Held-out scores (synthetic graph, not clinical)", title_justify="left")
    table.add_column("capability")
    heads = ["before", "after", "difference [lower bound]", "verdict"] if certified else ["score", "95% interval", "best null"]
    for head in heads:
        table.add_column(Text(head), justify="left" if head == "verdict" else "right")
    for name, entry in report["capabilities"].items():
        if certified:
            d = entry["difference"]
            verdict = Text(entry["verdict"], STYLES[entry["verdict"]])
            change = f"{d['estimate']:+.3f} [{d['lower']:+.3f}]"
            table.add_row(Text(name), f"{entry['before']['score']:.3f}", f"{entry['after']['score']:.3f}", Text(change), verdict)
        else:
            low, high = entry["after"]["ci"]
            null = f"{max(entry['nulls'].values(), default=0.0):.3f}"
            table.add_row(Text(name), f"{entry['after']['score']:.3f}", Text(f"[{low:.3f}, {high:.3f}]"), null)
    whole = report.get("integration")
    if whole and "difference" in whole:
        change = f"{whole['difference']['estimate']:+.3f} [{whole['difference']['lower']:+.3f}]"
        table.add_section()
        verdict = Text(report["verdict"], STYLES[report["verdict"]])
        table.add_row("integration", f"{whole['before']['score']:.3f}", f"{whole['after']['score']:.3f}", Text(change), verdict)
    elif whole:
        low, high = whole["after"]["ci"]
        table.add_section()
        table.add_row("integration", f"{whole['after']['score']:.3f}", Text(f"[{low:.3f}, {high:.3f}]"), "")
    return table


def show_report(report: Mapping[str, Any], page: object, console: Console | None = None) -> None:
    """Print the table and the path of the page."""
    from rich.console import Console

    console = console or Console(highlight=False)
    console.print(score_table(report))
    console.print(f"report: {page}", soft_wrap=True, markup=False)
    console.print("bbflow trains language models; it gives no medical advice.")
