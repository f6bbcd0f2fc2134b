"""A run that was killed, and the same command again."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from bbflow.cli.runs.resume import FINISHED, LastCheckpoint

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "scripts"))
import forked_command  # noqa: E402
CALLBACK = '''
import os, resource, signal
from pathlib import Path
from lightning.pytorch import Callback

PLACES = ("on_fit_start", "on_train_batch_start", "on_before_optimizer_step", "on_train_batch_end", "on_validation_end", "on_save_checkpoint")

def at(hook):
    def call(self, trainer, *_):
        if (hook, trainer.global_rank) == (self.hook, self.rank) and trainer.global_step >= self.step and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), getattr(signal, self.signal))
    return call

class FullDisk(Callback):
    """From a step on, no file may grow beyond a few kilobytes, as if the disk were full; once."""
    def __init__(self, step: int):
        self.step, self.mark = step, Path("was-full").absolute()

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step >= self.step and not self.mark.exists():
            self.mark.touch()
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

class Killer(Callback):
    """Kills its own run once, at a hook of a step."""
    def __init__(self, hook: str, step: int, signal: str = "SIGKILL", rank: int = 0):
        self.hook, self.step, self.signal, self.rank = hook, step, signal, rank
        self.mark = Path(f"killed-{hook}-{step}-{signal}-{rank}").absolute()

for name in PLACES:
    setattr(Killer, name, at(name))
'''
RECIPE = """
seed_everything: 5
trainer:
  max_steps: 7
  accelerator: cpu
  log_every_n_steps: 1
  val_check_interval: 2
  check_val_every_n_epoch: null
  enable_progress_bar: false
  enable_model_summary: false
model:
  class_path: {module}
  init_args:
    policy: {{path: tiny, adapter: null}}
    {rollout}
    optimizer: {{learning_rate: 1.0e-3}}
    capabilities: CAPABILITIES
data:
  class_path: KnowledgeGraphData
  init_args:
    graph: {{class_path: ClinicalPack, init_args: {{core: true}}}}
    contract: null
    stage: alignment
    batch_size: 4
    train_size: 20
    validation_size: 8
    test_size: 8
