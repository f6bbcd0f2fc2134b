"""What stops the process that prepares the data stops every process: two real ones, joined by gloo."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys, torch
from pathlib import Path
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.strategies import DDPStrategy
from bbflow.data import KnowledgeGraphData
from bbflow.graph import ClinicalPack
folder, contract, broken = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "broken"
data = KnowledgeGraphData(ClinicalPack(), contract, train_size=8, validation_size=4, test_size=4, cache_dir=str(folder / "cache"))
if broken:
    data._prepare = lambda: (_ for _ in ()).throw(OSError("the disk is full"))
trainer = Trainer(accelerator="cpu", devices=2, strategy=DDPStrategy(process_group_backend="gloo"), max_steps=1, logger=False,
                  enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=str(folder))
try:
    trainer.fit(BoringModel(), data)
    said = "trained"
except Exception as error:
    said = f"{type(error).__name__}: {error}"
(folder / f"rank{trainer.global_rank}").write_text(said)
"""
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: strict
version: 1.0.0
status: active
schema:
  - name: examples
    quality:
      - {id: short, type: custom, engine: greatExpectations, implementation: {type: response_not_empty, kwargs: {max_words: 0}}, severity: critical}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "said"), [("refused", "Refused: data contract 'strict'"), ("broken", "the disk is full")])
def test_both_ranks_stop_with_the_same_reason(tmp_path: Path, kind: str, said: str) -> None:
    contract, script = tmp_path / "strict.odcs.yaml", tmp_path / "run.py"
    contract.write_text(CONTRACT)
    script.write_text(RUN)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "NODE_RANK": "0",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(script), str(tmp_path), str(contract), kind]
    runs = [subprocess.Popen(command, env={**shared, "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE, text=True) for rank in (0, 1)]
    try:
        errors = [run.communicate(timeout=240)[1] for run in runs]
    finally:
        for run in runs:
            run.kill()
    assert [run.returncode for run in runs] == [0, 0], errors
    for rank in (0, 1):
        assert said in (tmp_path / f"rank{rank}").read_text()
    assert not list((tmp_path / "cache").glob("[!.]*"))
