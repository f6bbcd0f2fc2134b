"""Shards: the same examples as in memory, the same bytes for any number of workers, and after a kill."""

from pathlib import Path

import pytest

from bbflow.data import KnowledgeGraphData
from bbflow.data.example_io import read_examples
from bbflow.data.sharding import write_shards
from bbflow.graph import ClinicalPack
from bbflow.records import SPLITS
from bbflow.synthesis import generate
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.tasks import ClinicalWorkflow, DoseCalculation, FactRecall, Statement, UnsafeRequest

CONTRACT = str(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bbflow.data.sharding.BLOCK", 256)


def data(folder: Path, contract: str | None = None, **changes) -> KnowledgeGraphData:
    tasks = {t.name: t for t in (FactRecall(), DoseCalculation(), ClinicalWorkflow(), UnsafeRequest())}
    sizes = {"train_size": 120, "validation_size": 8, "test_size": 20}
    return KnowledgeGraphData(ClinicalPack(), contract, tasks, cache_dir=str(folder), **{**sizes, **changes})


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*-of-*.parquet"))}


def test_shards_hold_what_is_made_in_memory_in_the_same_order(tmp_path: Path) -> None:
    module = data(tmp_path, held_out_mix={"fact_recall": 2.0})
    summary = write_shards(module.plan(50), tmp_path / "out")
    made = generate(module.graph, module.tasks, module.sizes, {}, 0, held_out_mix={"fact_recall": 2.0})
    assert read_examples(tmp_path / "out") == [e for split in SPLITS for e in made.examples[split]]
    assert {name for name in bytes_of(tmp_path / "out") if name.startswith("train")} == {
        f"train-{i:05d}-of-00003.parquet" for i in range(3)
    }
    assert sum(summary.counts.values()) == sum(map(len, made.examples.values()))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_shards_hold_what_curation_keeps_in_memory(tmp_path: Path) -> None:
    """Quotas and near duplicates decide across blocks; letters are not balanced, because a block counts them by itself."""
    curation = Curation(near_duplicates=0.5, balance_letters=False, held_out_per_cluster=2)
    tasks = {t.name: t for t in (Statement(), UnsafeRequest())}
    module = KnowledgeGraphData(ClinicalPack(), None, tasks, None, None, 600, 8, 20, curation=curation, cache_dir=str(tmp_path))
    summary = write_shards(module.plan(50), tmp_path / "out")
    made = generate(module.graph, tasks, module.sizes, {}, 0, curation=curation)
    assert read_examples(tmp_path / "out") == [e for split in SPLITS for e in made.examples[split]]
    assert summary.short == made.short
    assert {why for _, why in made.dropped} >= {"near duplicate", "there are enough about its entity"}


def test_two_workers_give_the_same_bytes(tmp_path: Path) -> None:
    write_shards(data(tmp_path).plan(50), tmp_path / "one")
    write_shards(data(tmp_path).plan(50), tmp_path / "two", workers=2)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bbflow.data import sharding

    write_shards(data(tmp_path).plan(50), tmp_path / "whole")
    written, real = [], sharding._write

    def killed(path: Path, table: object) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        real(path, table)

    monkeypatch.setattr(sharding, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        write_shards(data(tmp_path).plan(50), tmp_path / "again")
    assert not (tmp_path / "again").exists()
    monkeypatch.setattr(sharding, "_write", lambda path, table: written.append(path) or real(path, table))
    write_shards(data(tmp_path).plan(50), tmp_path / "again")
    assert len(written) == len(set(written))  # nothing was made twice
    assert bytes_of(tmp_path / "whole") == bytes_of(tmp_path / "again")


def test_what_a_killed_run_left_half_written_is_swept_away(tmp_path: Path) -> None:
    plan = data(tmp_path, CONTRACT).plan(50)
    write_shards(plan, tmp_path / "whole")
    work = tmp_path / f".again.{plan.key[:12]}.partial"
    for name in ("out/.train-00000-of-00003.parquet.77.tmp", "verdicts/.train-00000-of-00003.parquet.json.77.tmp"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(b"PAR")
    write_shards(plan, tmp_path / "again")
    assert sorted(p.name for p in (tmp_path / "again").iterdir()) == sorted(p.name for p in (tmp_path / "whole").iterdir())


def test_damaged_pieces_of_a_killed_run_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bbflow.data import sharding

    plan = data(tmp_path, CONTRACT).plan(50)
    write_shards(plan, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(sharding, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_shards(plan, tmp_path / "again")
    work = tmp_path / f".again.{plan.key[:12]}.partial"
    for number, piece in enumerate(("verdicts/{}.json", "out/{}", "quarantine/{}")):
        file = work / piece.format(f"train-{number:05d}-of-00003.parquet")
        file.write_bytes(file.read_bytes()[:40])
    block = work / "blocks" / "train-fact_recall-000000.parquet"
    changed = bytearray(block.read_bytes())
    changed[len(changed) // 2] ^= 1
    block.write_bytes(changed)
    write_shards(plan, tmp_path / "again")
    assert bytes_of(tmp_path / "whole") == bytes_of(tmp_path / "again")
    tables = [(tmp_path / run / "quarantine.parquet").read_bytes() for run in ("whole", "again")]
    assert tables[0] == tables[1]
