import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from bbflow.callbacks import InterferenceMonitor, Predictions, Report, RolloutLog, default_callbacks
from bbflow.capabilities import Capability
from bbflow.errors import InputError, Refused
from bbflow.modules import SFT
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.update_geometry import UpdateGeometry
from bbflow.policies import PolicySettings
from bbflow.rewards.base import Reward


class HasLetter(Reward):
    """Scores random text by chance, so that before and after differ; draws random numbers, as a metric of one's own may."""

    def __call__(self, examples, completions):
        torch.rand(3)
        return [float("e" in text) for text in completions]


class Items(LightningDataModule):
    def __init__(self, make):
        super().__init__()
        self.splits = {
            split: [
                make(
                    start + i, question=f"Which drug treats condition {start + i}?", cluster=f"c{i % 5}", capabilities=["domain", "safety"]
                )
                for i in range(count)
            ]
            for split, start, count in (("train", 0, 8), ("validation", 100, 4), ("test", 200, 20))
        }
        self.receipt = None

    def _loader(self, split):
        return DataLoader(self.splits[split], batch_size=4, shuffle=split == "train", collate_fn=self.trainer.lightning_module.collate)

    def train_dataloader(self):
        return self._loader("train")

    def val_dataloader(self):
        return self._loader("validation")

    def test_dataloader(self):
        return self._loader("test")


@pytest.fixture
def fit(tmp_path, tiny_qwen_dir, example):
    """Runs SFT for some steps with a report; returns the trainer, the module and the run folder."""

    def run(
        report,
        max_steps=2,
        name="run",
        capabilities=("domain", "safety"),
        ckpt_path=None,
        margin=0.03,
        rate=0.05,
        command="fit",
        callbacks=(),
        **settings,
    ):
        torch.manual_seed(0)
        reward = HasLetter()
        module = SFT(
            policy=PolicySettings(path=str(tiny_qwen_dir)),
            capabilities={n: Capability(metric=reward, rewards={"r": reward}, margin=margin) for n in capabilities},
            optimizer=OptimizerSettings(learning_rate=rate),
            max_new_tokens=6,
        )
        trainer = Trainer(
            max_steps=max_steps, accelerator="cpu", logger=CSVLogger(tmp_path, name=name, version=0), callbacks=[report, *callbacks],
            log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, **settings,
        )  # fmt: skip
        getattr(trainer, command)(module, datamodule=Items(example), ckpt_path=ckpt_path)
        return trainer, module, tmp_path / name / "version_0"

    return run


def test_writes_report_page_and_scores(fit, capsys):
    _, module, folder = fit(Report())
    report = json.loads((folder / "report" / "report.json").read_text())
    assert set(report["capabilities"]) == {"domain", "safety"}
    assert report["capabilities"]["domain"]["n"] == 20
    assert report["capabilities"]["domain"]["clusters"] == 5
    assert report["cost"]["trained_parameters"] == sum(p.numel() for p in module.parameters())
    assert report["cost"]["seconds"] == pytest.approx(report["cost"]["training_seconds"] + report["cost"]["evaluation_seconds"], abs=1e-5)
    assert report["data"]["splits"] == {"train": 8, "validation": 4, "test": 20}
    assert report["data"]["contract"] == "uncontracted"  # these data were checked by none
    assert report["provenance"]["module"] == "SFT"
    scores = pd.read_parquet(folder / "report" / "scores.parquet")
    assert len(scores) == 40
    new = scores[scores["capability"] == "domain"]["score_after"].mean()
    assert report["capabilities"]["domain"]["after"]["score"] == pytest.approx(new)
    assert "gradient norm" in (folder / "report" / "index.html").read_text().lower()  # curves came from metrics.csv
    shown = capsys.readouterr().out
    assert "domain" in shown
    assert "index.html" in shown
    assert "no medical advice" in shown


