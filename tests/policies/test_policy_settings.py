import pytest

from bbflow.errors import InputError
from bbflow.policies import LoraSettings, PolicySettings, load_policy


@pytest.mark.parametrize("path", ["tny", "./no/such/folder", "~/nothing", "a/b/c"])
def test_a_path_that_is_neither_folder_nor_hub_id_is_refused(path):
    (problem,) = PolicySettings(path=path).problems("policy")
    assert problem.where == "policy.path"
    assert "neither a folder nor a Hub id" in problem.what


def test_a_hub_id_passes_without_being_looked_up():
    assert PolicySettings(path="Qwen/Qwen2.5-0.5B-Instruct").problems("policy") == []


def test_a_folder_must_hold_a_policy(tmp_path, tiny_qwen_dir):
    assert PolicySettings(path=str(tiny_qwen_dir)).problems("p") == []
    assert "no config.json" in PolicySettings(path=str(tmp_path)).problems("p")[0].what
    (tmp_path / "config.json").write_text("{}")
    found = [p.what for p in PolicySettings(path=str(tmp_path)).problems("p")]
    assert any("no tokenizer" in what for what in found)
    assert any("safetensors" in what for what in found)


def test_random_initialisation_needs_no_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    assert PolicySettings(path=str(tmp_path), initialize="random").problems("p") == []


def test_all_problems_of_an_adapter_come_at_once():
    found = PolicySettings(path="a/b", adapter=LoraSettings(r=0, alpha=0.0, dropout=1.0)).problems("policy")
    assert [p.where for p in found] == ["policy.adapter.r", "policy.adapter.alpha", "policy.adapter.dropout"]


def test_loading_reports_a_broken_folder_as_bad_input(tmp_path):
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=r"policy\.path.*cannot be loaded"):
        load_policy(PolicySettings(path=str(tmp_path)))
