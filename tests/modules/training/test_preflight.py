from types import SimpleNamespace

import pytest

from bbflow.errors import InputError
from bbflow.modules import GRPO, SFT
from bbflow.modules.training.preflight import warn_of_emulated_precision
from bbflow.optimization import GDPO, KLSettings, LossSettings, OptimizerSettings
from bbflow.policies import PolicySettings
from bbflow.policies.rollouts import TransformersRollout
from bbflow.rewards.base import Reward


class Needy(Reward):
    requires = ("patient",)

    def __call__(self, examples, completions):
        return [1.0] * len(examples)


TASKS = {
    "fact_recall": SimpleNamespace(capabilities=("domain",), fields=frozenset({"edges"})),
    "treatment_choice": SimpleNamespace(capabilities=("safety", "domain"), fields=frozenset({"patient"})),
}


def found(capabilities, tasks=TASKS):
    module = SFT(PolicySettings(path="some/model"), capabilities)
    return module.problems(SimpleNamespace(tasks=tasks))


@pytest.mark.parametrize(
    ("machine", "capability", "device", "precision", "warns"),
    [
        ("x86_64", "AVX2", "cpu", "bf16-mixed", True),
        ("x86_64", "AVX512", "cpu", "bf16-mixed", False),
        ("aarch64", "DEFAULT", "cpu", "bf16-mixed", False),
        ("x86_64", "AVX2", "cuda", "bf16-mixed", False),
        ("x86_64", "AVX2", "cpu", "32-true", False),
    ],
)
def test_emulated_bfloat16_is_told(monkeypatch, recwarn, machine, capability, device, precision, warns):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    strategy = SimpleNamespace(root_device=SimpleNamespace(type=device))
    warn_of_emulated_precision(SimpleNamespace(strategy=strategy, precision=precision))
    assert [str(w.message) for w in recwarn] == (
        ["trainer.precision: bf16-mixed is emulated on this processor and many times slower than 32-true."] if warns else []
    )


def test_a_right_recipe_has_no_problem(vowels):
    assert found({"domain": vowels(), "safety": vowels(rewards={"dose": Needy()})}) == []


def test_a_capability_that_no_task_feeds(vowels):
    (problem,) = found({"safty": vowels()})
    assert problem.where == "model.init_args.capabilities.safty"
    assert problem.hint == "did you mean 'safety'?"


def test_a_task_that_does_not_exist(vowels):
    (problem,) = found({"domain": vowels(tasks=["fact_recal"])})
    assert problem.where == "model.init_args.capabilities.domain.tasks"
    assert problem.hint == "did you mean 'fact_recall'?"


def test_a_reward_whose_field_a_feeding_task_lacks(vowels):
    (problem,) = found({"domain": vowels(rewards={"dose": Needy()})})
    assert problem.where == "model.init_args.capabilities.domain.rewards.dose"
    assert "'patient'" in problem.what
    assert "'fact_recall'" in problem.what
    assert "'treatment_choice'" not in problem.what
    assert found({"domain": vowels(rewards={"dose": Needy()}, tasks=["treatment_choice"])}) == []


def test_a_metric_counts_like_a_reward(vowels):
    (problem,) = found({"domain": vowels(metric=Needy())})
    assert problem.where == "model.init_args.capabilities.domain.metric"


def test_fields_that_every_record_has_need_no_task_to_fill_them(vowels):
    class Plain(Needy):
        requires = ("answer", "response")

    assert found({"domain": vowels(metric=Plain())}) == []


def test_everything_is_reported_together(vowels):
    capabilities = {"domain": vowels(weight=0.0), "x": vowels(margin=2.0, weight=0.0)}
    settings = {"loss": LossSettings(clip_low=2.0), "kl": KLSettings(-1.0), "optimizer": OptimizerSettings(learning_rate=-1.0)}
    module = GRPO(PolicySettings(path="nowhere"), capabilities, TransformersRollout(group_size=1), GDPO(), **settings)
    where = [p.where.removeprefix("model.init_args.") for p in module.problems(SimpleNamespace(tasks=TASKS))]
    assert where == [
        "policy.path", "optimizer.learning_rate", "capabilities.x.margin", "capabilities.x", "loss.clip_low",
        "rollout.init_args.group_size", "kl.coefficient", "capabilities",
    ]  # fmt: skip


def test_the_trainer_refuses_before_the_model_is_loaded(vowels, example, make_trainer, make_data, monkeypatch):
    monkeypatch.setattr("bbflow.modules.base.load_policy", lambda _: pytest.fail("loaded"))
    module = SFT(PolicySettings(path="some/model"), {"safty": vowels()})
    with pytest.raises(InputError, match="safty"):
        make_trainer(max_steps=1).fit(module, make_data([example(1)], tasks=TASKS))


def test_rewards_and_metrics_receive_the_graph(vowels, example, make_trainer, make_data, tiny_qwen_dir):
    received = []

    class Curious(Needy):
        requires = ()

        def prepare(self, graph):
            received.append(graph)

    data = make_data([example(1)])
    data.graph = "the graph"
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)), {"domain": vowels(metric=Curious(), rewards={"r": Curious()})})
    make_trainer(max_steps=1).fit(module, data)
    assert received == ["the graph", "the graph"]
