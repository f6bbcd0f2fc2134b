import json
import math

import pandas as pd
import pytest
import torch
from jsonschema import Draft202012Validator
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from bbflow.callbacks import InterferenceMonitor
from bbflow.cli.schemas.report_json import report_schema
from bbflow.evaluation.interference_summary import summarize_interference
from bbflow.modules import GRPO
from bbflow.modules.training.settings import ExperienceSettings
from bbflow.optimization import GDPO
from bbflow.optimization.update_geometry import UpdateGeometry
from bbflow.optimization.weightings import UPGrad
from bbflow.policies import PolicySettings
from bbflow.policies.rollouts import TransformersRollout
from bbflow.reporting.pages.interference_section import interference_section

NAMES, WIDTH = ("domain", "reasoning", "safety"), 60


class Noisy(LightningModule):
    """Exposes geometries of a module whose true gradients are known: domain against safety at cosine -0.6, reasoning apart from both."""

    def __init__(self, every=1):
        super().__init__()
        self.layer, self.last_geometry, self.every = torch.nn.Linear(1, 1), None, every
        truth = torch.zeros(3, WIDTH, dtype=torch.float64)
        truth[0, 0], truth[1, 2], truth[2, 0], truth[2, 1] = 1.0, 1.0, -1.2, 1.6
        self.truth = truth

    def training_step(self, batch, batch_idx):
        if batch_idx % self.every == 0:
            a, b = self.truth + torch.randn(2, *self.truth.shape, generator=torch.Generator().manual_seed(batch_idx)).double() / 8
            gramian, ones = (a + b) @ (a + b).T / 4, torch.ones(3)
            weights = UPGrad()(gramian, ones)
            applied = None if batch_idx == 0 else 0.01 * self.truth @ (self.truth.T @ weights)
            self.last_geometry = UpdateGeometry(NAMES, gramian, ones, weights, "factored", a @ b.T, applied)
        return self.layer(batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def train_dataloader(self):
        return DataLoader(torch.ones(200, 1), batch_size=1)


def metrics(tmp_path):
    return pd.read_csv(tmp_path / "run" / "metrics.csv")


def test_every_key_is_logged_and_right(make_trainer, tmp_path):
    monitor = InterferenceMonitor()
    make_trainer(max_steps=60, callbacks=[monitor]).fit(Noisy())
    table = metrics(tmp_path)
    assert len(table) == 60
    last = table.iloc[-1]
    assert last["interference/cosine/domain~safety"] == pytest.approx(-0.6, abs=0.1)
    assert last["interference/cosine/domain~reasoning"] == pytest.approx(0.0, abs=0.2)
    assert last["interference/conflict/domain~safety"] > 0.9
    assert last["interference/signal/safety"] == pytest.approx(4 / (4 + WIDTH / 128), abs=0.1)
    assert last["interference/weight/domain"] > 1
    assert last["interference/stationarity"] > 0
    assert last["interference/harmed"] == 0
    assert math.isnan(table["interference/applied/domain"][0])  # nothing came before the first update
    assert (table["interference/applied/domain"][1:] > -1e-3).all()
    assert table["interference/cosine/domain~safety"][:1].isna().all()  # one step says nothing


def test_the_events_of_tensorboard_hold_the_same_numbers(make_trainer, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loggers = [TensorBoardLogger(tmp_path, name="", version="events"), CSVLogger(tmp_path / "run", name="", version="")]
    make_trainer(max_steps=5, callbacks=[InterferenceMonitor()], logger=loggers).fit(Noisy())
    table, events = metrics(tmp_path), EventAccumulator(str(tmp_path / "events")).Reload()
    keys = [c for c in table.columns if c.startswith("interference/")]
    assert {"interference/cosine/domain~safety", "interference/applied/safety", "interference/weight/domain"} <= set(keys)
    assert set(keys) == {tag for tag in events.Tags()["scalars"] if tag.startswith("interference/")}
    for key in keys:
        assert [event.value for event in events.Scalars(key)] == pytest.approx(table[key].dropna().tolist(), rel=1e-5, abs=1e-7)


def test_nothing_is_logged_where_no_jacobian_was_taken(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    module = GRPO(
        PolicySettings(path=str(tiny_qwen_dir)),
        {"domain": vowels()},
        TransformersRollout(group_size=2, max_new_tokens=4),
        GDPO(),
    )
    module.last_geometry = None
    monitor = InterferenceMonitor()
    make_trainer(max_steps=2, callbacks=[monitor]).fit(module, make_data([example(i) for i in range(4)], batch_size=2))
    assert not [c for c in metrics(tmp_path).columns if c.startswith("interference/")]
    assert monitor.block() is None
    assert monitor.state_dict() == {}


def test_a_batch_that_only_accumulates_is_not_counted(make_trainer):
    monitor = InterferenceMonitor()
    make_trainer(max_steps=8, callbacks=[monitor]).fit(Noisy(every=2))
    assert monitor.seen.steps == 4


@pytest.mark.parametrize("updates", [1, 3])
def test_the_real_thing(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path, updates):
    """GRPO with a weighting: every batch of rollouts counts once, by its first update, whose own rollouts were not yet learned from."""

    class Watched(GRPO):
        geometries = ()

        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            self.geometries = (*self.geometries, self.last_geometry)

    capabilities = {"domain": vowels("aeiou", tasks=["fact_recall"]), "safety": vowels("nrst", tasks=["fact_recall"])}
    settings = (
        PolicySettings(path=str(tiny_qwen_dir)),
        capabilities,
        TransformersRollout(group_size=4, max_new_tokens=6),
        GDPO(),
    )
    module, monitor = Watched(*settings, weighting=UPGrad(), experience=ExperienceSettings(updates=updates)), InterferenceMonitor()
    make_trainer(max_steps=3, callbacks=[monitor]).fit(module, make_data([example(i) for i in range(12)], batch_size=4))
    assert len(module.geometries) == 3 * updates
    firsts = module.geometries[::updates]
    assert all(torch.equal(seen, geometry.cross_KK) for seen, geometry in zip(monitor.seen.cross, firsts, strict=True))
    assert [seen.tolist() for seen in monitor.seen.applied] == [g.applied_K.tolist() for g in firsts[1:]]
    assert monitor.block()["harm_rate"]["update"] == 0
    table = metrics(tmp_path)
    assert table["interference/applied/domain"].notna().sum() == 2
    assert table["interference/weight/safety"].min() >= 1 - 1e-6


def test_a_resumed_run_goes_on_counting(tmp_path):
    def watched(steps):
        monitor, module = InterferenceMonitor(), Noisy()
        module.trainer, module.log_dict = None, lambda values, batch_size: None
        for i in steps:
            module.training_step(torch.ones(1, 1), i)
            monitor.on_train_batch_end(None, module, None, None, i)
        return monitor

    half, whole, rest = watched(range(20)), watched(range(40)), watched(range(20, 40))
    torch.save(half.state_dict(), tmp_path / "state.pt")
    resumed = InterferenceMonitor()
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    module = Noisy()
    module.log_dict = lambda values, batch_size: None
    for i in range(20, 40):
        module.training_step(torch.ones(1, 1), i)
        resumed.on_train_batch_end(None, module, None, None, i)
    assert resumed.block() == whole.block() != rest.block()
    module.last_geometry = UpdateGeometry(("other",), torch.ones(1, 1), torch.ones(1), torch.ones(1), "k_backward")
    with pytest.warns(UserWarning, match="watched anew"):
        resumed.on_train_batch_end(None, module, None, None, 0)
    assert resumed.seen.steps == 1


def test_block_and_section(make_trainer, tmp_path):
    monitor = InterferenceMonitor()
    make_trainer(max_steps=60, callbacks=[monitor]).fit(Noisy())
    block = json.loads(json.dumps(monitor.block(), allow_nan=False))
    Draft202012Validator(report_schema()["properties"]["interference"] | {"$defs": report_schema().get("$defs", {})}).validate(block)
    assert block["cosine"][0][2] == pytest.approx(-0.6, abs=0.05)
    assert block["cosine"][0][0] == 1
    by_pair = {tuple(entry["pair"]): entry for entry in block["pairs"]}
    assert by_pair["domain", "safety"]["p_conflict"] < 1e-6
    assert by_pair["domain", "reasoning"]["p_conflict"] > 0.05
    assert block["harm_rate"]["update"] == 0
    assert block["harm_rate"]["weighted_sum"] < 0.5  # on its own batch noise hides what the sum does,
    assert block["weighted_sum"]["domain"]["mean"] == pytest.approx(1 - 1.2, abs=0.1)  # across halves it shows
    assert block["weighted_sum"]["domain"]["p_lowered"] < 0.05
    assert block["applied"]["domain"]["share_lowered"] < 0.5
    page = str(interference_section(block, metrics(tmp_path)))
    assert "domain and safety" in page
    assert "In conflict over the run (p &lt; 0.05): domain and safety." in page
    assert "the plain weighted sum lowers domain" in page
    assert page.count("<svg") == 4
    assert str(interference_section(block, None)).count("<svg") == 1  # who agrees with whom
    assert interference_section(None, None) is None


def test_block_without_halves_or_a_next_batch():
    monitor = InterferenceMonitor()
    monitor.seen.add(UpdateGeometry(("a",), torch.ones(1, 1), torch.ones(1), torch.ones(1), "k_backward"))
    block = summarize_interference(monitor.seen)
    assert block["modes"] == {"k_backward": 1}
    assert not {"cosine", "conflict_rate", "stationarity", "applied"} & set(block)
    assert "Batches measured: 1." in str(interference_section(block, None))
