import math

import pandas as pd

from bbflow.callbacks.rollout_log import RolloutLog
from bbflow.modules import GRPO
from bbflow.modules.grpo import RolloutRecord
from bbflow.optimization import GDPO
from bbflow.policies import PolicySettings
from bbflow.policies.rollouts import TransformersRollout


def test_rows_and_columns(tmp_path, example):
    record = RolloutRecord(
        [example(1, edges=[("drug:a", "treats", "disease:b"), ("drug:a", "interacts_with", "drug:c")])] * 2,
        ["yes", "no"],
        {"domain": [1.0, 0.0], "safety": [math.nan, math.nan]},
        [0.7, -0.7],
        [False, True],
    )
    path = tmp_path / "rollouts" / "step-000003.parquet"
    record.write(path, 3)
    table = pd.read_parquet(path)
    assert table["completion"].tolist() == ["yes", "no"]
    assert table["reward_domain"].tolist() == [1.0, 0.0]
    assert table["reward_safety"].isna().all()
    assert table["proof"].tolist() == ["drug:a treats disease:b; drug:a interacts_with drug:c"] * 2
    assert table[["step", "example_id", "truncated"]].values.tolist() == [[3, "e0001", False], [3, "e0001", True]]
    assert [p.name for p in (tmp_path / "rollouts").iterdir()] == ["step-000003.parquet"]


def test_every_nth_step_is_written(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path):
    policy = PolicySettings(path=str(tiny_qwen_dir))
    module = GRPO(policy, {"domain": vowels()}, TransformersRollout(group_size=2, max_new_tokens=4), GDPO())
    trainer = make_trainer(max_steps=5, callbacks=[RolloutLog(every_n_steps=2)])
    trainer.fit(module, make_data([example(i) for i in range(10)], batch_size=2))
    names = sorted(p.name for p in (tmp_path / "run" / "rollouts").iterdir())
    assert names == ["step-000001.parquet", "step-000003.parquet", "step-000005.parquet"]
    table = pd.read_parquet(tmp_path / "run" / "rollouts" / names[0])
    assert table["example_id"].tolist() == ["e0000", "e0000", "e0001", "e0001"]
