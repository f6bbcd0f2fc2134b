"""A capability: a skill to train and to measure, as defined by its owner."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from bbflow.capabilities.mix import DynamicMix, Mixture, mixed
from bbflow.capabilities.time_limit import TimeIsUp, time_limit
from bbflow.errors import InputError, Problem, Refused, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.rewards.base import Reward, Score
from bbflow.rewards.learned import LearnedReward

if TYPE_CHECKING:
    from bbflow.policies.settings import PolicySettings

_Scorer = Callable[[Sequence[Example], Sequence[str]], list[Score]]


@dataclass
class Capability:
    """The tasks a capability is judged on, the rewards that train it, and the metric that decides.

    Attributes:
        metric: Scores held-out completions; decides reports and certificates, never used in training.
        rewards: Name to reward; used in training only. A capability's reward is the weighted mean of those that do not abstain.
        mix: Name of a reward to its weight in that mean; 1 if not named.
        dynamic_mix: Adapts the weights of the mix to the share of groups in which each reward varies, within bounds; null: fixed weights.
        tasks: Task families it is judged on; null: every example that names the capability in its `capabilities`.
        weight: Weight of this capability among the others.
        margin: Loss of the metric that the owner accepts, fixed before the run.
        timeout: Seconds that the metric, or a reward, may take for one batch of completions.
    """

    metric: Reward
    rewards: dict[str, Reward]
    mix: dict[str, float] = field(default_factory=dict)
    tasks: list[str] | None = None
    weight: float = 1.0
    margin: float = 0.03
    dynamic_mix: DynamicMix | None = None
    timeout: float = 600.0

    def __post_init__(self) -> None:
        self.mixture = Mixture({name: self.mix.get(name, 1.0) for name in self.rewards}, self.dynamic_mix)

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the capability's settings; `where` is its key in the recipe."""
        found = []
        if not self.rewards:
            found.append(Problem("a capability needs at least one reward", f"{where}.rewards"))
        for name, weight in self.mix.items():
            if name not in self.rewards:
                found.append(Problem(f"'{name}' is no reward of this capability", f"{where}.mix", did_you_mean(name, self.rewards)))
            elif not (math.isfinite(weight) and weight >= 0):
                found.append(Problem(f"the weight of '{name}' must be 0 or more, not {weight}", f"{where}.mix"))
        if self.rewards and sum(self.mix.get(name, 1.0) for name in self.rewards) <= 0:
            found.append(Problem("all rewards have weight 0", f"{where}.mix"))
        if self.dynamic_mix is not None:
            found += self.dynamic_mix.problems(f"{where}.dynamic_mix")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            found.append(Problem(f"weight must be 0 or more, not {self.weight}", f"{where}.weight"))
        if not 0 <= self.margin < 1:
            found.append(Problem(f"margin must lie in [0, 1), not {self.margin}", f"{where}.margin"))
        if not 0 < self.timeout < math.inf:
            found.append(Problem(f"timeout must be a positive number of seconds, not {self.timeout}", f"{where}.timeout"))
        return found + [problem for key, scorer in self.scorers(where) for problem in scorer.problems(key)]

    def policy_problems(self, policy: PolicySettings, where: str) -> list[Problem]:
        """List the problems between a learned reward and the policy it would judge."""
        return [p for key, scorer in self.scorers(where) if isinstance(scorer, LearnedReward) for p in scorer.policy_problems(policy, key)]

    def scorers(self, where: str) -> list[tuple[str, Reward]]:
        """Return metric and rewards, each with its key in the recipe."""
        keyed = [(f"{where}.metric", self.metric), *((f"{where}.rewards.{name}", reward) for name, reward in self.rewards.items())]
        return [(f"{key}.init_args", scorer) for key, scorer in keyed]

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Pass the graph to the metric and the rewards."""
        for scorer in (self.metric, *self.rewards.values()):
            scorer.prepare(graph)

    def record_problems(self, name: str, examples: Sequence[Example]) -> list[Problem]:
        """List the judged records whose gold, proof or constraints cannot be read by the metric or by a reward."""
        judged = [example for example in examples if self.judges(name, example)]
        kinds = {type(scorer): scorer for scorer in (self.metric, *self.rewards.values())}  # the fields read do not depend on settings
        return list(dict.fromkeys(p for scorer in kinds.values() for p in scorer.record_problems(judged)))

    def judges(self, name: str, example: Example) -> bool:
        """Return whether an example counts for this capability, known to the recipe as `name`."""
        return name in example.capabilities if self.tasks is None else example.task in self.tasks

    def reward(self, name: str, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score completions for training.

        Returns:
            One score in [0, 1] each; None if the example is not judged or every reward abstains.
        """
        return mixed(self.parts(name, examples, completions), self.mixture.weights())

    def parts(self, name: str, examples: Sequence[Example], completions: Sequence[str]) -> dict[str, list[Score]]:
        """Return the scores of each reward; None if the example is not judged or the reward abstains."""
        return {
            part: self._score(name, examples, completions, partial(checked, reward, part, timeout=self.timeout))
            for part, reward in self.rewards.items()
        }

    def measure(self, name: str, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score completions for evaluation; None if the example is not judged."""
        return self._score(name, examples, completions, partial(checked, self.metric, f"{name}.metric", timeout=self.timeout))

    def _score(self, name: str, examples: Sequence[Example], completions: Sequence[str], scorer: _Scorer) -> list[Score]:
        places = [i for i, example in enumerate(examples) if self.judges(name, example)]
        scores: list[Score] = [None] * len(examples)
        judged = scorer([examples[i] for i in places], [completions[i] for i in places]) if places else []
        for i, score in zip(places, judged, strict=True):
            scores[i] = score
        return scores


_AT_ONCE = 500
"""Records checked between two updates of a progress bar."""


def unreadable_records(
    capabilities: Mapping[str, Capability], examples: Sequence[Example], advance: Callable[[int], None] | None = None, shown: int = 20
) -> list[Problem]:
    """List records that a capability cannot judge for any completion; at most `shown` of them, and the number of the others.

    Args:
        capabilities: By name.
        examples: The records.
        advance: Called with the number of records checked since the last call.
        shown: Maximum number of problems listed.
    """
    problems: dict[Problem, None] = {}
    for start in range(0, len(examples), _AT_ONCE):
        some = examples[start : start + _AT_ONCE]
        problems.update(dict.fromkeys(p for name, capability in capabilities.items() for p in capability.record_problems(name, some)))
        if advance:
            advance(len(some))
    found = list(problems)
    return found if len(found) <= shown else [*found[:shown], Problem(f"and {len(found) - shown} more records cannot be judged")]


def checked(reward: Reward, name: str, examples: Sequence[Example], completions: Sequence[str], timeout: float) -> list[Score]:
    """Call a reward; refuse a wrong number of scores, a score that is no number, not finite or out of [0, 1], a timeout, and an exception.

    Raises:
        InputError: Names the reward, the example and the completion; for a wrong number of scores, the first completion for
            which the reward fails; for an exception, the line of the reward's own file.
    """
    label = f"reward '{name}' ({type(reward).__name__})"
    these = f"example {examples[0].example_id} and those after it"
    try:
        with time_limit(timeout):
            returned = reward(examples, completions)
            scores = list(returned) if isinstance(returned, Iterable) else None
    except TimeIsUp as error:
        what, hint = f"{label} hangs: {error} for {len(examples)} completions", "`timeout` of its capability sets the limit"
        raise InputError(Problem(what, these, hint)) from error
    except (InputError, Refused):
        raise
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(Problem(f"{label} raised {told}", _line_of(reward, error), these)) from error
    if scores is None:
        raise InputError(Problem(f"{label} returned {returned!r}, not one score for each completion", these))
    if len(scores) != len(examples):
        first = min(len(scores), len(examples) - 1)
        raise InputError(
            _bad_score(f"{label} returned {len(scores)} scores for {len(examples)} completions", examples[first], completions[first])
        )
    for score, example, completion in zip(scores, examples, completions, strict=True):
        if score is not None and not _is_score(score):
            raise InputError(_bad_score(f"{label} gave {score!r}, not a number in [0, 1]", example, completion))
    return [None if s is None else float(s) for s in scores]


def _line_of(reward: Reward, error: Exception) -> str:
    """Return the innermost line in the module of the reward, or the innermost line of all if the error did not pass through it."""
    lines = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in lines if frame.f_globals.get("__name__") == type(reward).__module__]
    frame, line = (own or lines)[-1]
    return f"{frame.f_code.co_filename}:{line}"


def _is_score(score: Any) -> bool:
    try:
        return 0.0 <= float(score) <= 1.0
    except (TypeError, ValueError):
        return False


def _bad_score(what: str, example: Example, completion: str) -> Problem:
    return Problem(what, f"example {example.example_id}", f"completion {completion[:80]!r}")
