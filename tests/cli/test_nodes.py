"""Several machines, started by torchrun as `recipes/parts/trainer/nodes.yaml` says: here two on one CPU, that find each other by address."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
SMALL = [
    "--trainer.max_steps=2", "--trainer.val_check_interval=2", "--data.init_args.train_size=40", "--data.init_args.validation_size=8",
    "--data.init_args.test_size=24", "--data.init_args.batch_size=4", "--trainer.accelerator=cpu", "--trainer.devices=1",
    "--trainer.strategy=ddp",
]  # fmt: skip


@pytest.mark.slow
def test_two_machines_make_one_run(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = ["-m", "bbflow.cli.main", "fit", "--config", str(ROOT / "recipes" / "grpo.yaml"), "--trainer.num_nodes=2", *SMALL]
    own.append(f"--trainer.default_root_dir={tmp_path}")
    start = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1", "--master_addr=127.0.0.1", f"--master_port={port}"]
    nodes = [
        subprocess.Popen([sys.executable, *start, f"--node_rank={rank}", *own], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for rank in range(2)
    ]
    said = [node.communicate(timeout=300)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said[0][-3000:] + said[1][-3000:]
    report = json.loads(next(tmp_path.rglob("report/report.json")).read_text())
    assert report["verdict"] in ("certified", "inconclusive", "refused")
    assert len(list(tmp_path.rglob("metrics.csv"))) == 1  # the second machine did not open a run of its own
    metrics = pd.read_csv(next(tmp_path.rglob("metrics.csv")))
    rows = metrics["train/tokens_generated"].dropna()
    assert len(rows) == 2
