"""`bbflow score`: scores of a reward model for each record of a file, what to keep, and the best of several candidates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.errors import InputError, Problem, did_you_mean

if TYPE_CHECKING:
    from bbflow.policies.reward_heads import RewardScorer

FORMATS = (".parquet", ".jsonl", ".csv")
_PROBLEMS_SHOWN = 10
_SHOWN = 20


@dataclass(frozen=True)
class _Line:
    """One response to be scored: its row, and which candidate of it."""

    row: int
    candidate: int
    messages: list[Any]
    response: str


def score(
    reward_model: str,
    data: str,
    out: str,
    prompt: str | None = None,
    response: str | None = None,
    candidates: str | None = None,
    evidence: str | None = None,
    group: str | None = None,
    head: str = "gated",
    threshold: float = 0.5,
    kept_only: bool = False,
    facts: int = 0,
    graph: str | None = None,
    report: str | None = None,
    batch_size: int = 64,
) -> None:
    """Score every record of a file; write it with its scores, whether it is kept, and which candidate is best.

    New columns: `score_HEAD` for every head and `score` for the deciding one (probabilities of being correct), `gate_HEAD` (the weight of
    each head for the prompt), `kept`, `truncated` (the input was cut: the score is of a part, and the record is not kept), and with
    candidates `best` (and `best_response`).

    Args:
        reward_model: Folder that a `RewardModel` run wrote.
        data: File of records: .parquet, .jsonl or .csv.
        out: File to write, of any of these kinds.
        prompt: Column of the prompt, a text or a chat; by default `messages`, else `prompt`.
        response: Column of the response; by default `response`.
        candidates: Column with a list of candidate responses, instead of one response; the best is chosen.
        evidence: Column of text that belongs before the prompt, such as the source document.
        group: Column that says which rows are candidates for the same prompt; the best row of each group is chosen.
        head: Head that decides: a name, or `gated` for the mixture of all.
        threshold: Least probability of being correct that is kept.
        kept_only: Write only the records that are kept (with candidates or groups: the best of them).
        facts: For bbflow's own closed-book records: put so many facts, the proof among them, before the question.
        graph: Where those facts come from; by default the pack that the records were made from.
        report: Folder for report.json and index.html on what was dropped; by default next to the output.
        batch_size: Rows of one forward pass.

    Raises:
        InputError: The model, the data or a column is missing or malformed; every problem is listed.
    """
    from bbflow.io.progress import progress_bar
    from bbflow.policies.reward_heads import load_scorer, reward_model_problems

    problems = reward_model_problems(reward_model, "--reward_model", head)
    problems += _option_problems(threshold, bool(candidates and group), batch_size, out)
    rows = _rows(data, problems)
    columns = _columns(rows, prompt, response, candidates, evidence, group)
    lines = _lines(rows, columns, data, _facts(rows, facts, graph) if facts else None)
    model = load_scorer(reward_model).to(_device())
    with progress_bar("scoring", len(lines)) as advance:
        scored = model.score([line.messages for line in lines], [line.response for line in lines], batch_size, advance)
    results = _results(rows, columns, lines, _Scores.of(model, scored, head, threshold))
    write_table(Path(out), [r for r in results if r["kept"]] if kept_only else results)
    summary = _summary(results, model.file.heads, threshold, head, columns)
    folder = Path(report) if report else Path(out).with_suffix("").with_name(Path(out).stem + "-report")
    _write_report(folder, summary)
    _show(summary, Path(out), folder)


@dataclass(frozen=True)
class _Scores:
    """Scores of all lines.

    Attributes:
        chance: Probability of being correct by the deciding head.
        cut: Whether the input was truncated.
        parts: New column to its values.
        threshold: Least probability that is kept.
    """

    chance: list[float]
    cut: list[bool]
    parts: dict[str, list[float]]
    threshold: float

    @classmethod
    def of(cls, model: RewardScorer, scored: Any, head: str, threshold: float) -> _Scores:
        """Take the scores of a model; `head` decides."""
        from bbflow.policies.reward_heads import GATED

        deciding = scored.gated_N if head == GATED else scored.heads_NK[:, model.file.heads.index(head)]
        return cls(model.probability(deciding, head).tolist(), scored.truncated_N.tolist(), _parts(model, scored), threshold)


def _option_problems(threshold: float, both: bool, batch_size: int, out: str) -> list[Problem]:
    """List the problems of the options; `both`: candidates are given in a list and in rows."""
    problems = []
    if not 0 <= threshold <= 1:
        problems.append(Problem(f"the threshold must lie in [0, 1], not {threshold}", "--threshold"))
    if both:
        problems.append(Problem("candidates are in a list or in rows, not in both", "--group", "name one of --candidates and --group"))
    if batch_size < 1:
        problems.append(Problem(f"must be at least 1, not {batch_size}", "--batch_size"))
    if Path(out).suffix not in FORMATS:
        problems.append(Problem("no kind of file that can be written", f"--out {out}", f"one of: {', '.join(FORMATS)}"))
    return problems


def _rows(data: str, problems: list[Problem]) -> list[dict[str, Any]]:
    """Read the records; raise `InputError` with their problems and those of the options."""
    rows: list[dict[str, Any]] = []
    try:
        rows = read_table(Path(data))
        if not rows:
            problems = [*problems, Problem("there are no records", f"--data {data}")]
    except InputError as error:
        problems = [*problems, *error.problems]
    if problems:
        raise InputError(*problems)
    return rows


def _results(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], lines: Sequence[_Line], judged: _Scores
) -> list[dict[str, Any]]:
    """Return the rows with their new columns."""
    chance, cut = judged.chance, judged.cut
    best = _best(chance, cut, rows, columns.get("group"))
    lines_of: dict[int, list[int]] = {}
    for n, line in enumerate(lines):
        lines_of.setdefault(line.row, []).append(n)
    results = []
    for i, row in enumerate(rows):
        top = max(lines_of[i], key=lambda n: (not cut[n], chance[n]))
        more: dict[str, Any] = {name: values[top] for name, values in judged.parts.items()}
        more |= {"score": chance[top], "truncated": cut[top], "kept": chance[top] >= judged.threshold and not cut[top]}
        if "candidates" in columns:
            scores = [chance[n] for n in lines_of[i]]
            more |= {"best": lines[top].candidate, "best_response": lines[top].response, "candidate_scores": scores}
        elif "group" in columns:
            more["best"] = i in best
            more["kept"] = more["kept"] and more["best"]
        results.append({**row, **more})
    return results


def read_table(path: Path) -> list[dict[str, Any]]:
    """Read rows from Parquet, JSONL or CSV.

    Raises:
        InputError: The file is missing, of another kind, or unreadable.
    """
    if path.suffix == ".csv":
        import pandas as pd

        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")  # type: ignore[return-value]
        except (OSError, ValueError) as error:
            raise InputError(Problem(f"cannot be read as CSV: {str(error).splitlines()[0]}", str(path))) from None
    if path.suffix not in FORMATS:
        raise InputError(Problem("no such file, or not of a kind that holds records", str(path), f"one of: {', '.join(FORMATS)}"))
    from bbflow.data.example_io import read_rows

    return read_rows(path)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as Parquet, JSONL or CSV; lists become JSON text in CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.partial")
    if path.suffix == ".jsonl":
        draft.write_text("".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        import pandas as pd

        flat = [{k: json.dumps(v, ensure_ascii=False) if isinstance(v, (list, dict)) else v for k, v in row.items()} for row in rows]
        pd.DataFrame(flat).to_csv(draft, index=False)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), draft, compression="zstd")
    draft.replace(path)


def _columns(
    rows: Sequence[Mapping[str, Any]],
    prompt: str | None,
    response: str | None,
    candidates: str | None,
    evidence: str | None,
    group: str | None,
) -> dict[str, str]:
    """Return the column of each part of a record; raise `InputError` for missing ones."""
    present = list(dict.fromkeys(name for row in rows for name in row))
    chosen = {
        "prompt": prompt or ("messages" if "messages" in present else "prompt"),
        "candidates" if candidates else "response": candidates or response or "response",
    }
    chosen |= {part: name for part, name in (("evidence", evidence), ("group", group)) if name}
    problems = [
        Problem(f"the data have no column '{name}'", f"--{part}", did_you_mean(name, present))
        for part, name in chosen.items()
        if name not in present
    ]
    if problems:
        raise InputError(*problems)
    return chosen


def _lines(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], data: str, told: Sequence[str] | None) -> list[_Line]:
    lines, problems = [], []
    for i, row in enumerate(rows):
        where = f"{data}: row {i + 1}"
        try:
            messages = _chat(row.get(columns["prompt"]), columns["prompt"])
            before = [_text(row.get(columns["evidence"]), columns["evidence"])] if "evidence" in columns else []
            before += [told[i]] if told and told[i] else []
            if before:
                last = max(n for n, message in enumerate(messages) if message["role"] == "user")
                messages[last] = {"role": "user", "content": "\n".join([*before, messages[last]["content"]])}
            texts = (
                _listed(row.get(columns["candidates"]), columns["candidates"])
                if "candidates" in columns
                else [row.get(columns["response"])]
            )
            name = columns.get("candidates", columns.get("response", ""))
            lines += [_Line(i, n, messages, _text(text, name)) for n, text in enumerate(texts)]
        except ValueError as error:
            problems.append(Problem(str(error), where))
    if problems:
        more = [Problem(f"and {len(problems) - _PROBLEMS_SHOWN} more problems", data)] if len(problems) > _PROBLEMS_SHOWN else []
        raise InputError(*problems[:_PROBLEMS_SHOWN], *more)
    return lines


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"'{name}' must be text that is not empty, not {value!r:.60}")
    return value


def _chat(value: Any, name: str) -> list[dict[str, str]]:
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        with suppress(json.JSONDecodeError):  # a prompt may well begin like this
            value = json.loads(value)
    if isinstance(value, list):
        if not value or not all(isinstance(m, Mapping) and isinstance(m.get("content"), str) and m.get("role") for m in value):
            raise ValueError(f"'{name}' must be a chat of roles and contents, not {value!r:.60}")
        if not any(m["role"] == "user" for m in value):
            raise ValueError(f"'{name}' has no user turn")
        return [{"role": str(m["role"]), "content": m["content"]} for m in value]
    return [{"role": "user", "content": _text(value, name)}]


def _listed(value: Any, name: str) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = None
    if not isinstance(value, list) or not value:
        raise ValueError(f"'{name}' must be a list of responses")
    return value


def _facts(rows: Sequence[Mapping[str, Any]], size: int, graph: str | None) -> list[str]:
    """Return the facts that go before each closed-book record of bbflow."""
    import random

    from bbflow.cli.commands.graph import graph_for
    from bbflow.records import Example
    from bbflow.synthesis.items.evidence import HEADING, draw_evidence
    from bbflow.text.verbalization import verbalize

    knowledge, told = graph_for(graph, (row.get("provenance") for row in rows)), []
    names = set(Example.__dataclass_fields__)
    for i, row in enumerate(rows):
        example = Example.from_row({k: v for k, v in row.items() if k in names}, f"row {i + 1}")
        rng = random.Random(example.example_id)  # noqa: S311 (not for secrets)
        drawn = () if example.open_book or not example.edges else draw_evidence(knowledge, example, size, rng)
        told.append(HEADING + " ".join(f"{verbalize(knowledge, fact)}." for fact in drawn) if drawn else "")
    return told


def _parts(model: RewardScorer, scored: Any) -> dict[str, list[float]]:
    heads = model.file.heads
    chances = {f"score_{name}": model.probability(scored.heads_NK[:, k], name).tolist() for k, name in enumerate(heads)}
    return chances | {f"gate_{name}": scored.gate_NK[:, k].tolist() for k, name in enumerate(heads)}


def _best(chance: Sequence[float], cut: Sequence[bool], rows: Sequence[Mapping[str, Any]], group: str | None) -> set[int]:
    """Return the rows that are the best of their group."""
    if not group:
        return set()
    top: dict[str, int] = {}
    for i, row in enumerate(rows):
        key = json.dumps(row.get(group), default=str)
        if key not in top or (not cut[i], chance[i]) > (not cut[top[key]], chance[top[key]]):
            top[key] = i
    return set(top.values())


def _summary(
    results: Sequence[Mapping[str, Any]], heads: Sequence[str], threshold: float, head: str, columns: Mapping[str, str]
) -> dict[str, Any]:
    """Return the contents of the report: counts, the distribution of scores, and the weakest heads of dropped records."""
    dropped = [r for r in results if not r["kept"]]
    outranked = [r for r in dropped if r.get("best") is False]
    blamed = [min(heads, key=lambda name: r[f"score_{name}"]) for r in dropped if not r["truncated"] and r.get("best") is not False]
    bins = [0] * 10
    for r in results:
        bins[min(9, int(r["score"] * 10))] += 1
    worst = sorted((r for r in dropped if r.get("best") is not False), key=lambda r: r["score"])[:_SHOWN]
    response = columns.get("response", "best_response")
    return {
        "records": len(results),
        "kept": len(results) - len(dropped),
        "dropped": len(dropped),
        "truncated": sum(r["truncated"] for r in results),
        "outranked": len(outranked),
        "threshold": threshold,
        "head": head,
        "mean_score": sum(r["score"] for r in results) / len(results),
        "histogram": bins,
        "dropped_by_weakest_head": {name: blamed.count(name) for name in heads},
        "lowest": [
            {
                "id": str(r.get("example_id", r.get("id", ""))),
                "score": r["score"],
                "weakest_head": min(heads, key=lambda name: r[f"score_{name}"]),
                "response": str(r.get(response if "candidates" not in columns else "best_response", ""))[:300],
            }
            for r in worst
        ],
    }


def _write_report(folder: Path, summary: Mapping[str, Any]) -> None:
    from bbflow.reporting.pages.score_page import render_score_page
    from bbflow.reporting.run_report import round_floats

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps({"score": round_floats(summary)}, indent=1) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(render_score_page(summary), encoding="utf-8")


def _show(summary: Mapping[str, Any], out: Path, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{summary['kept']:,} of {summary['records']:,} records kept at {summary['threshold']:g} ({summary['head']})")
    for column, justify in (("dropped because", "left"), ("records", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for name, count in summary["dropped_by_weakest_head"].items():
        table.add_row(f"below the threshold, weakest: {name}", f"{count:,}")
    table.add_row("another candidate is better", f"{summary['outranked']:,}")
    table.add_row("too long to be read whole", f"{summary['truncated']:,}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{out}\n{folder / 'index.html'}", soft_wrap=True, markup=False)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
