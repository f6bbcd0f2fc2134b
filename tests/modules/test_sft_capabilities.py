"""SFT with a gradient per capability: what the rows are, what is made of them, what is refused."""

import pytest
import torch

from bbflow.callbacks import InterferenceMonitor
from bbflow.errors import InputError
from bbflow.modules import SFT
from bbflow.modules.training.capability_update import CapabilityUpdate
from bbflow.optimization.update_geometry import harmed
from bbflow.optimization.weightings import UPGrad, WeightedSum
from bbflow.policies import LoraSettings, PolicySettings

WEIGHTS = {"domain": 2.0, "safety": 0.5, "reasoning": 1.0}


class Watched(SFT):
    """Keeps the parameters and the gradient of every step, and the geometry."""

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        trained = [p for p in self.parameters() if p.requires_grad]
        self.before = [*getattr(self, "before", []), [p.detach().clone() for p in trained]]
        self.seen = [*getattr(self, "seen", []), torch.cat([p.grad.flatten().clone() for p in trained])]
        self.geometries = [*getattr(self, "geometries", []), self.last_geometry]


def make(folder, vowels, weighting, adapter=None, **changes):
    capabilities = changes.pop("capabilities", {name: vowels(weight=weight) for name, weight in WEIGHTS.items()})
    return Watched(PolicySettings(path=str(folder), adapter=adapter), capabilities, weighting=weighting, **changes)


@pytest.fixture
def examples(example):
    """Examples of one capability, of several, and of none, with answers of unequal length."""
    named = [["domain"], ["domain", "safety"], ["reasoning"], [], ["safety"], ["domain", "reasoning"], [], ["reasoning", "safety"]]
    return [example(i, question="Why? " * (1 + i % 3), answer="word " * (1 + i), capabilities=c) for i, c in enumerate(named)]


def losses(module, examples):
    """Mean negative log-likelihood per capability, and of what names none, written out one example at a time."""
    sums, counts = {}, {}
    for e in examples:
        prompt, response = module.policy.prompt_ids(e.messages), module.policy.response_ids(e.response)
        logits = module.model(torch.tensor([prompt + response])).logits[0]
        logprobs = logits.log_softmax(-1)[len(prompt) - 1 : -1].gather(1, torch.tensor(response)[:, None])
        for name in e.capabilities or ["none"]:
            sums[name] = sums.get(name, 0.0) - logprobs.sum()
            counts[name] = counts.get(name, 0) + len(response)
    return {name: total / counts[name] for name, total in sums.items()}


def gradient(module, loss):
    trained = [p for p in module.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
    return torch.cat([torch.zeros(p.numel()).to(p) if g is None else g.flatten() for g, p in zip(found, trained, strict=True)])


def fit(module, make_trainer, data, **settings):
    torch.manual_seed(5)
    make_trainer(**{"max_steps": 1, **settings}).fit(module, data)
    return module


def back_to(module, step):
    """Puts the parameters of a step back, dropout off."""
    for parameter, value in zip([p for p in module.parameters() if p.requires_grad], module.before[step], strict=True):
        parameter.data.copy_(value)
    module.model.eval()
    return module


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4), LoraSettings(r=4, use_dora=True)], ids=["full", "lora", "dora"])
def test_the_rows_are_the_gradients_of_the_capabilities_in_double_precision(tiny_gpt2_dir, vowels, examples, adapter):
    module = make(tiny_gpt2_dir, vowels, WeightedSum(), adapter)
    module.configure_model()
    module.model.double().eval()
    module.log = lambda *_, **__: None
    for name, parameter in module.model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(len(name)))
    update = CapabilityUpdate(WEIGHTS, WeightedSum(), measured=True, shared=True)
    module.collect_rows(update, module.collate(examples))
    assert update.mode == ("k_backward" if adapter and adapter.use_dora else "factored")
    means = update.jacobian.rows_RP / update._normalizers_R[:, None]
    for half in range(2):
        alone = losses(module, [e for i, e in enumerate(examples) if i % 2 == half and e.capabilities])
        for k, name in enumerate(WEIGHTS):
            expected = -gradient(module, alone[name])
            assert (means[update.rows(half)][k] - expected).norm() <= 1e-9 * expected.norm()
    expected = gradient(module, losses(module, examples)["none"])
    assert (means[update.shared_rows][0] - expected).norm() <= 1e-9 * expected.norm()


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4)], ids=["full", "lora"])
@pytest.mark.parametrize("batches", [1, 2], ids=["one batch", "two micro-batches"])
def test_the_weighted_sum_is_the_gradient_of_the_weighted_loss(tiny_qwen_dir, vowels, examples, make_trainer, make_data, adapter, batches):
    module = make(tiny_qwen_dir, vowels, WeightedSum(), adapter)
    data = make_data(examples, batch_size=len(examples) // batches)
    fit(module, make_trainer, data, accumulate_grad_batches=batches)
    loss = losses(back_to(module, 0), examples)
    expected = gradient(module, sum(weight * loss[name] for name, weight in WEIGHTS.items()) + loss["none"])
    assert (module.seen[0] - expected).norm() < 1e-4 * expected.norm()
    gramian = module.geometries[0].gramian_KK
    rows = torch.stack([gradient(module, loss[name]) for name in WEIGHTS]).double()
    torch.testing.assert_close(gramian, rows @ rows.T, rtol=1e-3, atol=1e-4 * float(gramian.diagonal().max()))


def test_no_capability_objects_and_the_monitor_sees_it(tiny_qwen_dir, vowels, example, make_trainer, make_data, tmp_path):
    """Two capabilities want different answers to the same question, one of them much more often."""
    wanted = [("amlodipine", "domain"), ("metformin", "safety")] * 4
    data = make_data([example(i, answer=answer, capabilities=[name]) for i, (answer, name) in enumerate(wanted)] * 4, batch_size=8)
    capabilities = {"domain": vowels(weight=5.0), "safety": vowels()}
    module, monitor = make(tiny_qwen_dir, vowels, UPGrad(), capabilities=capabilities), InterferenceMonitor()
    fit(module, make_trainer, data, max_steps=4, callbacks=[monitor])
    for geometry in module.geometries:
        assert not harmed(geometry.gramian_KK, geometry.weights_K).any()
    logged = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]
    assert "interference/weight/domain" in logged
    assert "train/loss/safety" in logged
    assert monitor.block()["applied"].keys() == {"domain", "safety"}


