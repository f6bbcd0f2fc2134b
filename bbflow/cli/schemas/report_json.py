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


class Joint(TypedDict, total=False):
    """Success on items that need several capabilities at once.

    Attributes:
        capabilities: Which ones.
        before: score, ci, and product: what independent capabilities would reach.
        after: As before.
    """

    capabilities: Required[list[str]]
    n: Required[int]
    clusters: int
    before: dict[str, Any]
    after: Required[dict[str, Any]]
    difference: Difference


class UnsafeBound(TypedDict):
    """How often unsafe advice was given, and the exact upper limit of its rate, over items and over the entities they are about."""

    n: int
    unsafe: int
    rate: float
    upper: float
    clusters: int
    clusters_upper: float


class UnsafeAdvice(TypedDict, total=False):
    """The absolute bound of unsafe advice; `alpha` is the error of the limit."""

    alpha: Required[float]
    before: UnsafeBound
    after: UnsafeBound


class Margins(TypedDict):
    """The margins that were fixed, their hash, and when: before the training, or only before this evaluation."""

    alpha: float
    margins: dict[str, float]
    sha256: str
    fixed: Literal["before_training", "before_evaluation"]


class Pair(TypedDict, total=False):
    """Two capabilities.

    Attributes:
        cosine: Of their true gradients, over the run; null where a gradient cannot be told from noise.
        cosine_error: Its standard error.
        conflict_rate: Share of the steps in which two halves of the rollouts put them against each other; 0.5 is chance.
        p_conflict: One-sided p-value, Holm over pairs; null hypothesis: their inner product, averaged over the run, is 0 or more.
    """

    pair: Required[tuple[str, str]]
    cosine: Required[float | None]
    cosine_error: float | None
    conflict_rate: float | None
    p_conflict: float | None


class Effect(TypedDict, total=False):
    """What updates do to a capability, to first order.

    Attributes:
        mean: Mean over the updates.
        share_lowered: Share of the updates that lowered it.
        p_lowered: One-sided p-value, Holm over capabilities; null hypothesis: its mean change is 0 or more.
    """

    mean: Required[float | None]
    share_lowered: float | None
    p_lowered: float | None


class HarmRate(TypedDict):
    """Share of the updates that lower a capability to first order on their own batch.

    Attributes:
        update: The updates that were made.
        weighted_sum: The plain weighted sum in their place.
    """

    update: float
    weighted_sum: float


class Interference(TypedDict, total=False):
    """How the capabilities' gradients get in each other's way.

    Attributes:
        names: The capabilities, in the order of rows and columns.
        steps: How many updates were watched.
        modes: How many of them took the gradients in one factored pass, and how many by K backward passes.
        cosine: Cosines of the true gradients, K x K.
        cosine_error: Their standard errors.
        conflict_rate: The mean of the pairs' conflict rates.
        stationarity: Distance from Pareto stationarity at the end of the run.
        signal: Share of each squared gradient that is no noise.
        weights: Mean weights of the updates.
        applied: The updates as they were made, by the gradients of the batch after each.
        weighted_sum: The gradient of the plain weighted sum in their place, one half's by the gradients of the other.
    """

    names: list[str]
    steps: int
    modes: dict[str, int]
    cosine: list[list[float | None]]
    cosine_error: list[list[float | None]]
    pairs: list[Pair]
    conflict_rate: float | None
    stationarity: float | None
    signal: dict[str, float | None]
    weights: dict[str, float | None]
    applied: dict[str, Effect]
    weighted_sum: dict[str, Effect]
    harm_rate: HarmRate


class Cost(TypedDict, total=False):
    """What the run took."""

    seconds: float
    tokens_generated: int
    trained_parameters: int
    total_parameters: int
    training_state_bytes: int
    full_training_state_bytes: int
    flops_estimated: int
    full_flops_estimated: int
    peak_memory_bytes: int


class Report(TypedDict, total=False):
    """The result of a run or an evaluation."""

    capabilities: Required[dict[str, CapabilityReport]]
    integration: Integration
    interference: Interference
    joint: Joint
    unsafe_advice: UnsafeAdvice
    margins: Margins
    benchmarks: dict[str, Any]
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
