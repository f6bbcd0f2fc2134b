"""Nothing that is read runs code: checkpoints, weights, examples, graphs, contracts, recipes and mappings that would, do not."""

import ast
import json
import os
import pickle
from pathlib import Path

import pytest
import torch

import bbflow
from bbflow.cli.main import main
from bbflow.errors import InputError

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "sft.yaml"
CONTRACT = ROOT / "data_contracts" / "clinical_qa.odcs.yaml"


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path):
    """A folder that exists once code was run."""
    return tmp_path / "code-was-run"


def test_the_bomb_works(mark):
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()


@pytest.mark.parametrize("command", ["fit", "test", "export", "last"])
def test_checkpoints(tmp_path, mark, command, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / "sft" / "version_0" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": {"model.x": Bomb(mark)}, "global_step": 1, "bbflow": {"metrics_rows": 0}}, path)
    given = "last" if command == "last" else str(path)
    argv = {
        "export": ["export", "--checkpoint", given, "--out", "out"],
        "test": ["test", "--config", str(RECIPE), "--ckpt_path", given],
    }.get(command, ["fit", "--config", str(RECIPE), "--ckpt_path", given])
    assert main(argv) == 2
    assert "cannot be read as a checkpoint" in capsys.readouterr().err
    assert not mark.exists()


def test_weights_that_are_pickled(tiny_qwen_dir, tmp_path, mark):
    from bbflow.policies import PolicySettings, load_policy

    folder = tmp_path / "policy"
    folder.mkdir()
    for file in tiny_qwen_dir.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    torch.save({"model.embed_tokens.weight": Bomb(mark)}, folder / "pytorch_model.bin")
    with pytest.raises(InputError):
        load_policy(PolicySettings(path=str(folder)))
    assert not mark.exists()


def test_model_code_in_the_folder(tiny_qwen_dir, tmp_path, mark):
    from bbflow.policies import PolicySettings, load_policy

    folder = tmp_path / "policy"
    folder.mkdir()
    for file in tiny_qwen_dir.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    with pytest.raises(InputError):
        load_policy(PolicySettings(path=str(folder)))
    assert not mark.exists()


TAGS = ("!!python/object/apply:os.mkdir [{mark}]", "!!python/name:os.mkdir", "!!python/object/new:os.mkdir [{mark}]")


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", ["graph", "contract", "recipe", "mapping", "metapaths"])
def test_yaml_tags(tmp_path, mark, kind, tag, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = f"name: {tag.format(mark=json.dumps(str(mark)))}\n"
    (tmp_path / "evil.yaml").write_text(text)
    (tmp_path / "edges.tsv").write_text("subject\tpredicate\tobject\n")
    tasks = "{m: {class_path: MetapathQuestion, init_args: {metapaths: evil.yaml}}}"
    argv = {
        "graph": ["graph", "info", "--graph", "evil.yaml"],
        "contract": ["contracts", "test", "--contract", "evil.yaml"],
        "recipe": ["fit", "--config", "evil.yaml"],
        "mapping": ["graph", "info", "--graph", "edges.tsv", "--mapping", "evil.yaml"],
        "metapaths": [
            "fit", "--config", str(RECIPE), "--model.init_args.capabilities={}", f"--data.init_args.tasks={tasks}", "--data.init_args.mix={}",
            "--data.init_args.held_out_mix={}",
        ],
    }[kind]  # fmt: skip
    assert main(argv) == 2
    assert "evil.yaml" in capsys.readouterr().err
    assert not mark.exists()


@pytest.mark.parametrize("name", ["os.system", "bbflow.contracts.rules.__init__", "../evil", "evil:run"])
def test_a_contract_imports_nothing(tmp_path, mark, name, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    text = CONTRACT.read_text().replace("type: no_contraindicated_drug", f"type: {json.dumps(name)}")
    assert name in text
    (tmp_path / "c.yaml").write_text(text)
    assert main(["contracts", "test", "--contract", "c.yaml"]) == 2
    assert "c.yaml:" in capsys.readouterr().err
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_examples(tmp_path, mark, suffix, capsys):
    path = tmp_path / f"evil{suffix}"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    assert main(["evaluate", "--policy", "tiny", "--data", str(path), "--out", str(tmp_path / "out")]) == 2
    assert f"evil{suffix}" in capsys.readouterr().err
    assert not mark.exists()


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


def test_the_code_has_no_call_that_would():
    """Of pickles, one process reads what the very process that started it has written; every `torch.load` reads weights only."""
    found = set()
    for file in sorted(Path(bbflow.__file__).parent.rglob("*.py")):
        for name, keywords in calls(ast.parse(file.read_text())):
            if name == "torch.load":
                assert keywords.get("weights_only") == "True", file
            if name in ("eval", "exec", "compile", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system") or name.startswith(
                ("pickle.load", "marshal.", "shelve.", "joblib.")
            ):
                found.add((file.name, name))
    assert found == {("process_worker.py", name) for name in ("pickle.loads", "marshal.loads", "marshal.dumps")}
