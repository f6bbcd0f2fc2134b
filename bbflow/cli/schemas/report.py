"""The schema of `report.json`. A key that nothing is known about is absent."""

from __future__ import annotations

from typing import Any, Literal, Required, TypedDict

from bbflow.cli.schemas.from_types import object_schema

Verdict = Literal["improved", "preserved", "regressed", "inconclusive"]


class Score(TypedDict):
    """A score with its interval.

    Attributes:
        score: Mean over the items.
        ci: Lower and upper end of the 95% interval, resampled by cluster.
    """

    score: float
    ci: tuple[float, float]


class Difference(TypedDict, total=False):
    """The paired difference, after minus before.

    Attributes:
        lower: One-sided 95% lower bound.
        upper: One-sided 95% upper bound.
        detectable: The difference that this many items could have shown; never decides.
    """

    estimate: Required[float]
    lower: Required[float]
    upper: float
    detectable: float | None


class Part(TypedDict, total=False):
    """Scores on the open-book or closed-book items alone."""

    n: Required[int]
    before: Score
    after: Required[Score]


class CapabilityReport(TypedDict, total=False):
    """One capability.

    Attributes:
        metric: Name of the held-out metric.
        n: Number of items.
        clusters: Number of entity clusters they belong to.
        margin: Loss that the owner accepts, fixed before the run.
        p_improved: p-value of an improvement, adjusted for the number of capabilities (Holm).
        nulls: Scores of models that know nothing.
    """

    metric: Required[str]
    n: Required[int]
    clusters: int
    before: Score
    after: Required[Score]
    difference: Difference
    p_improved: float
    margin: float
    verdict: Verdict
    nulls: dict[str, float]
    open_book: Part
    closed_book: Part


class Integration(TypedDict, total=False):
    """The integration score (this project's definition): the mean of max(0, (s - c) / (1 - c)) over capabilities, c the best null."""

    before: dict[str, Any]
    after: dict[str, Any]
    difference: dict[str, Any]


class Interference(TypedDict, total=False):
    """How the capabilities' gradients get in each other's way."""

    cosine: list[list[float | None]]
    conflict_rate: float | None
    stationarity: float | None


class Cost(TypedDict, total=False):
    """What the run took."""

    seconds: float
    tokens_generated: int
    trained_parameters: int
    peak_memory_bytes: int


class Report(TypedDict, total=False):
    """The result of a run or an evaluation."""

    capabilities: Required[dict[str, CapabilityReport]]
    integration: Integration
    interference: Interference
    cost: Cost
    data: dict[str, Any]
    provenance: dict[str, Any]
    verdict: Literal["certified", "refused", "inconclusive"]


def report_schema() -> dict[str, Any]:
    """Returns the JSON Schema of `report.json`; `integration` and `cost` may carry more than is named here."""
    schema = object_schema(Report)
    for key in ("integration", "interference", "cost"):
        schema["properties"][key].pop("additionalProperties")
    return {"title": "bbflow report", **schema}