def test_interference_that_was_watched_is_in_the_report(fit):
    monitor = InterferenceMonitor()
    for i in range(3):
        rows = torch.tensor([[1.0, 0.1 * i], [-2.0, 1.0]])
        fields = {"gramian_KK": rows @ rows.T, "preferences_K": torch.ones(2), "weights_K": torch.ones(2), "cross_KK": 1e-8 * rows @ rows.T}
        monitor.seen.add(UpdateGeometry(names=("domain", "safety"), mode="factored", **fields))
    _, _, folder = fit(Report(), callbacks=[monitor])
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["interference"]["cosine"][0][1] == pytest.approx(-0.86, abs=0.02)
    assert 0 < report["interference"]["weighted_sum"]["safety"]["mean"] < 1e-6  # small numbers are not rounded away
    assert "Interference between capabilities" in (folder / "report" / "index.html").read_text()
    _, _, folder = fit(Report(), name="unwatched", callbacks=[InterferenceMonitor()])
    assert "interference" not in json.loads((folder / "report" / "report.json").read_text())
    assert "Not measured: the gradients were not taken apart." in (folder / "report" / "index.html").read_text()


def test_before_is_the_start_and_after_is_the_end(fit, tiny_qwen_dir, example):
    from bbflow.evaluation.scoring import complete
    from bbflow.policies import load_policy

    _, module, folder = fit(Report(), max_steps=3)
    scores = pd.read_parquet(folder / "report" / "scores.parquet").query("capability == 'domain'").set_index("example_id")
    test = Items(example).splits["test"]
    start = dict(zip([e.example_id for e in test], complete(load_policy(PolicySettings(path=str(tiny_qwen_dir))), test, 6), strict=True))
    end = dict(zip([e.example_id for e in test], complete(module.policy, test, 6), strict=True))
    assert scores["completion_before"].to_dict() == start
    assert scores["completion_after"].to_dict() == end
    assert start != end


def test_training_is_the_same_with_and_without(fit):
    trained = [fit(Report(enabled=enabled), name=f"run{enabled}")[1].state_dict() for enabled in (True, False)]
    assert all(torch.equal(trained[0][key], trained[1][key]) for key in trained[0])


def test_limit_takes_the_same_items_every_time(fit):
    _, _, folder = fit(Report(test_examples=7))
    scores = pd.read_parquet(folder / "report" / "scores.parquet")
    assert sorted(scores["example_id"].unique()) == [f"e{200 + i:04d}" for i in range(7)]


@pytest.mark.parametrize(
    ("report", "settings"), [(Report(enabled=False), {}), (Report(), {"capabilities": ()}), (Report(), {"fast_dev_run": True})]
)
def test_writes_nothing_where_there_is_nothing_to_report(fit, report, settings):
    _, _, folder = fit(report, **settings)
    assert not (folder / "report").exists()


def test_a_resumed_run_compares_with_its_first_start(fit):
    _, _, first = fit(Report(), max_steps=2, name="first")
    checkpoint = next((first / "checkpoints").glob("*.ckpt"))
    states = torch.load(checkpoint, weights_only=True)["callbacks"]
    (spent,) = [state["training_seconds"] for state in states.values() if "training_seconds" in state]
    _, _, second = fit(Report(), max_steps=4, name="second", ckpt_path=str(checkpoint))
    old, new = (json.loads((f / "report" / "report.json").read_text()) for f in (first, second))
    assert {n: e["before"] for n, e in new["capabilities"].items()} == {n: e["before"] for n, e in old["capabilities"].items()}
    tables = [
        pd.read_parquet(f / "report" / "scores.parquet").set_index(["example_id", "capability"])["completion_before"]
        for f in (first, second)
    ]
    assert tables[0].equals(tables[1])
    assert 0 < spent < new["cost"]["training_seconds"]  # of both starts together


