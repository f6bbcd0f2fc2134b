import pytest

from bbflow.cli.commands.init import FOLDERS, assets
from bbflow.cli.main import main


def test_init_copies_recipes_contracts_and_schemas(tmp_path, capsys):
    assert main(["init", str(tmp_path / "x")]) == 0
    for name in FOLDERS:
        copied = {p.relative_to(tmp_path / "x") for p in (tmp_path / "x" / name).rglob("*.*") if p.is_file()}
        shipped = {p.relative_to(assets()) for p in (assets() / name).rglob("*.*") if p.is_file() and "__pycache__" not in p.parts}
        assert copied == shipped
    assert (tmp_path / "x" / "recipes" / "grpo.yaml").read_bytes() == (assets() / "recipes" / "grpo.yaml").read_bytes()
    assert "bbflow fit --config recipes/grpo.yaml" in capsys.readouterr().out


def test_init_never_overwrites(tmp_path, capsys):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "grpo.yaml").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert (tmp_path / "recipes" / "grpo.yaml").read_text() == "mine"
    assert {p.name for p in tmp_path.rglob("*")} == {"recipes", "grpo.yaml"}


def test_init_into_a_folder_with_other_files(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", FOLDERS)
def test_what_init_copies_exists(name):
    assert any((assets() / name).iterdir())
