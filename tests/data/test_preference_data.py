"""Cached preference pairs: what training reads is what was proved, byte by byte."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bbflow.data import PreferenceData
from bbflow.data.preference_data import FILE
from bbflow.graph import ClinicalPack
from bbflow.synthesis.tasks import FactRecall, MultiHop

CONTRACT = str(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")


def edited(file: Path) -> None:
    rows = pq.read_table(file).to_pylist()
    rows[0]["chosen"] = rows[0]["rejected"]
    pq.write_table(pa.Table.from_pylist(rows), file)


@pytest.mark.parametrize("contract", [CONTRACT, None])
@pytest.mark.parametrize("damage", [edited, lambda f: f.write_bytes(f.read_bytes()[:200]), Path.unlink], ids=["edited", "cut", "deleted"])
def test_pairs_that_are_not_as_they_were_made_are_made_anew(tmp_path: Path, contract: str | None, damage) -> None:
    def ready() -> PreferenceData:
        tasks = {task.name: task for task in (FactRecall(), MultiHop())}
        sizes = {"train_size": 60, "validation_size": 20, "test_size": 40}
        module = PreferenceData(ClinicalPack(core=True), contract, tasks, **sizes, held_out_clusters=0.4, cache_dir=str(tmp_path))
        module.prepare_data()
        module.setup("fit")
        return module

    made = ready()
    damage(made.folder / FILE)
    with pytest.warns(UserWarning, match=f"{FILE}: the cached preference pairs are broken or were changed"):
        again = ready()
    assert again.pairs == made.pairs
    before = {file.name: file.stat().st_mtime_ns for file in made.folder.iterdir()}
    assert ready().pairs == made.pairs
    assert {file.name: file.stat().st_mtime_ns for file in made.folder.iterdir()} == before
