"""`bbflow contracts`: data contracts from the command line."""

from __future__ import annotations

from bbflow.cli.commands.graph import load_graph
from bbflow.contracts import Verdict, load_contract, write_report
from bbflow.contracts import validate as run_contract
from bbflow.data.files import read_rows

_SHOWN = 5


def validate(contract: str, data: list[str], graph: str = "clinical", format: str | None = None, report: str | None = None) -> None:
    """Checks data against a contract; ends 1 when the contract refuses them.

    Args:
        contract: Contract file (YAML).
        data: Files of examples (.parquet, .jsonl), or folders with one file for each split; all are judged together.
        graph: Graph file or folder that the data speak of; `clinical` is the pack that ships.
        format: Format of the graph; chosen by its contents when not given.
        report: Folder for report.json and report.html.

    Raises:
        InputError: Contract, data or graph are missing or malformed, or the data lack a column.
        Refused: The contract refuses the data.
    """
    loaded = load_contract(contract)
    knowledge = load_graph(graph, format)
    rows = [row for path in data for row in read_rows(path)]
    verdict = run_contract(loaded, rows, knowledge)
    if report is not None:
        write_report(report, verdict)
    show(verdict)
    verdict.raise_if_refused()


def show(verdict: Verdict) -> None:
    """Prints the verdict: one line a rule, then the first failing examples of each."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    colours = {"pass": "green", "refuse": "red", "quarantine": "yellow", "report": "cyan"}
    table = Table(title=f"{verdict.contract.id} {verdict.contract.version}", title_justify="left")
    for column in ("rule", "severity", "rows checked", "failing", "verdict"):
        table.add_column(column, justify="right" if column in ("rows checked", "failing") else "left")
    for result in verdict.results:
        said = f"[{colours[result.verdict]}]{result.verdict}[/]"
        table.add_row(escape(result.id), result.severity, str(result.evaluated), str(len(result.rows)), said)
    console = Console()
    console.print(table)
    for result in verdict.results:
        if result.error:
            console.print(f"[red]{escape(result.id)}[/]: {escape(result.error)}", soft_wrap=True, highlight=False)
        for failure in result.failures[:_SHOWN]:
            console.print(
                f"[bold]{escape(result.id)}[/] {escape(failure.example_id)}: {escape(failure.reason)}", soft_wrap=True, highlight=False
            )
        if len(result.failures) > _SHOWN:
            console.print(f"[bold]{escape(result.id)}[/] and {len(result.failures) - _SHOWN} more", highlight=False)
    word = "[red]refused[/]" if verdict.refused else "[green]accepted[/]"
    counts = f"{len(verdict.ids)} rows, {len(verdict.accepted)} accepted, {len(verdict.quarantined_rows)} quarantined"
    console.print(f"{word}: {counts}", highlight=False)
