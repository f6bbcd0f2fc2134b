"""No reward and no shipped capability pays for a completion that answers nothing."""

import random
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bbflow.capabilities import Capability
from bbflow.cli.commands.evaluation_inputs import load_capabilities
from bbflow.errors import InputError
from bbflow.evaluation.baselines.probes import PROBES, honest_wrong, paid_probes, reward_breaches
from bbflow.graph import ClinicalPack
from bbflow.records import Example
from bbflow.rewards import (
    AnswerFormat,
    AppropriateRefusal,
    ChainReward,
    ConnectedReasoning,
    ConstraintReward,
    CorrectAnswer,
    FollowsInstructions,
    GroundedCitations,
    NoRepetition,
    NotOverlong,
    PartialAnswer,
    ReasonedAnswer,
    RedFlagHandled,
    Reward,
    SafeAdvice,
    SafeChoice,
    WorkflowSteps,
)  # fmt: skip
from bbflow.rewards.learned import LearnedReward
from bbflow.synthesis import generate
from bbflow.synthesis.tasks import (
    ClinicalWorkflow,
    ConstrainedAnswer,
    DifferentialFromFindings,
    DoseCalculation,
    FactRecall,
    InstructedAnswer,
    InteractionCheck,
    JointCase,
    MultiHop,
    TreatmentChoice,
    UnsafeRequest,
)  # fmt: skip
from bbflow.testing import CHOICE, CITED, DECISION, DOSE, GRAPH, LISTED, MULTI_HOP, OPEN, REFUSE, WORKFLOW

ROOT = Path(__file__).parents[3]
WORKED = {
    "choice": CHOICE,
    "multi_hop": MULTI_HOP,
    "open": OPEN,
    "listed": LISTED,
    "dose": DOSE,
    "decision": DECISION,
    "cited": CITED,
    "refuse": REFUSE,
    "workflow": replace(WORKFLOW, options=["spirometry", "blood test"]),
}
REWARDS: dict[str, Reward] = {
    "correct": CorrectAnswer(), "partial": PartialAnswer(), "reasoned": ReasonedAnswer(), "connected": ConnectedReasoning(),
    "grounded": GroundedCitations(), "instructions": FollowsInstructions(), "loose": FollowsInstructions(loose=True),
    "constraints": ConstraintReward(), "safe choice": SafeChoice(), "safe advice": SafeAdvice(), "refusal": AppropriateRefusal(),
    "overlong": NotOverlong(), "repetition": NoRepetition(), "format": AnswerFormat(), "chain": ChainReward(),
    "workflow": WorkflowSteps(), "red flag": RedFlagHandled(),
}  # fmt: skip


@pytest.fixture(scope="module")
def graph():
    return ClinicalPack().load()


@pytest.fixture(scope="module")
def generated(graph) -> list[Example]:
    families = (
        FactRecall, MultiHop, ConstrainedAnswer, TreatmentChoice, ClinicalWorkflow, DifferentialFromFindings, DoseCalculation, InstructedAnswer,
        InteractionCheck, JointCase, UnsafeRequest,
    )  # fmt: skip
    return generate(graph, {task.name: task() for task in families}, {"train": 154}, {}, 5).examples["train"]


def applies(reward: Reward, example: Example) -> bool:
    return all(getattr(example, field) not in (None, [], {}) for field in reward.requires)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("name", REWARDS)
def test_no_probe_is_paid_by_a_reward(name: str, probe: str, generated: list[Example], graph) -> None:
    reward = REWARDS[name]
    for records, knowledge in ((generated, graph), (list(WORKED.values()), GRAPH)):
        reward.prepare(knowledge)
        fitting = [e for e in records if applies(reward, e)]
        found, _ = paid_probes(reward, fitting, knowledge, {probe: PROBES[probe]})
        assert not found, "\n".join(map(str, found[:5]))


@pytest.mark.parametrize("name", ["domain", "reasoning", "instruction", "safety"])
def test_no_probe_is_paid_by_a_shipped_capability(name: str, generated: list[Example], graph) -> None:
    capability: Capability = load_capabilities(None)[name]
    capability.prepare(graph)
    for scorer in (capability.reward, capability.measure):
        found, tried = paid_probes(lambda e, t, s=scorer: s(name, e, t), generated, graph)
        assert not found, "\n".join(map(str, found[:5]))
        assert tried > 50


