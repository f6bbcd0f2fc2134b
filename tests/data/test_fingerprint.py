"""The hashes of code cover every module that decides a byte of the data or a verdict."""

import shutil
from pathlib import Path

import pytest
from import_closure import import_closure

from bbflow.contracts.receipt import CODE_OF_RULES
from bbflow.data import KnowledgeGraphData
from bbflow.data.fingerprint import CODE_THAT_DECIDES, fingerprint
from bbflow.graph import ClinicalPack
from bbflow.io.checksums import PACKAGE, source_files, source_sha256

LISTS = {"data": CODE_THAT_DECIDES, "contracts": CODE_OF_RULES}
HASHED_AS_GRAPH = ("graph/readers/**/*.py", "graph/packs/**/*.py")
"""What they read is hashed as `graph.sha256`, and they do nothing else."""


@pytest.mark.parametrize("room", LISTS)
def test_every_imported_module_is_in_the_list(room: str) -> None:
    listed = {file.relative_to(PACKAGE).as_posix() for file in source_files(LISTS[room])}
    needed = import_closure((PACKAGE / room).rglob("*.py"), HASHED_AS_GRAPH)
    assert {"graph/ontology.py", "text/tokenization.py", "records.py"} <= needed
    assert needed - listed == set()


@pytest.mark.parametrize("room", LISTS)
def test_a_change_of_any_listed_file_changes_the_hash(room: str, tmp_path: Path) -> None:
    root = tmp_path / "bbflow"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors", "tokenizer.json"))
    before = source_sha256(LISTS[room], root)
    for file in source_files(LISTS[room], root):
        content = file.read_bytes()
        file.write_bytes(content + b"#")
        assert source_sha256(LISTS[room], root) != before, file
        file.write_bytes(content)
    assert source_sha256(LISTS[room], root) == before


def test_phrases_and_templates_are_listed() -> None:
    listed = {file.relative_to(PACKAGE).as_posix() for file in source_files(CODE_THAT_DECIDES)}
    assert {
        "graph/ontology.py",
        "synthesis/metapaths/phrases.yaml",
        "synthesis/rendering/templates/questions.yaml",
        "data/answerability.py",
        "rewards/correctness.py",
        "policies/tiny/model.safetensors",
    } <= listed


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"no source file of .* matches 'graph/onthology.py'"):
        source_sha256(["records.py", "graph/onthology.py"])


def test_settings_move_the_fingerprint() -> None:
    assert fingerprint({"seed": 1}) == fingerprint({"seed": 1}) != fingerprint({"seed": 2})


def test_the_source_of_a_custom_task_is_part_of_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "from bbflow.synthesis.tasks import FactRecall\n\n\nclass CustomRecall(FactRecall):\n    pass\n"
    file = tmp_path / "custom_recall_task.py"
    file.write_text(source)
    from custom_recall_task import CustomRecall

    def of_custom_task() -> str:
        return KnowledgeGraphData(ClinicalPack(), None, tasks={"custom": CustomRecall()}).fingerprint

    before = of_custom_task()
    assert of_custom_task() == before
    file.write_text(source.replace("pass", "wording = 'new'"))
    assert of_custom_task() != before
