import json
from collections import Counter
from pathlib import Path

import pytest

from bbflow.data import KnowledgeGraphData
from bbflow.errors import InputError, Refused
from bbflow.graph import ClinicalPack, GraphFile
from bbflow.records import SPLITS
from bbflow.synthesis.tasks import FactRecall, MultiHop, TreatmentChoice

CONTRACT = str(Path(__file__).parents[2] / "data_contracts" / "clinical_qa.odcs.yaml")
SIZES = {"train_size": 60, "validation_size": 12, "test_size": 24}


def data(folder: Path, **changes) -> KnowledgeGraphData:
    return KnowledgeGraphData(ClinicalPack(), **{"contract": CONTRACT, **SIZES, "cache_dir": str(folder), **changes})


def ready(folder: Path, **changes) -> KnowledgeGraphData:
    module = data(folder, **changes)
    module.prepare_data()
    module.setup("fit")
    return module


def test_splits_receipt_and_cache(tmp_path: Path) -> None:
    module = ready(tmp_path, seed=2)  # of other seeds, pairs of cases leave a place empty
    assert {split: len(module.splits[split]) for split in SPLITS} == {"train": 60, "validation": 12, "test": 24}
    assert module.dataset.num_rows == {"train": 60, "validation": 12, "test": 24}
    assert module.receipt["verdict"]["accepted"] == 96
    before = {f.name: f.stat().st_mtime_ns for f in module.folder.iterdir()}
    again = ready(tmp_path, seed=2)
    assert again.splits == module.splits
    assert {f.name: f.stat().st_mtime_ns for f in again.folder.iterdir()} == before  # nothing was made twice


def test_the_same_recipe_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = ready(tmp_path / "a"), ready(tmp_path / "b")
    for split in SPLITS:
        assert (one.folder / f"{split}.parquet").read_bytes() == (other.folder / f"{split}.parquet").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"train_size": 61},
        {"mix": {"multi_hop": 2.0}},
        {"held_out_mix": {}},
        {"contract": None},
        {"tasks": {"fact_recall": FactRecall(choice=0.5)}},
    ],
)
def test_whatever_determines_the_examples_is_in_the_fingerprint(tmp_path: Path, change: dict) -> None:
    assert data(tmp_path).fingerprint != data(tmp_path, **change).fingerprint


def test_held_out_splits_may_have_a_mix_of_their_own(tmp_path: Path) -> None:
    mix = {"fact_recall": 3.0, "multi_hop": 0.0}
    module = ready(tmp_path, mix=mix, held_out_mix={"multi_hop": 3.0}, seed=2)
    counts = {split: Counter(example.task for example in module.splits[split]) for split in SPLITS}
    assert counts["train"] == {"fact_recall": 36, "constrained_answer": 12, "treatment_choice": 12}
    assert counts["test"] == {"fact_recall": 4, "multi_hop": 12, "constrained_answer": 4, "treatment_choice": 4}
    assert counts["validation"]["multi_hop"] == 6
    assert ready(tmp_path, mix=mix).splits["test"] != module.splits["test"]


def test_wrong_shares_are_told(tmp_path: Path) -> None:
    module = data(tmp_path, mix={"fact_recal": 1.0, "multi_hop": -1.0}, held_out_mix={"multihop": 1.0, "fact_recall": float("nan")})
    told = [(p.where.removeprefix("data.init_args."), p.what) for p in module.problems()]
    assert told == [
        ("mix", "'fact_recal' is no task"),
        ("mix", "the share of 'multi_hop' must be 0 or more, not -1.0"),
        ("held_out_mix", "'multihop' is no task"),
        ("held_out_mix", "the share of 'fact_recall' must be 0 or more, not nan"),
    ]


def test_the_fingerprint_does_not_change_when_the_tasks_are_used(tmp_path: Path) -> None:
    module = data(tmp_path)
    before = module.fingerprint
    module.prepare_data()
    assert module.fingerprint == before


@pytest.mark.parametrize("contract", [CONTRACT, None])
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", None], ids=["half", "empty", "missing"])
def test_a_broken_cache_is_made_anew(tmp_path: Path, contract: str | None, damage) -> None:
    module = ready(tmp_path, contract=contract)
    file = module.folder / "train.parquet"
    before = file.read_bytes()
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage(before))
    with pytest.warns(UserWarning, match="broken; they are made anew"):
        again = ready(tmp_path, contract=contract)
    assert again.splits == module.splits
    assert file.read_bytes() == before


