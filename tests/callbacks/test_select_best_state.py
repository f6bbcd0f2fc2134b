import json

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from bbflow.callbacks import Report, SelectBestState
from bbflow.callbacks.select_best_state import ranked
from bbflow.capabilities import Capability
from bbflow.modules import SFT
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.policies import PolicySettings
from bbflow.rewards.base import Reward


class Scripted(Reward):
    """Gives the validation scores of a script, one after the other."""

    def __init__(self, script):
        self.script = list(script)

    def __call__(self, examples, completions):
        return [self.script.pop(0) if examples[0].split == "validation" else 0.5] * len(examples)


class Items(LightningDataModule):
    def __init__(self, make):
        super().__init__()
        self.splits = {
            split: [make(start + i, question=f"Item {i}?", cluster=f"c{i % 3}", split=split) for i in range(8)]
            for split, start in (("train", 0), ("validation", 100), ("test", 200))
        }

    def _loader(self, split):
        return DataLoader(self.splits[split], batch_size=4, collate_fn=self.trainer.lightning_module.collate)

    def train_dataloader(self):
        return self._loader("train")

    def val_dataloader(self):
        return self._loader("validation")


@pytest.fixture
def fit(tmp_path, tiny_qwen_dir, example):
    def run(script, margin=0.03, name="run", ckpt_path=None, **settings):
        torch.manual_seed(0)
        metric = Scripted(script)
        module = SFT(
            policy=PolicySettings(path=str(tiny_qwen_dir)), capabilities={"domain": Capability(metric, {"r": metric}, margin=margin)},
            optimizer=OptimizerSettings(learning_rate=0.05), max_new_tokens=4,
        )  # fmt: skip
        trainer = Trainer(
            max_steps=len(script), accelerator="cpu", logger=CSVLogger(tmp_path, name=name, version=0), val_check_interval=1,
            callbacks=[SelectBestState(**settings), Report()], enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
            check_val_every_n_epoch=None, log_every_n_steps=1,
        )  # fmt: skip
        trainer.fit(module, datamodule=Items(example), ckpt_path=ckpt_path)
        return module, tmp_path / name / "version_0"

    return run


def test_the_run_ends_with_the_state_that_is_best_on_validation(fit):
    module, folder = fit([0.2, 0.6, 0.4])
    ranking = json.loads((folder / "checkpoints" / "ranking.json").read_text())
    assert ranking["best"] == 2
    assert [row["scores"]["domain"] for row in ranking["states"]] == pytest.approx([0.2, 0.6, 0.4])
    kept = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["global_step"] == 2
    assert all(torch.equal(module.state_dict()[name], weight) for name, weight in kept["state_dict"].items())
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["provenance"]["step"] == 2


def test_the_test_split_is_opened_for_the_chosen_state_alone(fit, monkeypatch):
    from bbflow.evaluation.scoring import score_policy

    tested = []

    def scored(policy, capabilities, examples, *args, **settings):
        if examples[0].split == "test":
            tested.append({name: weight.clone() for name, weight in policy.model.state_dict().items()})
        return score_policy(policy, capabilities, examples, *args, **settings)

    for place in ("bbflow.callbacks.report.score_policy", "bbflow.evaluation.scoring.score_policy"):
        monkeypatch.setattr(place, scored)
    _, folder = fit([0.2, 0.6, 0.4])
    kept = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert len(tested) == 2  # the start, and the chosen state
    assert all(torch.equal(weight, kept[f"model.{name}"]) for name, weight in tested[1].items())


def test_ranking_alone_leaves_the_last_state(fit):
    module, folder = fit([0.6, 0.2], keep=False)
    kept = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["global_step"] == 1
    assert not all(torch.equal(module.state_dict()[name], weight) for name, weight in kept["state_dict"].items())
    assert json.loads((folder / "report" / "report.json").read_text())["provenance"]["step"] == 2


def test_a_state_that_lost_more_than_a_margin_comes_last():
    states = [{"step": s, "scores": {"a": a, "b": b}} for s, a, b in ((1, 0.5, 0.5), (2, 0.9, 0.4), (3, 0.6, 0.48), (4, 0.6, 0.48))]
    assert [row["step"] for row in ranked(states, {"a": 0.03, "b": 0.03})] == [3, 4, 1, 2]
    assert [row["step"] for row in ranked(states, {"a": 0.03, "b": 0.2})] == [2, 3, 4, 1]
