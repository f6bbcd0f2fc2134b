"""A distributed sampler gives some items out twice, to fill up; scores count them once."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


def test_two_processes_score_what_one_does(tiny_qwen_dir, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    import ddp_test_split

    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ddp_test_split.__file__, str(tiny_qwen_dir), str(tmp_path / "scores")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=tmp_path, env=environment)
    assert ran.returncode == 0, ran.stderr[-3000:]
    _, alone, mean = ddp_test_split.tested(str(tiny_qwen_dir), 1)
    for rank in (0, 1):
        found = pd.read_parquet(tmp_path / f"scores.{rank}")
        assert found["example_id"].tolist() == [f"e{i:04d}" for i in range(5)]
        assert found["score"].tolist() == pytest.approx(alone["score"].tolist())
        assert found["mean"].iloc[0] == pytest.approx(mean)