"""
ROLLOUT = "rollout: {class_path: TransformersRollout, init_args: {group_size: 2, max_new_tokens: 8}}\n    advantage: {class_path: GDPO}"
SECONDS = ("seconds", "time")


def place(folder: Path, module: str = "GRPO") -> Path:
    """A folder with a recipe of five batches an epoch, so that the run crosses an epoch and three validations."""
    folder.mkdir(exist_ok=True)
    text = RECIPE.format(module=module, rollout=ROLLOUT if module == "GRPO" else "max_new_tokens: 8")
    (folder / "small.yaml").write_text(text.replace("CAPABILITIES", str(ROOT / "recipes" / "parts" / "capabilities" / "clinical.yaml")))
    (folder / "killer.py").write_text(CALLBACK)
    return folder


def fit(folder: Path, *options: str, kill_after: float | None = None) -> subprocess.CompletedProcess:
    """Runs the command; in a new interpreter where it is killed at any moment, or starts other processes itself."""
    arguments = ["fit", "--config", "small.yaml", "--ckpt_path", "last", *options]
    if kill_after is None and "--trainer.strategy=ddp" not in options:
        return forked_command.run(folder, arguments)
    command = [sys.executable, "-m", "bbflow.cli.main", *arguments]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.communicate(timeout=kill_after or 300)
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()
            assert kill_after, said
    return subprocess.CompletedProcess(command, process.returncode, *said)


def killer(hook: str, step: int, signal_name: str = "SIGKILL", rank: int = 0) -> str:
    settings = f"{{hook: {hook}, step: {step}, signal: {signal_name}, rank: {rank}}}"
    return f"--trainer.callbacks+={{class_path: killer.Killer, init_args: {settings}}}"


def contents(folder: Path) -> dict:
    """What a finished run left: weights and optimiser, metrics without seconds, rollouts."""
    (run,) = [mark.parent for mark in (folder / "runs" / "small").glob(f"version_*/{FINISHED}")]
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    with (run / "metrics.csv").open(newline="") as lines:
        rows = [{k: v for k, v in row.items() if not any(word in k for word in SECONDS)} for row in csv.DictReader(lines)]
    rollouts = {f.name: pq.read_table(f).to_pylist() for f in sorted(run.rglob("step-*.parquet"))}
    return {"weights": last["state_dict"], "optimizer": last["optimizer_states"][0]["state"], "metrics": rows, "rollouts": rollouts}


def same(one: dict, other: dict) -> None:
    assert one["weights"].keys() == other["weights"].keys()
    assert all(torch.equal(one["weights"][name], other["weights"][name]) for name in one["weights"])
    assert all(torch.equal(one["optimizer"][i][k], other["optimizer"][i][k]) for i in one["optimizer"] for k in ("exp_avg", "exp_avg_sq"))
    assert one["metrics"] == other["metrics"]
    assert one["rollouts"] == other["rollouts"]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """What a run that was not stopped left, and how many seconds it took."""
    folder = place(tmp_path_factory.mktemp("whole") / "run")
    start = time.monotonic()
    done = fit(folder)
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    assert len(contents(folder)["metrics"]) >= 10
    return contents(folder), seconds


@pytest.fixture
def whole(whole_run):
    return whole_run[0]


def test_a_run_killed_three_times_ends_as_if_it_never_was(whole, tmp_path):
    folder = place(tmp_path / "run")
    kills = [killer("on_save_checkpoint", 2), killer("on_before_optimizer_step", 3), killer("on_train_batch_end", 6)]
    for kill, told in zip([*kills, None], ["starting anew", "starting anew", "from step 2 of", "from step 4 of"], strict=True):
        done = fit(folder, *kills)
        assert told in done.stderr
        assert done.returncode == (-signal.SIGKILL if kill else 0), done.stderr
    same(contents(folder), whole)


def test_a_run_that_is_asked_to_go_saves_the_step_it_had_made(whole, tmp_path):
    folder = place(tmp_path / "run")
    stopped = fit(folder, killer("on_before_optimizer_step", 4, "SIGTERM"))
    assert "Traceback" not in stopped.stderr
    (checkpoint,) = folder.rglob("last.ckpt")
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 5  # the validation before was at 4
    done = fit(folder, killer("on_before_optimizer_step", 4, "SIGTERM"))
    assert "from step 5 of" in done.stderr
    assert done.returncode == 0, done.stderr
    same(contents(folder), whole)


def test_the_last_good_checkpoint_survives_a_full_disk(whole, tmp_path):
    folder, full = place(tmp_path / "run"), "--trainer.callbacks+={class_path: killer.FullDisk, init_args: {step: 3}}"
    stopped = fit(folder, full)
    assert stopped.returncode == 1
    assert "could not be written: File too large" in stopped.stderr.splitlines()[-1]
    assert "Traceback" not in stopped.stderr
    (checkpoint,) = folder.rglob("*.ckpt")
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 2
    done = fit(folder, full)
    assert "from step 2 of" in done.stderr
    assert done.returncode == 0, done.stderr
    same(contents(folder), whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_a_run_killed_at_any_moment_ends_as_if_it_never_was(whole_run, tmp_path, number):
    """Kills at a random moment of the whole command: imports, generation, contract, rollouts, checkpoints, report."""
    folder, (whole, seconds) = place(tmp_path / "run"), whole_run
    killed = fit(folder, kill_after=random.Random(f"kill {number}").uniform(0.05, 1.0) * seconds)
    assert killed.returncode in (-signal.SIGKILL, 0)
    if not list(folder.rglob(FINISHED)):  # else it was done, and only leaving
        done = fit(folder)
        assert done.returncode == 0, done.stderr
    same(contents(folder), whole)
    assert not [f.name for f in folder.rglob("*") if f.name.endswith((".part", ".tmp"))]


def test_ctrl_c_ends_after_the_step_it_is_at_and_keeps_it(whole, tmp_path):
    folder = place(tmp_path / "run")
    stopped = fit(folder, killer("on_before_optimizer_step", 4, "SIGINT"))
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1].endswith("--ckpt_path last goes on")
    done = fit(folder, killer("on_before_optimizer_step", 4, "SIGINT"))
    assert "from step 5 of" in done.stderr
    same(contents(folder), whole)


def test_a_run_that_was_moved_keeps_one_last_checkpoint_and_its_own_callback_does_not_replace_it(whole, tmp_path):
    folder = place(tmp_path / "run")
    own = "--trainer.callbacks+={class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {every_n_train_steps: 3, save_top_k: -1}}"
    kills = [killer("on_train_batch_end", 3), killer("on_train_batch_end", 5), own]
    fit(folder, *kills)
    for number, told in enumerate(("from step 2 of", "from step 4 of")):
        (folder / "runs").rename(tmp_path / f"moved{number}")
        (folder / "runs").symlink_to(tmp_path / f"moved{number}")
        done = fit(folder, *kills)
        assert told in done.stderr
        (folder / "runs").unlink()
        (tmp_path / f"moved{number}").rename(folder / "runs")
    assert [path.name for path in folder.rglob("last*.ckpt")] == ["last.ckpt"]
    same(contents(folder), whole)


def test_a_run_of_other_settings_is_passed_over(tmp_path):
    folder = place(tmp_path / "run")
    kill, faster = killer("on_train_batch_end", 3), "--model.init_args.optimizer.learning_rate=2.0e-3"
    fit(folder, kill)
    other = fit(folder, kill, faster, "--trainer.max_steps=3")
    assert "passed over, since its recipe was another one: model.init_args.optimizer.learning_rate was 0.001, is 0.002" in other.stderr
    assert "starting anew" in other.stderr
    assert other.returncode == 0, other.stderr
    assert "from step 2 of" in fit(folder, kill, "--trainer.max_steps=3").stderr
    assert [(path / FINISHED).exists() for path in sorted((folder / "runs" / "small").iterdir())] == [True, True]


def test_a_run_that_is_still_going_is_not_taken_up(tmp_path):
    folder = place(tmp_path / "run")
    fit(folder, killer("on_train_batch_end", 3))
    holder = "import sys; from pathlib import Path; from bbflow.cli.runs.run_folder import lock; print(lock(Path(sys.argv[1])), flush=True); input()"
    (run,) = (folder / "runs" / "small").iterdir()
    command = [sys.executable, "-c", holder, str(run)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        refused = fit(folder)
        process.communicate("\n")
    assert refused.returncode == 2
    assert "this run is still going" in refused.stderr.splitlines()[-1]


def test_two_processes_make_one_run_and_one_folder(tmp_path):
    folder = place(tmp_path / "run")
    done = fit(folder, "--trainer.strategy=ddp", "--trainer.devices=2", "--trainer.max_steps=3")
    assert done.returncode == 0, done.stderr
    assert contents(folder)["rollouts"].keys() == {"step-000001.parquet"}
    assert (folder / "runs" / "small" / "version_0" / "report" / "report.json").is_file()


@pytest.mark.slow
def test_margins_are_those_of_the_start_of_a_run(tmp_path):
    folder = place(tmp_path / "run")
    assert fit(folder, killer("on_train_batch_end", 3)).returncode == -signal.SIGKILL
    (checkpoint,) = folder.rglob("last.ckpt")
    other = "--model.init_args.capabilities.safety.margin=0.5"
    refused = fit(folder, f"--ckpt_path={checkpoint}", other)
    assert refused.returncode == 2
    assert "the margin of 'safety' is 0.5, but 0.03 was fixed before the run" in refused.stderr.splitlines()[-1]
    started = fit(folder, other, killer("on_train_batch_end", 3, "SIGTERM"))
    assert "is passed over, since its recipe was another one: model.init_args.capabilities.safety.margin was 0.03, is 0.5" in started.stderr
    assert "starting anew" in started.stderr


@pytest.mark.slow
def test_a_run_of_two_processes_of_which_one_is_killed_ends_as_if_it_never_was(tmp_path):
    """First the second process, then the one that started it; who is left says so in one line and goes."""
    two, (folder, whole) = ("--trainer.strategy=ddp", "--trainer.devices=2"), (place(tmp_path / name) for name in ("run", "whole"))
    for rank, step, told in ((1, 3, "starting anew"), (0, 5, "from step 2 of"), (None, 0, "from step 4 of")):
        done = fit(folder, *two, *([] if rank is None else [killer("on_before_optimizer_step", step, rank=rank)]))
        assert told in done.stderr
        assert "Traceback" not in done.stderr
        assert ("another process of this run cannot be reached" in done.stderr) == (rank is not None)
        assert done.returncode == (0 if rank is None else 1 if rank else -signal.SIGKILL), done.stderr
    assert fit(whole, *two).returncode == 0
    same(contents(folder), contents(whole))


def test_the_private_counter_of_lightning_that_last_checkpoint_edits_is_saved_and_counted_down(monkeypatch):
    """`LastCheckpoint` edits `fit_loop.epoch_loop._batches_that_stepped`; a Lightning without it must fail here, not in a resumed run."""
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    loop = trainer.fit_loop.epoch_loop
    callback, saved = LastCheckpoint(), []
    monkeypatch.setattr(callback, "_save_last_checkpoint", lambda trainer, _: saved.append(loop.on_save_checkpoint()))
    monkeypatch.setattr(callback, "_monitor_candidates", lambda trainer: {})
    monkeypatch.setattr(type(trainer), "global_step", property(lambda self: 4))

    for is_last, steps in ((False, 4), (True, 3)):
        loop.batch_progress.is_last_batch = is_last
        loop.batch_progress.total.completed = loop.batch_progress.current.completed = loop._batches_that_stepped = 4
        callback.on_exception(trainer, None, SIGTERMException())
        assert saved.pop()["_batches_that_stepped"] == steps
        assert (loop.batch_progress.total.completed, loop.batch_progress.current.completed) == (steps, steps)
    callback.on_exception(trainer, None, RuntimeError("half a step"))
    assert saved == []
