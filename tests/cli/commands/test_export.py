import json

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from bbflow.callbacks import Report
from bbflow.cli.main import main
from bbflow.evaluation.commitment import read_commitment
from bbflow.modules import SFT
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.policies import PolicySettings
from bbflow.policies.settings import LoraSettings


class Items(LightningDataModule):
    def __init__(self, make, contract):
        super().__init__()
        self.contract = contract
        self.splits = {split: [make(i, cluster=f"c{i % 3}", split=split) for i in range(8)] for split in ("train", "validation", "test")}

    def train_dataloader(self):
        return DataLoader(self.splits["train"], batch_size=4, collate_fn=self.trainer.lightning_module.collate)

    def state_dict(self):
        return {"contract": self.contract}


@pytest.fixture
def train(tmp_path, tiny_qwen_dir, example, vowels):
    """Trains for three steps and keeps a checkpoint of each; returns the module and the run folder."""

    def run(adapter=None, contract="uncontracted", policy=tiny_qwen_dir):
        torch.manual_seed(0)
        module = SFT(
            policy=PolicySettings(path=str(policy), adapter=adapter), capabilities={"domain": vowels()},
            optimizer=OptimizerSettings(learning_rate=0.05), max_new_tokens=4,
        )  # fmt: skip
        trainer = Trainer(
            max_steps=3, accelerator="cpu", logger=CSVLogger(tmp_path, name="run", version=0), enable_progress_bar=False,
            callbacks=[Report(), ModelCheckpoint(every_n_train_steps=1, save_top_k=-1)], enable_model_summary=False, log_every_n_steps=1,
        )  # fmt: skip
        trainer.fit(module, datamodule=Items(example, contract))
        return module, tmp_path / "run" / "version_0"

    return run


def checkpoint(run, step=3):
    return next((run / "checkpoints").glob(f"*step={step}.ckpt"))


def export(out, source, *extra):
    return main(["export", "--checkpoint", str(source), "--out", str(out), *extra])


@torch.no_grad()
def logits(model, tokenizer):
    ids = tokenizer("Which drug treats asthma? Answer:", return_tensors="pt")["input_ids"]
    return model.eval()(input_ids=ids).logits


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4), LoraSettings(r=4, use_rslora=True)])
@pytest.mark.parametrize("merge", [False, True])
def test_transformers_loads_what_was_trained(train, tmp_path, adapter, merge, tiny_qwen_dir):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    module, run = train(adapter)
    out = tmp_path / "out"
    assert export(out, checkpoint(run), *["--merge"] * merge) == 0
    tokenizer = AutoTokenizer.from_pretrained(out)
    found = logits(AutoModelForCausalLM.from_pretrained(out), tokenizer)
    assert (found - logits(module.model, tokenizer)).abs().max() <= 1e-4
    assert (found - logits(AutoModelForCausalLM.from_pretrained(tiny_qwen_dir), tokenizer)).abs().max() > 0.01  # something was trained
    files = {path.name for path in out.iterdir()}
    assert ("adapter_model.safetensors" in files) == (adapter is not None and not merge)
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl"))]


def test_an_adapter_that_transformers_reads_wrongly_is_refused_unless_merged(train, tmp_path, capsys):
    _, run = train(LoraSettings(r=4, use_dora=True))
    assert export(tmp_path / "adapter", checkpoint(run)) == 1
    assert "use --merge" in capsys.readouterr().err
    assert export(tmp_path / "merged", checkpoint(run), "--merge") == 0


def test_learned_positions_too(train, tmp_path, tiny_gpt2_dir):
    _, run = train(LoraSettings(r=4), policy=tiny_gpt2_dir)
    assert export(tmp_path / "out", checkpoint(run), "--merge") == 0


def test_card_and_certificate_come_from_the_run(train, tmp_path):
    _, run = train(contract={"id": "clinical_qa", "version": "1.2.0"})
    assert export(tmp_path / "out", checkpoint(run)) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    report = json.loads((run / "report" / "report.json").read_text())
    assert json.loads((tmp_path / "out" / "certificate.json").read_text()) == report
    change = report["capabilities"]["domain"]["difference"]
    for said in (
        "gives no medical advice", "passed the data contract `clinical_qa` 1.2.0", f"Verdict of the run: **{report['verdict']}**",
        f"{change['estimate']:+.3f} [{change['lower']:+.3f}, {change['upper']:+.3f}] | 0.03 |", "license: unknown", "## Limits", "SFT, 3 steps",
    ):  # fmt: skip
        assert said in card
    assert read_commitment(tmp_path / "out").sha256 in card


def test_uncontracted_data_are_called_so(train, tmp_path):
    _, run = train()
    assert export(tmp_path / "out", checkpoint(run)) == 0
    assert "**uncontracted**" in (tmp_path / "out" / "README.md").read_text()


def test_a_checkpoint_that_the_report_is_not_about_has_no_certificate(train, tmp_path):
    _, run = train()
    assert export(tmp_path / "out", checkpoint(run, step=1)) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "the report of the run is about step 3, not 1" in card
    assert not (tmp_path / "out" / "certificate.json").exists()


def test_other_margins_are_refused_when_the_export_is_evaluated(train, tmp_path, example, capsys):
    from bbflow.data.files import write_examples

    _, run = train()
    assert export(tmp_path / "out", checkpoint(run)) == 0
    write_examples(tmp_path / "test.parquet", [example(i, cluster=f"c{i}") for i in range(4)])
    metric = "{class_path: CorrectAnswer}"
    (tmp_path / "c.yaml").write_text(f"domain: {{metric: {metric}, rewards: {{r: {metric}}}, margin: 0.2}}")
    code = main(
        ["evaluate", "--policy", str(tmp_path / "out"), "--data", str(tmp_path / "test.parquet"), "--out", str(tmp_path / "e"),
         "--capabilities", str(tmp_path / "c.yaml")]
    )  # fmt: skip
    assert code == 2
    assert "the margin of 'domain' is 0.2, but 0.03 was fixed before the run" in capsys.readouterr().err


def test_wrong_input(tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("x")
    assert export(tmp_path / "taken", tmp_path / "none.ckpt") == 2
    said = capsys.readouterr().err
    assert "something in it already" in said
    assert "no such checkpoint file" in said
    (tmp_path / "bad.ckpt").write_text("x")
    assert export(tmp_path / "out", tmp_path / "bad.ckpt") == 2
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    assert export(tmp_path / "out", tmp_path / "other.ckpt") == 2
    torch.save({"state_dict": {}, "hyper_parameters": {}}, tmp_path / "empty.ckpt")
    assert export(tmp_path / "out", tmp_path / "empty.ckpt") == 2
    said = capsys.readouterr().err
    for line in ("cannot be read as a checkpoint", "is no checkpoint of a run", "holds no policy"):
        assert line in said
    assert not (tmp_path / "out").exists()


def test_weights_of_another_architecture(train, tmp_path, capsys):
    _, run = train()
    kept = torch.load(checkpoint(run), weights_only=True)
    kept["state_dict"] = {name: weight[:1] for name, weight in kept["state_dict"].items()}
    torch.save(kept, tmp_path / "cut.ckpt")
    assert export(tmp_path / "out", tmp_path / "cut.ckpt") == 2
    assert "do not fit" in capsys.readouterr().err
