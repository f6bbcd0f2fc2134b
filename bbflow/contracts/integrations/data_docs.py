"""Great Expectations' own Data Docs of a validation, for those who keep them: one page, written on request.

They show neither reasons nor severities well, and style sheets come from the network: `report.html` is the one to read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bbflow.contracts.contract import Contract
from bbflow.contracts.engine.runner import Table
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.phi import mask


def write_data_docs(
    folder: str | Path, contract: Contract, rows: Sequence[Mapping[str, Any]], ids: tuple[str, ...], graph: KnowledgeGraph
) -> Path:
    """Validates by Great Expectations and renders its page.

    Args:
        folder: Where to write `data_docs.html`.
        contract: The contract.
        rows: The data.
        ids: The `example_id` of each row, as the verdict has them.
        graph: The graph.

    Returns:
        The page.
    """
    from bbflow.contracts.integrations.great_expectations import validated

    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    result = validated(contract.rules, Table(rows), ids, graph)
    for each in result.results:
        each.result = {k: v for k, v in each.result.items() if k != "details"}  # may quote the data
        each.result["unexpected_index_list"] = list(map(mask, each.result.get("unexpected_index_list", ())))
    result.meta.setdefault("run_id", {"run_name": contract.id, "run_time": ""})
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    path = Path(folder) / "data_docs.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path