def test_a_changed_byte_of_uncontracted_examples_is_noticed(tmp_path: Path) -> None:
    module = ready(tmp_path, contract=None)
    file = module.folder / "train.parquet"
    before = file.read_bytes()
    file.write_bytes(before[:300] + bytes([before[300] ^ 1]) + before[301:])
    with pytest.warns(UserWarning, match="made anew"):
        ready(tmp_path, contract=None)
    assert file.read_bytes() == before


def test_an_edited_byte_is_noticed_and_a_bad_row_never_trains(tmp_path: Path) -> None:
    """Advise a contraindicated drug in the cached file: the receipt is stale, the contract runs again and refuses."""
    from bbflow.data.example_io import read_examples, write_examples

    module = ready(tmp_path, tasks={"treatment_choice": TreatmentChoice()})
    file = module.folder / "train.parquet"
    examples = read_examples(file)
    i = next(i for i, e in enumerate(examples) if e.recommended and e.edges[0][1] == "contraindicated_in")
    examples[i].recommended[0]["drug"] = examples[i].edges[0][0]
    write_examples(file, examples)
    with pytest.raises(Refused, match=r"contraindicated"):
        data(tmp_path, tasks={"treatment_choice": TreatmentChoice()}).prepare_data()


def test_uncontracted_data_have_no_receipt(tmp_path: Path) -> None:
    module = ready(tmp_path, contract=None)
    assert module.receipt is None
    assert not (module.folder / "receipt.json").exists()


def test_an_interrupted_run_leaves_nothing_under_the_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = data(tmp_path)
    monkeypatch.setattr("bbflow.data.contract_datamodule.write_receipt", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        module.prepare_data()
    assert not module.folder.exists()
    assert not list(tmp_path.iterdir())


def test_problems_come_together(tmp_path: Path) -> None:
    bad = data(tmp_path, mix={"multihop": 1.0}, train_size=0, contract=str(tmp_path / "none.yaml"), batch_size=0)
    text = "\n".join(map(str, bad.problems()))
    for part in ("did you mean 'multi_hop'", "train_size must be at least 1", "batch_size must be at least 1", "none.yaml"):
        assert part in text


def test_a_graph_with_a_dangling_edge_is_named_by_file_and_line(tmp_path: Path) -> None:
    graph = tmp_path / "g.yaml"
    graph.write_text("nodes:\n- {id: drug:a, kind: Drug, name: a}\nedges:\n- [drug:a, treats, disease:b, label:a b]\n")
    module = KnowledgeGraphData(GraphFile(str(graph)), None)
    assert "g.yaml:4:" in str(module.problems()[0])
    with pytest.raises(InputError, match="dangles"):
        module.prepare_data()


def test_resize_keeps_proportions_and_the_total(tmp_path: Path) -> None:
    module = data(tmp_path, train_size=80, validation_size=10, test_size=10)
    module.resize(50)
    assert module.sizes == {"train": 40, "validation": 5, "test": 5}
    module.resize(3)
    assert module.sizes == {"train": 1, "validation": 1, "test": 1}


def test_any_number_of_workers_gives_the_same_examples(tmp_path: Path) -> None:
    one, two = data(tmp_path, tasks={"multi_hop": MultiHop()}), data(tmp_path, tasks={"multi_hop": MultiHop()})
    (tmp_path / "1").mkdir(), (tmp_path / "2").mkdir()
    assert one.write(tmp_path / "1").examples == two.write(tmp_path / "2", workers=2).examples


def test_generate_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_qwen_dir: Path) -> None:
    from bbflow.cli.main import main

    monkeypatch.chdir(tmp_path)
    recipe = Path(CONTRACT).parents[1] / "recipes" / "grpo.yaml"
    assert main(["generate", "--config", str(recipe), "--out", "out", "--num", "60"]) == 0
    out = tmp_path / "out"
    assert {f.name for f in out.iterdir()} == {
        "train.parquet", "validation.parquet", "test.parquet", "receipt.json", "quarantine.parquet", "README.md", "croissant.json",
    }  # fmt: skip
    metadata = json.loads((out / "croissant.json").read_text())
    assert [d["contentUrl"] for d in metadata["distribution"]] == ["train.parquet", "validation.parquet", "test.parquet"]
    assert "not medical advice" in (out / "README.md").read_text()
    assert main(["contracts", "validate", "--contract", CONTRACT, "--data", str(out / "train.parquet")]) == 0
    assert main(["generate", "--config", str(recipe), "--out", "out"]) == 2
