"""What the shipped tasks write names no drug that the pack does not know."""

from pathlib import Path

import pytest

from bbflow.data import KnowledgeGraphData
from bbflow.graph import ClinicalPack
from bbflow.synthesis.tasks import ClinicalWorkflow, DoseCalculation, InteractionCheck, TreatmentChoice

CONTRACT = Path(__file__).parents[3] / "data_contracts" / "clinical_qa.odcs.yaml"


@pytest.mark.parametrize("task", [DoseCalculation, InteractionCheck, TreatmentChoice, ClinicalWorkflow])
def test_no_word_of_a_shipped_task_is_taken_for_an_unknown_drug(tmp_path, task):
    data = KnowledgeGraphData(
        ClinicalPack(), contract=str(CONTRACT), tasks={"t": task()}, train_size=400, validation_size=8, test_size=8, cache_dir=str(tmp_path)
    )  # fmt: skip
    data.prepare_data()
    data.setup("fit")
    (rule,) = [rule for rule in data.receipt["verdict"]["rules"] if rule["id"] == "text-drugs-known"]
    assert (rule["evaluated"] > 300, rule["failing"]) == (True, 0)
