"""`bbflow contracts`: data contracts from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from bbflow.cli.commands.graph import graph_for, load_graph
from bbflow.contracts import Contract, Verdict, load_contract, mask
from bbflow.contracts import validate as run_contract
from bbflow.contracts.engine.patient_context import PATIENT_KINDS
from bbflow.contracts.language.column_mapping import graph_rows, map_rows, mapping_of, read_csv
from bbflow.contracts.language.contract_tests import run_cases
from bbflow.contracts.language.explanation import describe_rule, verdict_changes
from bbflow.contracts.language.explanation import explain as explanation
from bbflow.contracts.language.scaffold import scaffold
from bbflow.contracts.verdict import Failure, RowOutcome, RuleResult
from bbflow.data.example_io import read_rows
from bbflow.errors import InputError, Problem, Refused
from bbflow.graph import KnowledgeGraph
from bbflow.reporting.pages.contract_page import write_contract_report

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 5
_CHANGES = 50


def validate(
    contract: str,
    data: list[str] | None = None,
    graph: str | None = None,
    format: str | None = None,
    columns: list[str] | None = None,
    report: str | None = None,
    quarantine: str | None = None,
    data_docs: str | None = None,
) -> None:
    """Check data against a contract; ends 1 when the contract refuses them.

    Args:
        contract: Contract file (YAML).
        data: Files (.parquet, .jsonl, .csv), or folders with one file for each split; all are judged together. A contract on graphs
            judges the graph itself and takes none.
        graph: Graph file or folder that the data speak of; by default the pack that they were made from.
        format: Format of the graph; chosen by its contents when not given.
        columns: What the data call a column of the contract: `--columns response=output --columns patient.conditions=problems`.
        report: Folder for report.json and report.html.
        quarantine: File (.jsonl) for the rows that were set aside, each with rule, reason and outcome: `fails` or `not understood`.
        data_docs: Folder for Great Expectations' own page.

    Raises:
        InputError: Contract, data or graph are missing or malformed, or the data lack a column.
        Refused: The contract refuses the data.
    """
    loaded = load_contract(contract)
    rows, knowledge = _rows(loaded, data, graph, format, columns)
    verdict = _judge(loaded, rows, knowledge)
    if report is not None:
        write_contract_report(report, verdict, rows, knowledge)
    if quarantine is not None:
        _write_quarantine(Path(quarantine), verdict, rows)
    if data_docs is not None:
        from bbflow.contracts.integrations.data_docs import write_data_docs

        write_data_docs(data_docs, loaded, rows, verdict.ids, knowledge)
    show(verdict)
    verdict.raise_if_refused()


def test(contract: str, graph: str = "clinical", format: str | None = None) -> None:  # noqa: PT028 (no test of pytest)
    """Run the accept and reject rows that a contract carries; ends 1 unless all come out as they should.

    Args:
        contract: Contract file (YAML).
        graph: Graph file or folder that the rows speak of; `clinical` is the pack that ships.
        format: Format of the graph; chosen by its contents when not given.

    Raises:
        InputError: Contract or graph are missing or malformed.
        Refused: A rule accepts what it must reject, rejects what it must accept, or the contract carries no test at all.
    """
    from rich.markup import escape

    loaded = load_contract(contract)
    results = run_cases(loaded, load_graph(graph, format))
    console, failed = _console(), [r for r in results if not r.passed]
    for rule in loaded.rules:
        mine = [r for r in results if r.rule == rule.id]
        counts = {kind: (sum(r.passed for r in mine if r.kind == kind), sum(r.kind == kind for r in mine)) for kind in ("accept", "reject")}
        said = ", ".join(f"{kind} {good} of {count}" for kind, (good, count) in counts.items()) if mine else "[yellow]no test[/]"
        word = "[green]ok[/]  " if mine and all(r.passed for r in mine) else "[red]fail[/]" if mine else "[yellow]none[/]"
        console.print(f"{word} {escape(rule.id)}: {said}", soft_wrap=True)
    for r in failed:
        wanted = "must be accepted" if r.kind == "accept" else "must be rejected"
        why = f" ({r.why})" if r.why else ""
        console.print(f"[red]{escape(r.rule)}[/] {r.kind} {r.number} {wanted}: {escape(mask(r.said) + why)}", soft_wrap=True)
    if not results:
        raise Refused(f"contract '{loaded.id}' carries no test: add accept and reject rows to its rules")
    if failed:
        raise Refused(f"{len(failed)} of {len(results)} tests of contract '{loaded.id}' fail")
    console.print(f"[green]all {len(results)} tests of {escape(loaded.id)} pass[/]")


def explain(
    contract: str,
    data: list[str] | None = None,
    graph: str | None = None,
    format: str | None = None,
    columns: list[str] | None = None,
) -> None:
    """Describe a contract in plain English, and with data the rows that it affects.

    Args:
        contract: Contract file (YAML).
        data: Files to count the affected rows in.
        graph: Graph file or folder that the data speak of; by default the pack that they were made from.
        format: Format of the graph; chosen by its contents when not given.
        columns: What the data call a column of the contract.

    Raises:
        InputError: Contract, data or graph are missing or malformed.
    """
    loaded, console = load_contract(contract), _console()
    verdict: Verdict | None = None
    rows: list[dict[str, Any]] = []
    if data is not None or loaded.table == "graph":
        rows, knowledge = _rows(loaded, data, graph, format, columns)
        verdict = _judge(loaded, rows, knowledge)
    results = {r.id: r for r in verdict.results} if verdict else {}
    for number, (heading, sentences) in enumerate(explanation(loaded)):
        console.print(
            f"{'' if number == 0 else chr(10)}[bold]{'' if number == 0 else heading.capitalize()}[/]" if number else f"[bold]{heading}[/]"
        )
        for text in sentences:
            console.print(text, markup=False, soft_wrap=True)
            result = results.get(text.partition(":")[0])
            if result is not None:
                console.print(f"    In these data: {_said_of(result)}.", markup=False, soft_wrap=True)
    if verdict is not None:
        console.print(f"\n{'refused' if verdict.refused else 'accepted'}: {_counts(verdict)}", soft_wrap=True)


def _said_of(result: RuleResult) -> str:
    """Return how many rows fail a rule and how many it does not understand, with the first of each."""
    if result.error:
        return result.error
    said = f"{len(result.rows)} of {result.evaluated} rows that it applies to fail{_first(result.failures)}"
    unread = len(result.rows_not_understood)
    return f"{said}; {unread} not understood{_first(result.not_understood)}" if unread else said


def _first(failures: Sequence[Failure]) -> str:
    ids = ", ".join(dict.fromkeys(mask(f.example_id) for f in failures[:_SHOWN]))
    return f", first {ids}" if ids else ""


def _counts(verdict: Verdict) -> str:
    """Return the number of rows of each outcome; those set aside are told apart from those that were not understood."""
    unread, aside = verdict.row_outcomes.count("not understood"), len(verdict.quarantined_rows)
    return f"{len(verdict.ids)} rows, {len(verdict.accepted)} accepted, {aside} quarantined, {unread} of them not understood"


def init(data: str, out: str, id: str = "my-data", columns: list[str] | None = None) -> None:
    """Draft a contract for data that have none: their columns, and the rules that these columns can feed.

    Args:
        data: A file (.parquet, .jsonl, .csv), or a folder with one file for each split.
        out: The contract file to write; never overwritten.
        id: Identifier of the contract.
        columns: What the data call a column that bbflow knows: `--columns response=output`.

    Raises:
        InputError: The data cannot be read or hold no row, or the file is there already.
    """
    target = Path(out)
    if target.exists():
        raise InputError(Problem("already there, and never overwritten", out, "choose another name"))
    rows = _read(data)
    if not rows:
        raise InputError(Problem("the data hold no row", data))
    renamed = {physical: name for name, physical in _pairs(columns).items()}
    missing = [Problem(f"the data lack column '{name}'", "--columns") for name in renamed if name not in rows[0]]
    if missing:
        raise InputError(*missing)
    known = [{renamed.get(name, name): value for name, value in row.items()} for row in rows]
    text = scaffold(known, id, "../schemas/data_contract.schema.json", Path(data).name, renamed)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    drafted = load_contract(target)
    _console().print(
        f"{out}: {len(drafted.columns)} columns, {len(drafted.rules)} rules. Read it with: bbflow contracts explain --contract {out}",
        soft_wrap=True,
    )
    silent = [f"patient.{part}" for part in PATIENT_KINDS if f"patient.{part}" not in known[0]]
    if silent and any(name.startswith("patient.") for name in known[0]):
        _console().print(
            f"note: no column says {' or '.join(silent)}, so the rules about patients will refuse every row. Name the columns "
            f"(--columns {silent[0]}=YOUR_COLUMN); in a table, an empty cell says that there are none.",
            soft_wrap=True, markup=False,
        )  # fmt: skip


def diff(
    old: str,
    new: str,
    data: list[str] | None = None,
    graph: str | None = None,
    format: str | None = None,
    columns: list[str] | None = None,
) -> None:
    """Show the differences of two contracts: rules, and the rows of given data whose verdict changes.

    Args:
        old: Contract file.
        new: Contract file.
        data: Files to judge by both.
        graph: Graph file or folder that the data speak of; by default the pack that they were made from.
        format: Format of the graph; chosen by its contents when not given.
        columns: What the data call a column of the contracts.

    Raises:
        InputError: A contract, the data or the graph are missing or malformed.
    """
    from rich.markup import escape

    contracts, console = [load_contract(old), load_contract(new)], _console()
    before, after = ({rule.id: describe_rule(rule) for rule in c.rules} for c in contracts)
    for rule in [*before, *(r for r in after if r not in before)]:
        if rule not in after:
            console.print(f"[red]- {escape(before[rule])}[/]", soft_wrap=True)
        elif rule not in before:
            console.print(f"[green]+ {escape(after[rule])}[/]", soft_wrap=True)
        elif before[rule] != after[rule]:
            console.print(f"[red]- {escape(before[rule])}[/]\n[green]+ {escape(after[rule])}[/]", soft_wrap=True)
    if before == after:
        console.print("the rules say the same")
    if data is None and contracts[0].table != "graph":
        return
    verdicts = [_judge(c, *_rows(c, data, graph, format, columns)) for c in contracts]
    found = verdict_changes(*verdicts)
    for change in found[:_CHANGES]:
        said = change.after if change.before == change.after else f"{change.before} -> {change.after}"
        console.print(
            f"row {change.row + 1} {mask(change.example_id)}: {said} ({', '.join(change.rules) or 'no rule of its own'})",
            markup=False,
            soft_wrap=True,
        )
    if len(found) > _CHANGES:
        console.print(f"and {len(found) - _CHANGES} more")
    moved = sum(c.before != c.after for c in found)
    console.print(f"{moved} of {len(verdicts[0].ids)} rows change verdict, {len(found) - moved} more fail for other reasons")
    for name, verdict in zip((old, new), verdicts, strict=True):
        word, counts = "refused" if verdict.refused else "accepted", verdict.row_outcomes
        tally = ", ".join(f"{counts.count(outcome)} {outcome}" for outcome in get_args(RowOutcome))
        console.print(f"{name}: {word}; row by row {tally}", markup=False, soft_wrap=True)


def _judge(contract: Contract, rows: list[dict[str, Any]], graph: KnowledgeGraph) -> Verdict:
    from rich.console import Console

    with Console(stderr=True).status(f"{len(contract.rules)} rules over {len(rows)} rows"):
        return run_contract(contract, rows, graph)


def _rows(
    contract: Contract, data: Sequence[str] | None, graph: str | None, format: str | None, columns: Sequence[str] | None
) -> tuple[list[dict[str, Any]], KnowledgeGraph]:
    """Return the rows to judge, and the graph to judge them by."""
    if contract.table == "graph":
        if data:
            raise InputError(Problem("a contract on graphs takes no data", "--data", "name the graph by --graph"))
        knowledge = load_graph(graph or "clinical", format)
        return graph_rows(knowledge), knowledge
    if not data:
        raise InputError(Problem("there is nothing to judge", "--data", "name a .parquet, .jsonl or .csv file, or a folder of them"))
    mapping = mapping_of(_pairs(columns), contract)
    read = [row for path in data for row in _read(path)]
    knowledge = graph_for(graph, (row.get("provenance") for row in read), format)
    return map_rows(read, mapping, contract), knowledge


def _read(path: str) -> list[dict[str, Any]]:
    if Path(path).suffix.lower() == ".csv":
        if not Path(path).is_file():
            raise InputError(Problem("no such file", path))
        return read_csv(Path(path))
    return read_rows(path)


def _pairs(columns: Sequence[str] | None) -> dict[str, str]:
    """Read `name=column` pairs."""
    wrong = [pair for pair in columns or () if "=" not in pair.strip("=")]
    if wrong:
        raise InputError(*(Problem(f"'{pair}' is no pair", "--columns", "write response=your_column") for pair in wrong))
    return {name: column for name, _, column in (pair.partition("=") for pair in columns or ())}


def _write_quarantine(path: Path, verdict: Verdict, rows: list[dict[str, Any]]) -> None:
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    found = ({**rows[q.row], "rule": q.rule, "reason": q.reason, "outcome": q.outcome} for q in verdict.quarantine)
    lines = (json.dumps(row, ensure_ascii=False, default=str) for row in found)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def show(verdict: Verdict) -> None:
    """Print the verdict: one line a rule, then the first failing examples of each."""
    from rich.markup import escape
    from rich.table import Table

    colours = {"pass": "green", "refuse": "red", "quarantine": "yellow", "report": "cyan"}
    table = Table(title=f"{verdict.contract.id} {verdict.contract.version}", title_justify="left")
    for column in ("rule", "severity", "checked", "failing", "unread", "verdict"):
        table.add_column(column, justify="right" if column in ("checked", "failing", "unread") else "left", no_wrap=column == "rule")
    for result in verdict.results:
        said = f"[{colours[result.verdict]}]{result.verdict}[/]"
        counts = (result.evaluated, len(result.rows), len(result.rows_not_understood))
        table.add_row(escape(result.id), result.severity, *map(str, counts), said)
    console = _console()
    console.print(table)
    for result in verdict.results:
        if result.error:
            console.print(f"[red]{escape(result.id)}[/]: {escape(mask(result.error))}", soft_wrap=True)
        for what, failures in (("", result.failures), ("[yellow]not understood[/] ", result.not_understood)):
            for failure in failures[:_SHOWN]:
                said = f"{escape(mask(failure.example_id))}: {what}{escape(mask(failure.reason))}"
                console.print(f"[bold]{escape(result.id)}[/] {said}", soft_wrap=True)
            if len(failures) > _SHOWN:
                console.print(f"[bold]{escape(result.id)}[/] {what}and {len(failures) - _SHOWN} more")
    for rule, reason in verdict.contract.disabled:
        console.print(f"[yellow]{escape(rule)} is switched off[/]: {escape(reason)}", soft_wrap=True)
    word = "[red]refused[/]" if verdict.refused else "[green]accepted[/]"
    console.print(f"{word}: {_counts(verdict)}", soft_wrap=True)
