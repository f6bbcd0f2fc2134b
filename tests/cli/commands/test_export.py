import hashlib
import json
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from bbflow.callbacks import Report
from bbflow.cli.main import main
from bbflow.evaluation.preregistration import Preregistration, read_preregistration
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
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert export(tmp_path / "adapter", checkpoint(run), "--merge") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"run", "adapter"}


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
    assert read_preregistration(tmp_path / "out").sha256 in card


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
    from bbflow.data.example_io import write_examples

    _, run = train()
    assert export(tmp_path / "out", checkpoint(run)) == 0
    write_examples(tmp_path / "test.parquet", [example(i, cluster=f"c{i}") for i in range(4)])
    metric = "{class_path: CorrectAnswer}"
    (tmp_path / "c.yaml").write_text(f"domain: {{metric: {metric}, rewards: {{r: {metric}}}, margin: 0.2}}")
    code = main(
        ["evaluate", "--policy", str(tmp_path / "out"), "--data", str(tmp_path / "test.parquet"), "--out", str(tmp_path / "e"),
         "--capabilities", str(tmp_path / "c.yaml"), "--baseline", str(tmp_path / "out")]
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


def edited(path, edit):
    """Changes a JSON file in place; what `edit` returns, if anything, is written instead."""
    value = json.loads(path.read_text())
    new = edit(value)
    path.write_text(json.dumps(value if new is None else new))


def loosen(report):
    report["capabilities"]["domain"] |= {"margin": 0.9, "verdict": "preserved"}
    report["margins"]["margins"]["domain"] = 0.9
    report["verdict"] = "certified"


def loosen_consistently(report):
    loosen(report)
    report["margins"] |= Preregistration({"domain": 0.9}).to_json()


def call_it_certified(report):
    report["verdict"] = "certified"


def call_it_preserved(report):
    call_it_certified(report)
    report["capabilities"]["domain"]["verdict"] = "preserved"


def lose(report):
    """A report that a run may have written: its capability lost."""
    domain = report["capabilities"]["domain"]
    domain["difference"] |= {"estimate": -0.5, "lower": -0.8, "upper": -0.2}
    domain |= {"p_improved": 1.0, "verdict": "regressed"}
    report["verdict"] = "refused"


def remove_difference(report):
    del report["capabilities"]["domain"]["difference"]


def test_a_report_that_was_changed_after_the_run_certifies_nothing(train, tmp_path, capsys):
    _, run = train()
    path = run / "report" / "report.json"
    (path.parent / "scores.parquet").unlink()  # the scores are not those of the loss that is made up here
    edited(path, lose)
    honest = path.read_text()
    for edit, said in (
        (loosen, "the margin of 'domain' is 0.9, but 0.03 was fixed before the run"),
        (loosen_consistently, "its margins are not those that were fixed before the run"),
        (call_it_certified, "the run is called certified, but the verdicts of its capabilities say refused"),
        (call_it_preserved, "'domain' is called preserved, but its bounds and its margin say regressed"),
        (lambda report: [], "is no report"),
        (lambda report: {}, "is no report"),
        (lambda report: report | {"provenance": []}, "is no report"),
        (lambda report: report["data"].update(receipt=3), "is no report"),
        (remove_difference, "is no report"),
    ):
        path.write_text(honest)
        edited(path, edit)
        assert export(tmp_path / "out", checkpoint(run)) == 2
        err = capsys.readouterr().err
        assert said in err
        assert str(path) in err
        assert {path.name for path in tmp_path.iterdir()} == {"run"}
    path.write_text(honest)
    assert export(tmp_path / "out", checkpoint(run)) == 0


def win(report):
    """A report whose bounds, p-value and verdicts were all changed together."""
    report["capabilities"]["domain"]["difference"] |= {"estimate": 0.5, "lower": 0.2, "upper": 0.8}
    report["capabilities"]["domain"] |= {"p_improved": 0.001, "verdict": "improved"}
    report["verdict"] = "certified"


def test_a_report_that_its_own_scores_do_not_give_certifies_nothing(train, tmp_path, capsys):
    _, run = train()
    path, scores = run / "report" / "report.json", run / "report" / "scores.parquet"
    honest, table = path.read_text(), scores.read_bytes()
    edited(path, win)
    assert export(tmp_path / "out", checkpoint(run)) == 2
    err = capsys.readouterr().err
    assert f"error: {scores}: the report states 0.5 as the estimate of 'domain', and these scores give " in err
    path.write_text(honest)
    scores.write_bytes(table[:100])
    assert export(tmp_path / "out", checkpoint(run)) == 2
    assert "is no score table" in capsys.readouterr().err
    scores.write_bytes(table)
    assert export(tmp_path / "out", checkpoint(run)) == 0


def test_margins_of_the_run_folder_that_are_not_those_of_the_checkpoint(train, tmp_path, capsys):
    _, run = train()
    edited(run / "margins.json", lambda margins: margins["margins"].update(domain=0.9))
    edited(run / "report" / "report.json", call_it_certified)
    edited(run / "report" / "report.json", loosen)
    assert export(tmp_path / "out", checkpoint(run)) == 2
    err = capsys.readouterr().err
    assert "margins.json: the margins were changed after the run" in err
    assert "the margin of 'domain' is 0.9" in err  # both are told at once
    (run / "margins.json").write_text(json.dumps(Preregistration({"domain": 0.9}).to_json()))
    assert export(tmp_path / "out", checkpoint(run)) == 2
    assert "the margins are not those of the checkpoint" in capsys.readouterr().err


def test_a_checkpoint_that_was_edited(train, tmp_path, capsys):
    _, run = train()
    policy = {"path": "tiny"}
    for edit, said in (
        ({"state_dict": 3}, "its `state_dict` is malformed"),
        ({"global_step": "x", "callbacks": 3}, "its `global_step` is malformed"),
        ({"hyper_parameters": {"policy": {"path": 3}}}, "Got value: 3"),
        ({"hyper_parameters": {"policy": {**policy, "adapter": {"zz": 1}}}}, "Option 'zz' is not accepted"),
        ({"hyper_parameters": {"policy": {**policy, "adapter": 3}}}, "the settings of its policy are malformed"),
        ({"hyper_parameters": {"policy": policy}}, "do not fit 'tiny'"),
    ):
        torch.save(torch.load(checkpoint(run), weights_only=True) | edit, tmp_path / "m.ckpt")
        assert export(tmp_path / "out", tmp_path / "m.ckpt") == 2
        err = capsys.readouterr().err
        assert said in err
        assert len(err.splitlines()[-1]) < 400
    assert not (tmp_path / "out").exists()


def test_a_reward_model_is_told_from_a_policy(tmp_path, capsys):
    made_by = {"class_path": "bbflow.modules.reward_model.RewardModel"}
    kept = {"state_dict": {"scorer.x": torch.zeros(1)}, "hyper_parameters": {"policy": {"path": "tiny"}}, "bbflow": made_by}
    for name in ("checkpoints", "report"):
        (tmp_path / name).mkdir()
    (tmp_path / "report" / "report.json").write_text('{"reward_model": {}}')
    torch.save(kept, tmp_path / "checkpoints" / "reward.ckpt")
    assert export(tmp_path / "out", tmp_path / "checkpoints" / "reward.ckpt") == 2
    err = capsys.readouterr().err
    assert "report.json" not in err
    assert "is the checkpoint of a bbflow.modules.reward_model.RewardModel, which is no policy" in err
    assert "as `reward_model/`" in err


def test_folders_that_cannot_be_written(train, tmp_path, capsys):
    _, run = train()
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "sub"):
        assert export(out, checkpoint(run)) == 2
        assert "is a file, and a folder is needed" in capsys.readouterr().err
    if Path("/proc").is_dir():  # where not even root can make a folder
        assert export("/proc/x", checkpoint(run)) == 2
        assert "--out /proc/x: " in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert export(tmp_path / "empty", checkpoint(run)) == 0
    (tmp_path / "new").mkdir()
    assert (tmp_path / "empty").stat().st_mode == (tmp_path / "new").stat().st_mode


def test_the_card_names_weights_and_base_by_their_hashes(train, tmp_path, tiny_qwen_dir, capsys):
    _, run = train(LoraSettings(r=4))
    assert export(tmp_path / "adapter", checkpoint(run)) == 0
    assert f"by a folder of this machine, {tiny_qwen_dir}" in capsys.readouterr().out
    card = (tmp_path / "adapter" / "README.md").read_text()
    hashed = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("adapter/*.safetensors")}
    (base,) = tiny_qwen_dir.glob("*.safetensors")
    (weights,) = hashed
    assert f"`{weights.name}`: sha256 `{hashed[weights]}`" in card
    after = card.partition("a folder of the machine that wrote it")[2]
    assert f"`{base.name}`: sha256 `{hashlib.sha256(base.read_bytes()).hexdigest()}`" in after
    assert export(tmp_path / "merged", checkpoint(run), "--merge") == 0
    assert "a folder of the machine" not in (tmp_path / "merged" / "README.md").read_text()
