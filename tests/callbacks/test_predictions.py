import pandas as pd
import pytest
from lightning.pytorch import LightningModule

from bbflow.callbacks import Predictions
from bbflow.modules import SFT
from bbflow.policies import PolicySettings


def test_predictions_of_every_batch_are_written_with_their_questions(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    module = SFT(PolicySettings(path=str(tiny_qwen_dir)), {"domain": vowels()}, max_new_tokens=5)
    data = make_data([], [example(i, question=f"Question {i}?") for i in range(3)], batch_size=2)
    trainer = make_trainer(callbacks=[Predictions()])
    trainer.test(module, data, verbose=False)
    trainer.predict(module, data)
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert table.columns.tolist() == ["example_id", "task", "prompt", "answer", "completion"]
    assert table["prompt"].tolist() == [f"Question {i}?" for i in range(3)]
    assert table["completion"].tolist() == module.scores["completion"].tolist()


def test_what_are_no_rows_is_told_and_not_written(example, make_trainer, make_data, tmp_path):
    class Silent(LightningModule):
        collate = staticmethod(len)

        def predict_step(self, batch, batch_idx):
            return None

    with pytest.warns(UserWarning, match="`predict_step` of Silent returned no rows"):
        make_trainer(callbacks=[Predictions()]).predict(Silent(), make_data([], [example(0)]))
    assert not list(tmp_path.rglob("predictions.parquet"))
