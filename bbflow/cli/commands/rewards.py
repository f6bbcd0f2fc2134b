"""`bbflow rewards`: what a reward pays for completions that answer nothing."""

from __future__ import annotations

from bbflow.errors import InputError, Problem, Refused


def probe(data: str, capabilities: str | None = None, graph: str | None = None, examples: int = 200) -> None:
    """Run the adversarial probes against every capability's rewards; ends 1 when one is paid.

    A probe (empty text, all options, entity soup, the prompt again, a contradiction, ...) must not be paid more than an honest wrong
    answer in good form, and must stay 0.5 below the reference response.

    Args:
        data: File of examples whose responses are right.
        capabilities: YAML file that defines the capabilities; by default the clinical ones that ship with bbflow.
        graph: Graph file, folder or pack that the examples speak of; by default the pack that they were made from.
        examples: At most how many examples are tried for each capability.

    Raises:
        Refused: A probe was paid.
    """
    from rich.console import Console
    from rich.table import Table

    from bbflow.cli.commands.evaluation_inputs import load_capabilities, read_data
    from bbflow.cli.commands.graph import graph_for
    from bbflow.evaluation.baselines.probes import paid_probes

    if examples < 1:
        raise InputError(Problem(f"must be at least 1, not {examples}", "--examples"))
    records = sorted(read_data([data]), key=lambda e: e.example_id)
    knowledge = graph_for(graph, (e.provenance for e in records))
    table, paid, count = Table(title="probes that were paid"), [], 0
    for column in ("capability", "probes tried", "paid", "worst"):
        table.add_column(column, justify="right" if column in ("probes tried", "paid") else "left")
    for name, capability in load_capabilities(capabilities).items():
        capability.prepare(knowledge)
        judged = [e for e in records if capability.judges(name, e)][:examples]
        found, tried = paid_probes(lambda e, t, n=name, c=capability: c.reward(n, e, t), judged, knowledge)  # type: ignore[misc]
        worst = max(found, key=lambda breach: breach.score, default=None)
        table.add_row(name, str(tried), str(len(found)), "" if worst is None else f"{worst.probe} {worst.score:.2f}")
        count += len(found)
        paid += [f"{name}: {breach}" for breach in {breach.probe: breach for breach in found}.values()]
    Console().print(table)
    if paid:
        raise Refused("\n".join([*paid, f"{count} probes were paid; of each kind one is shown"]))


def nulls(data: str, train: str | None = None, capabilities: str | None = None, graph: str | None = None, seed: int = 0) -> None:
    """Print a table, in Markdown, of what null models score by capability: random text, constant answers, blanket refusal, options only.

    Args:
        data: File of examples to be answered.
        train: File that the null models may learn from; by default the train file next to the data, else the data themselves.
        capabilities: YAML file that defines the capabilities; by default the clinical ones that ship with bbflow.
        graph: Graph file, folder or pack that the examples speak of; by default the pack that they were made from.
        seed: Of the random null models.
    """
    from bbflow.cli.commands.evaluation_inputs import load_capabilities, read_data, train_examples
    from bbflow.cli.commands.graph import graph_for
    from bbflow.evaluation.baselines.null_models import NULLS, null_scores

    records = read_data([data])
    knowledge = graph_for(graph, (e.provenance for e in records))
    learned = read_data([train]) if train else train_examples([data], records)[0]
    defined = load_capabilities(capabilities)
    for capability in defined.values():
        capability.prepare(knowledge)
    scores = null_scores(defined, records, learned, seed)
    if not scores:
        raise InputError(Problem("no example is judged by any capability", "--data"))
    lines = [f"| capability | items | {' | '.join(n.replace('_', ' ') for n in NULLS)} |", "|---|---|" + "---|" * len(NULLS)]
    for name, row in scores.items():
        items = sum(defined[name].judges(name, e) for e in records)
        lines.append(f"| {name} | {items} | {' | '.join(f'{row[n]:.3f}' if n in row else '' for n in NULLS)} |")
    print("\n".join(lines))  # noqa: T201
