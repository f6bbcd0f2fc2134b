"""The worked example of docs/synthesis.md, as it stands there."""

import re
from pathlib import Path

from bbflow.graph import ClinicalPack
from bbflow.synthesis import generate

GUIDE = (Path(__file__).parents[2] / "docs" / "synthesis.md").read_text()


def test_the_task_of_the_guide_makes_proven_examples_in_its_own_words(tmp_path: Path) -> None:
    space: dict = {}
    exec(re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1], space)
    made = generate(ClinicalPack().load(), {"which_class": space["WhichClass"]()}, {"train": 20, "test": 4}, {}, 0)
    assert len(made.examples["train"]) > 5
    assert {e.prompt.split()[0] for e in made.examples["train"]} <= {"Which", "What"}
    assert all(e.prompt.startswith("Where does") for e in made.examples["test"])


def test_the_metapath_of_the_guide_is_read(tmp_path: Path) -> None:
    from bbflow.synthesis.metapaths import load_metapaths

    file = tmp_path / "mine.yaml"
    file.write_text(re.search(r"```yaml\n(metapaths:.*?)```", GUIDE, re.DOTALL)[1])
    (metapath,) = load_metapaths(file)
    assert metapath.steps == (("interacts_with", True), ("treats", True), ("diagnosed_by", True))