class Believer(LearnedReward):
    """The worst judge there could be: certain of everything that it is shown. What it does not pay for, no reward model does."""

    def __init__(self) -> None:
        super().__init__("never read")

    def _score(self, examples, completions):
        return [1.0] * len(examples)


@pytest.mark.parametrize("probe", PROBES)
def test_no_probe_reaches_a_reward_model(probe: str, generated: list[Example], graph) -> None:
    for records, knowledge in ((generated, graph), (list(WORKED.values()), GRAPH)):
        reward = Believer()
        reward.prepare(knowledge)
        found, _ = paid_probes(reward, records, knowledge, {probe: PROBES[probe]})
        assert not found, "\n".join(map(str, found[:5]))


def test_every_right_response_and_honest_wrong_answers_reach_a_reward_model(generated: list[Example], graph) -> None:
    reward = Believer()
    reward.prepare(graph)
    assert set(reward(generated, [e.response for e in generated])) == {1.0}
    wrong = [honest_wrong(e, graph) for e in generated]
    assert statistics.mean(reward(generated, wrong)) > 0.9


def hybrid(folder: Path) -> dict[str, Capability]:
    """The capabilities of recipes/hybrid.yaml, with the worst judge in place of each reward model."""
    described = yaml.safe_load((ROOT / "recipes" / "hybrid.yaml").read_text())["model"]["init_args"]["capabilities"]
    mixes = {name: capability.pop("mix", {}) for name, capability in described.items()}
    judged = [name for name, capability in described.items() if capability["rewards"].pop("learned", None)]
    assert len(judged) == 3
    (folder / "capabilities.yaml").write_text(yaml.safe_dump(described))
    rules = load_capabilities(str(folder / "capabilities.yaml"))
    learned = {name: {"learned": Believer()} if name in judged else {} for name in rules}
    return {name: replace(c, rewards={**c.rewards, **learned[name]}, mix=mixes[name]) for name, c in rules.items()}


@pytest.mark.parametrize("name", ["domain", "reasoning", "instruction", "safety"])
def test_no_probe_is_paid_by_a_capability_of_the_hybrid_recipe(name: str, generated: list[Example], graph, tmp_path: Path) -> None:
    capability = hybrid(tmp_path)[name]
    capability.prepare(graph)
    found, tried = paid_probes(lambda e, t: capability.reward(name, e, t), generated, graph)
    assert not found, "\n".join(map(str, found[:5]))
    assert tried > 50


def test_the_probes_find_a_reward_that_can_be_gamed() -> None:
    class Mentions(Reward):
        def __call__(self, examples, completions):
            return [float(e.answer in text) for e, text in zip(examples, completions, strict=True)]

    found, _ = reward_breaches(Mentions(), [CHOICE, OPEN], GRAPH)
    assert {"entity_soup", "prompt_echo", "contradiction", "only_in_the_reasoning"} <= {breach.probe for breach in found}


def test_steps_told_over_and_over_are_not_a_workflow() -> None:
    reward, steps = WorkflowSteps(), " ".join(WORKFLOW.workflow)
    right, *probes = reward([WORKFLOW] * 5, [steps, "", steps * 6, WORKFLOW.prompt, " ".join(reversed(WORKFLOW.workflow))])
    assert right == 1.0
    assert all(value is not None and value <= 0.5 for value in probes)


@pytest.mark.parametrize("name", REWARDS)
def test_rewards_are_pure_and_batched(name: str, generated: list[Example], graph) -> None:
    reward = REWARDS[name]
    reward.prepare(graph)
    fitting = [e for e in generated if applies(reward, e)]
    texts = [random.Random(i).choice([e.response, "", "Answer: A"]) for i, e in enumerate(fitting)]
    together = reward(fitting, texts)
    order = random.Random(0).sample(range(len(fitting)), len(fitting))
    assert [reward([fitting[i]], [texts[i]])[0] for i in order] == [together[i] for i in order]
    assert all(score is None or 0.0 <= score <= 1.0 for score in together)


def test_a_record_without_an_answer_is_an_error_and_never_a_silent_0() -> None:
    reward = CorrectAnswer()
    reward.prepare(GRAPH)
    with pytest.raises(InputError, match="no answer to compare with"):
        reward([Example("e1", "t", [], [], "", "")], ["Answer: aspirin"])
