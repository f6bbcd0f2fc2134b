"""A folder with a toy recipe, its part file and its classes, and a way to run `bbflow` on it in this process."""

import re
import shutil
import sys
from pathlib import Path

import pytest

collect_ignore = ["toy_parts.py"]  # imported by recipes, never by pytest

RECIPE = """\
vars: {rate: 0.5}
seed_everything: 7
trainer: {max_steps: 2, accelerator: cpu, enable_progress_bar: false, enable_model_summary: false, log_every_n_steps: 1}
model:
  class_path: toy_parts.ToyModule
  init_args:
    policy: {path: ../elsewhere, notes: notes.txt}
    lr: ${vars.rate}
    steps: ${data.init_args.batch_size}
    capabilities: parts/capabilities.yaml
data:
  class_path: toy_parts.ToyData
  init_args: {contract: ../contract.yaml, batch_size: 4}
"""
PART = """\
safety:
  metric: {class_path: toy_parts.Constant}
  rewards: {fixed: {class_path: toy_parts.Constant, init_args: {value: 0.25}}}
domain:
  metric: {class_path: toy_parts.Constant}
  rewards: {fixed: {class_path: toy_parts.Constant}}
  weight: 1.5
"""


class Workplace:
    """A working folder with `recipes/toy.yaml`."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys

    def edit(self, old, new, file="recipes/toy.yaml"):
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def run(self, *argv):
        """Runs a command; returns exit code, stdout and the lines `error: ...` or `refused: ...` that stderr ends with."""
        from bbflow.cli.main import main

        self.capsys.readouterr()
        code = main(argv)
        out, err = self.capsys.readouterr()
        lines = err.strip().splitlines()
        said = [line for line in lines if re.match("(error|refused): ", line)]
        assert lines[len(lines) - len(said) :] == said, "the message must be the last thing on stderr"
        assert "Traceback" not in err
        assert "usage:" not in err
        return code, out, said

    def fit(self, *overrides):
        return self.run("fit", "--config", "recipes/toy.yaml", *overrides)

    def loaded(self):
        """How many models were loaded in this test."""
        parts = sys.modules.get("toy_parts")
        return len(parts.LOADED) if parts else 0

    def module(self):
        """The last module that a recipe built."""
        return sys.modules["toy_parts"].BUILT[-1]


@pytest.fixture
def workplace(tmp_path, monkeypatch, capsys):
    import bbflow.cli.training as training

    (tmp_path / "recipes" / "parts").mkdir(parents=True)
    (tmp_path / "recipes" / "toy.yaml").write_text(RECIPE)
    (tmp_path / "recipes" / "parts" / "capabilities.yaml").write_text(PART)
    (tmp_path / "contract.yaml").write_text("{}")
    shutil.copy(Path(__file__).parent / "toy_parts.py", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "toy_parts", raising=False)
    monkeypatch.setattr(training, "default_callbacks", lambda given: [])
    return Workplace(tmp_path, capsys)