def test_a_capability_without_an_example_takes_no_part(tiny_qwen_dir, vowels, example, make_trainer, make_data):
    several = [example(i, answer="word " * (1 + i), capabilities=["domain"] if i % 2 else ["safety"]) for i in range(4)]
    module = make(tiny_qwen_dir, vowels, UPGrad())
    fit(module, make_trainer, make_data(several))
    geometry = module.geometries[0]
    assert (geometry.gramian_KK.diagonal() > 0).tolist() == [True, True, False]
    assert geometry.weights_K[2] == 0
    assert geometry.cross_KK is None  # a half without a capability measures nothing
    assert torch.isfinite(module.seen[0]).all()


def test_examples_of_no_capability_alone_are_the_plain_step(tiny_qwen_dir, vowels, example, make_trainer, make_data):
    nameless = make_data([example(i, answer="word " * (1 + i), capabilities=[]) for i in range(4)])
    plain = fit(make(tiny_qwen_dir, vowels, None), make_trainer, nameless)
    rows = fit(make(tiny_qwen_dir, vowels, UPGrad()), make_trainer, nameless)
    assert (rows.seen[0] - plain.seen[0]).norm() < 1e-4 * plain.seen[0].norm()


def test_one_capability_is_the_plain_step_and_dropout_stays_on(tiny_qwen_dir, vowels, example, make_trainer, make_data):
    data = make_data([example(i, answer="word " * (1 + i)) for i in range(4)])
    for adapter in (None, LoraSettings(r=4, dropout=0.5)):
        modules = [make(tiny_qwen_dir, vowels, w, adapter, capabilities={"domain": vowels()}) for w in (None, UPGrad())]
        plain, rows = (fit(module, make_trainer, data).seen[0] for module in modules)
        assert ((rows - plain).norm() < 1e-4 * plain.norm()) == (adapter is None)  # other draws of what is dropped
        cosine = torch.cosine_similarity(rows, plain, dim=0)
        assert cosine > 0.5


def test_what_cannot_be_is_refused_before_the_policy_is_loaded(tiny_qwen_dir, vowels, examples, make_trainer, make_data):
    packed = make(tiny_qwen_dir, vowels, UPGrad(), packing=True)
    with pytest.raises(InputError, match=r"model\.init_args\.packing: a row of several examples"):
        make_trainer(max_steps=1).fit(packed, make_data(examples))
    aimless = make(tiny_qwen_dir, vowels, UPGrad(), capabilities={"domain": vowels(weight=0.0)})
    with pytest.raises(InputError, match="a weighting needs capabilities"):
        make_trainer(max_steps=1).fit(aimless, make_data(examples))
    assert packed.policy is None
    assert aimless.policy is None


def test_batches_of_like_length_are_left_to_the_plain_loss(tiny_qwen_dir, vowels):
    assert make(tiny_qwen_dir, vowels, None).group_by_length
    assert not make(tiny_qwen_dir, vowels, UPGrad()).group_by_length
