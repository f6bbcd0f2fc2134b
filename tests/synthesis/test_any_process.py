"""The same examples in any process: nothing may hang on the order of a set, which another process has differently."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = """
import hashlib, json
from bbflow.graph import ClinicalPack
from bbflow.synthesis import generate, tasks
from bbflow.synthesis.tasks import Task
graph = ClinicalPack().load()
found = {}
for name in tasks.__all__:
    family = getattr(tasks, name)
    if isinstance(family, type) and family not in (Task, tasks.WalkTask):
        task = family()
        made = generate(graph, {task.name: task}, {"train": 120, "test": 6}, {}, 0)
        rows = [[e.to_row() for e in examples] for examples in made.examples.values()]
        found[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
print(json.dumps(found))
"""


def made(hash_seed: str) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", HERE], capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


def test_every_family_makes_the_same_in_processes_that_hash_differently() -> None:
    one, other = made("1"), made("2")
    assert len(one) >= 14
    assert one == other