def test_a_failing_report_is_loud_and_loses_no_weights(fit, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no report today")

    monkeypatch.setattr("bbflow.callbacks.report.build_report", broken)
    with pytest.raises(RuntimeError, match="no report today"):
        fit(Report())
    assert len(list((tmp_path / "run" / "version_0" / "checkpoints").glob("*.ckpt"))) == 1


def test_default_callbacks_do_not_double_what_a_recipe_names():
    assert [type(c) for c in default_callbacks()] == [RolloutLog, InterferenceMonitor, Report, Predictions]
    assert [type(c) for c in default_callbacks([Report(test_examples=5)])] == [RolloutLog, InterferenceMonitor, Predictions]


def margins_of(folder):
    return json.loads((folder / "margins.json").read_text())


class TestMargins:
    def test_are_written_before_anything_is_scored(self, fit, monkeypatch, tmp_path):
        monkeypatch.setattr("bbflow.callbacks.report.score_policy", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fit(Report())
        assert margins_of(tmp_path / "run" / "version_0")["margins"] == {"domain": 0.03, "safety": 0.03}

    def test_the_report_names_the_promise(self, fit):
        _, _, folder = fit(Report())
        report = json.loads((folder / "report" / "report.json").read_text())
        assert report["margins"] == margins_of(folder) | {"fixed": "before_training"}
        assert report["joint"]["capabilities"] == ["domain", "safety"]

    def test_moved_while_the_run_went_on(self, fit, tmp_path):
        class Mover(Report):
            def on_train_end(self, trainer, pl_module):
                super().on_train_end(trainer, pl_module)
                pl_module.capabilities["domain"].margin = 0.5

        with pytest.raises(InputError, match=r"margin of 'domain' is 0.5, but 0.03 was fixed before the run"):
            fit(Mover())
        assert not (tmp_path / "run" / "version_0" / "report" / "report.json").exists()

    def test_moved_in_the_file(self, fit):
        class Editor(Report):
            def on_train_end(self, trainer, pl_module):
                super().on_train_end(trainer, pl_module)
                path = Path(trainer.log_dir) / "margins.json"
                path.write_text(path.read_text().replace("0.03", "0.5"))

        with pytest.raises(InputError, match="changed after the run"):
            fit(Editor())

    def test_moved_before_the_run_goes_on(self, fit):
        _, _, first = fit(Report(), max_steps=2, name="first")
        checkpoint = next((first / "checkpoints").glob("*.ckpt"))
        with pytest.raises(InputError, match=r"0.03 was fixed before the run"):
            fit(Report(), max_steps=4, name="second", ckpt_path=str(checkpoint), margin=0.2)


class TestTestCommand:
    def test_certifies_a_checkpoint_as_the_run_did(self, fit, tmp_path):
        _, _, first = fit(Report(), max_steps=3, name="first")
        checkpoint = next((first / "checkpoints").glob("*.ckpt"))
        _, _, second = fit(Report(), name="second", ckpt_path=str(checkpoint), command="test")
        old, new = (json.loads((f / "report" / "report.json").read_text()) for f in (first, second))
        assert {n: e["difference"] for n, e in new["capabilities"].items()} == {n: e["difference"] for n, e in old["capabilities"].items()}
        assert (new["verdict"], new["margins"]) == (old["verdict"], old["margins"])

    def test_refuses_other_margins_before_anything_is_scored(self, fit, monkeypatch):
        _, _, first = fit(Report(), name="first")
        checkpoint = next((first / "checkpoints").glob("*.ckpt"))
        monkeypatch.setattr("bbflow.evaluation.scoring.score_policy", lambda *a, **k: pytest.fail("scored"))
        with pytest.raises(InputError, match=r"0.03 was fixed before the run"):
            fit(Report(), name="second", ckpt_path=str(checkpoint), command="test", margin=0.3)

    def test_scores_the_start_anew_where_the_checkpoint_has_other_items(self, fit):
        _, _, first = fit(Report(test_examples=7), max_steps=3, name="first")
        checkpoint = next((first / "checkpoints").glob("*.ckpt"))
        _, _, second = fit(Report(), name="second", ckpt_path=str(checkpoint), command="test")
        entry = json.loads((second / "report" / "report.json").read_text())["capabilities"]["domain"]
        assert entry["n"] == 20
        assert "before" in entry

    def test_without_a_checkpoint_there_is_nothing_to_compare(self, fit):
        _, _, folder = fit(Report(), command="test")
        assert "verdict" not in json.loads((folder / "report" / "report.json").read_text())


def test_gate(fit):
    with pytest.raises(Refused, match="not certified but inconclusive"):
        fit(Report(gate=True), margin=0.0, rate=1e-12)  # nothing changed, which is no proof that nothing was lost
