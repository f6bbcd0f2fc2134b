"""The reward model: losses by hand, training that lowers them, a folder that comes back the same, and refusals."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bbflow.callbacks import OveroptimizationMonitor
from bbflow.capabilities import Capability
from bbflow.cli.main import main
from bbflow.data.preference_pairs import PreferencePair, make_pairs
from bbflow.errors import InputError, Refused
from bbflow.evaluation.pair_scores import PairScores, ShallowBaseline, evaluate_pairs, expected_calibration_error, fit_temperature
from bbflow.modules import RewardModel
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.preference_losses import bradley_terry, correctness
from bbflow.policies import PolicySettings, load_policy
from bbflow.policies.reward_heads import (
    HEADS_FILE,
    SILENT,
    RewardModelFile,
    RewardScorer,
    Scored,
    load_scorer,
    reward_model_problems,
    stack,
)
from bbflow.policies.settings import LoraSettings
from bbflow.rewards import CorrectAnswer, LearnedReward
from bbflow.synthesis.corruption import CORRUPTIONS, HEADS
from bbflow.testing import CHOICE, GRAPH, MULTI_HOP

ROOT = Path(__file__).parents[2]


def pair(n: int, chosen: str, rejected: str, head: str = "factual", corruption: str = "sibling_entity", split="train") -> PreferencePair:
    return PreferencePair(
        f"p{n}", [{"role": "user", "content": "Which drug?"}], chosen, rejected, corruption, head, 0.5, "t", f"c{n % 4}", split
    )


def test_bradley_terry_by_hand() -> None:
    loss = bradley_terry(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]), margin_N=0.5, centring=0.01)
    assert loss[0].item() == pytest.approx(np.log1p(np.exp(-0.5)) + 0.01 * 9.0)
    assert loss[1].item() == pytest.approx(np.log1p(np.exp(0.5)))


def test_the_cross_entropy_fixes_the_zero_that_bradley_terry_leaves_free() -> None:
    chosen, rejected = torch.tensor([1.0]), torch.tensor([0.0])
    shifted = (chosen + 5, rejected + 5)
    assert bradley_terry(*shifted, centring=0.0).item() == pytest.approx(bradley_terry(chosen, rejected, centring=0.0).item())
    both = torch.tensor([1.0, 0.0, 6.0, 5.0])
    right = torch.tensor([True, False, True, False])
    losses = correctness(both, right)
    assert losses[2:].sum() > losses[:2].sum()


@pytest.fixture
def scorer(tiny_qwen_dir: Path) -> RewardScorer:
    torch.manual_seed(0)
    return RewardScorer(load_policy(PolicySettings(path=str(tiny_qwen_dir))), RewardModelFile(HEADS, max_length=64))


PROMPT = [{"role": "user", "content": "Which drug treats hypertension?"}]
TEXTS = ["Answer: amlodipine", "Answer: metformin", "propranolol is contraindicated in asthma. Answer: none of these"]


def test_scores_do_not_depend_on_the_batch(scorer: RewardScorer) -> None:
    together = scorer.score([PROMPT] * 3, TEXTS, batch_size=3)
    alone = torch.cat([scorer.score([PROMPT], [text]).heads_NK for text in TEXTS])
    assert torch.allclose(together.heads_NK, alone, atol=1e-5)
    assert torch.allclose(together.gate_NK.sum(1), torch.ones(3))
    assert torch.allclose(together.gated_N, (together.heads_NK * together.gate_NK).sum(1))


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4)])
@pytest.mark.parametrize(("pooling", "pointer"), [("attention", True), ("last", False)])
def test_the_head_comes_back_with_its_backbone(tiny_qwen_dir, tmp_path, adapter, pooling, pointer) -> None:
    torch.manual_seed(1)
    policy = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=adapter))
    one = RewardScorer(policy, RewardModelFile(("a", "b"), pooling, pointer, 64, {"gated": 2.0}))
    for parameter in one.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)
    one.save(tmp_path / "rm")
    other = load_scorer(str(tmp_path / "rm"))
    before, after = one.score([PROMPT] * 3, TEXTS), other.score([PROMPT] * 3, TEXTS)
    assert torch.allclose(before.heads_NK, after.heads_NK, atol=1e-5)
    assert other.file.temperature == {"gated": 2.0}
    assert not any(p.requires_grad for p in other.parameters())


def test_what_is_too_long_is_flagged(scorer: RewardScorer) -> None:
    scored = scorer.score([PROMPT, PROMPT], ["Answer: amlodipine", "amlodipine " * 100])
    assert scored.truncated_N.tolist() == [False, True]


def test_a_prompt_cut_to_one_token_supports_nothing_however_wide_the_batch(scorer: RewardScorer) -> None:
    prompt, answer, cut = scorer.encode(PROMPT, "amlodipine " * 100)
    assert cut
    assert len(prompt) == 1
    ids, response = stack([(prompt, answer)], scorer.policy.pad_id)
    wide = torch.nn.functional.pad(ids, (0, 40), value=scorer.policy.pad_id), torch.nn.functional.pad(response, (0, 40))
    with torch.no_grad():
        (narrow_1K, _, hidden_1LD), (wide_1K, *_) = scorer.eval()(ids, response), scorer(*wide)
        support_1L = scorer.heads.pointer(hidden_1LD, ids, torch.arange(ids.shape[1])[None] < 1)
    torch.testing.assert_close(narrow_1K, wide_1K, atol=1e-5, rtol=0)
    torch.testing.assert_close(support_1L, torch.full_like(support_1L, SILENT))


def test_half_precision(scorer: RewardScorer) -> None:
    ids, response = stack([scorer.encode(PROMPT, text)[:2] for text in TEXTS], scorer.policy.pad_id)
    expected_NK = scorer.eval()(ids, response)[0]
    for dtype in (torch.float16, torch.bfloat16):
        with torch.autocast("cpu", dtype=dtype):
            heads_NK = scorer(ids, response)[0]
        torch.testing.assert_close(heads_NK.float(), expected_NK, atol=0.05, rtol=0)
        heads_NK.sum().backward()
    assert all(p.grad.isfinite().all() for p in scorer.heads.parameters() if p.grad is not None)


def test_a_folder_without_its_head_is_refused(scorer, tmp_path, tiny_qwen_dir) -> None:
    scorer.save(tmp_path / "rm")
    (tmp_path / "rm" / HEADS_FILE).unlink()
    with pytest.raises(InputError, match="lacks its head: reward_heads"):
        load_scorer(str(tmp_path / "rm"))
    assert "no reward-model folder" in str(reward_model_problems(str(tmp_path / "none"), "x")[0])
    assert "lacks its head" in str(LearnedReward(str(tiny_qwen_dir)).problems("here")[0])


def test_another_tokenizer_is_refused(scorer, tmp_path, tiny_qwen_dir) -> None:
    scorer.save(tmp_path / "rm")
    reward = LearnedReward(str(tmp_path / "rm"))
    assert reward.policy_problems(PolicySettings(path=str(tiny_qwen_dir)), "here") == []
    assert "differs from that of the policy" in str(reward.policy_problems(PolicySettings(path="tiny"), "here")[0])
    assert LearnedReward(str(tmp_path / "rm"), same_tokenizer=False).policy_problems(PolicySettings(path="tiny"), "here") == []
    facts = json.loads((tmp_path / "rm" / "reward_model.json").read_text())
    (tmp_path / "rm" / "reward_model.json").write_text(json.dumps({**facts, "tokenizer_sha256": "0"}))
    with pytest.raises(InputError, match="tokenizer is not the one"):
        load_scorer(str(tmp_path / "rm"))


def test_the_model_that_watches_is_not_the_one_that_pays(scorer, tmp_path) -> None:
    scorer.save(tmp_path / "rm")
    shutil.copytree(tmp_path / "rm", tmp_path / "gold")
    paying = Capability(CorrectAnswer(), {"learned": LearnedReward(str(tmp_path / "rm"))})
    assert OveroptimizationMonitor(str(tmp_path / "gold")).problems({"domain": paying}) == []
    said = str(OveroptimizationMonitor(str(tmp_path / "." / "rm")).problems({"domain": paying})[0])
    assert "the reward 'learned' of 'domain' pays by" in said
    assert len(OveroptimizationMonitor(str(tmp_path / "gold"), every_n_steps=0, rollouts=0, facts=-1).problems({})) == 3


def test_learned_reward_is_calibrated_pure_and_flags_cut_inputs(scorer, tmp_path) -> None:
    scorer.file = RewardModelFile(HEADS, max_length=200, temperature={"gated": 2.0})
    scorer.save(tmp_path / "rm")
    reward = LearnedReward(str(tmp_path / "rm"), facts=2)
    reward.prepare(GRAPH)
    texts = [CHOICE.response, "Answer: propranolol", f"{'amlodipine ' * 300}Answer: B"]
    scores = reward([CHOICE] * 3, texts)
    assert scores[2] is None
    assert reward.truncated_count == 1
    assert all(score is not None and 0 <= score <= 1 for score in scores[:2])
    assert reward([CHOICE], texts[:1])[0] == pytest.approx(scores[0], abs=1e-5)
    logit = scorer.score([reward._judged(CHOICE).messages], texts[:1]).gated_N
    assert scores[0] == pytest.approx(torch.sigmoid(logit / 2.0).item(), abs=1e-5)
    assert reward([CHOICE] * 4, ["", CHOICE.prompt, "Answer: B. Answer: A", "Answer: аmlodipine"]) == [0.0] * 4  # noqa: RUF001
    assert "factual" in str(LearnedReward(str(tmp_path / "rm"), head="factul").problems("x")[0])


def test_pairs_are_wrong_in_one_way_and_hold_out_entities_and_corruptions() -> None:
    from bbflow.graph import ClinicalPack
    from bbflow.synthesis import generate
    from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, TreatmentChoice

    graph = ClinicalPack().load()
    tasks = {task.name: task for task in (FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice())}
    examples = generate(graph, tasks, {"train": 250}, {}, 3).examples["train"]
    pairs = make_pairs(graph, examples, [c() for c in CORRUPTIONS], ["inverted_relation"], 0.2, facts=4)
    train = [p for p in pairs if p.split == "train"]
    held_out = {p.cluster for p in pairs if p.split != "train"}
    by_id = {e.example_id: e for e in examples}
    assert train
    assert held_out
    assert "inverted_relation" not in {p.corruption for p in train}
    assert "inverted_relation" in {p.corruption for p in pairs}
    for p in train:
        proof = by_id[p.pair_id.split("/")[0]].edges
        assert not held_out & {node for edge in proof for node in (edge[0], edge[2])}
    assert all(p.chosen != p.rejected and "Go by these facts alone: " in p.messages[0]["content"] for p in pairs)
    gap = np.mean([abs(len(p.chosen) - len(p.rejected)) for p in pairs])
    assert gap < 0.25 * np.mean([len(p.chosen) for p in pairs])
    assert pairs == make_pairs(graph, examples, [c() for c in CORRUPTIONS], ["inverted_relation"], 0.2, facts=4)


def test_ece_and_temperature_by_hand() -> None:
    error, bins = expected_calibration_error(np.array([0.05, 0.95, 0.95]), np.array([0.0, 1.0, 0.0]))
    assert error == pytest.approx((0.05 + 2 * 0.45) / 3)
    assert len(bins) == 2
    logits = torch.tensor([[4.0]] * 3 + [[-4.0]] + [[-4.0]] * 3 + [[4.0]])  # three of four right on either side: T = 4 / log 3
    scores = PairScores([pair(i, "a", "b", "x") for i in range(4)], Scored(logits, torch.ones(8, 1), torch.zeros(8, dtype=torch.bool)))
    assert fit_temperature(scores, ("x",))["gated"] == pytest.approx(4 / np.log(3), rel=1e-3)


def test_the_baseline_learns_words_and_nothing_else() -> None:
    train = [pair(i, f"good answer {i}", f"bad answer {i}") for i in range(50)]
    baseline = ShallowBaseline().fit(train)
    assert baseline.prefers(pair(99, "good thing", "bad thing"))
    assert not baseline.prefers(pair(99, "bad thing", "good thing"))


def test_evaluation_names_the_worst_group() -> None:
    pairs = [pair(i, "aa", "bb", corruption=k) for i in range(12) for k in ("sibling_entity", "unsafe_drug")]
    won = torch.tensor([1.0 if p.corruption == "sibling_entity" else -1.0 for p in pairs] + [0.0] * len(pairs))[:, None]
    scores = PairScores(pairs, Scored(won, torch.ones(len(won), 1), torch.zeros(len(won), dtype=torch.bool)))
    result = evaluate_pairs(scores, {"gated": 1.0}, pairs, {"unsafe_drug"})
    assert result["accuracy"] == 1.0
    assert result["held_out_accuracy"] == 0.0
    assert result["worst_group"] == {"group": "unsafe_drug / t", "accuracy": 0.0, "n": 12}


def test_training_lowers_the_loss(tiny_qwen_dir, make_trainer) -> None:
    torch.manual_seed(0)
    module = RewardModel(PolicySettings(path=str(tiny_qwen_dir)), optimizer=OptimizerSettings(learning_rate=3e-3), language_weight=0.0)
    module.configure_model()
    pairs = [pair(i, "Answer: amlodipine", "Answer: metformin") for i in range(4)]
    batch = module.collate(pairs)
    assert batch.tensors["ids"].shape[0] == 8
    trainer = make_trainer(max_steps=12)
    loader = torch.utils.data.DataLoader([pairs[i % 4] for i in range(48)], batch_size=4, collate_fn=module.collate)
    trainer.fit(module, loader)
    scores = module.score_pairs(pairs)
    assert scores.won().all()
    assert scores.scored.gated_N[0] > 0 > scores.scored.gated_N[4]


def test_an_accumulated_step_is_the_mean_over_its_batches(tiny_qwen_dir, make_trainer) -> None:
    class Watched(RewardModel):
        def on_before_optimizer_step(self, optimizer):
            self.gradient = torch.cat([p.grad.flatten().clone() for p in self.parameters() if p.grad is not None])

    pairs = [pair(i, "Answer: amlodipine" + " and asthma" * i, "Answer: metformin") for i in range(3)]

    def gradient(pairs, accumulate=1):
        torch.manual_seed(0)
        module = Watched(PolicySettings(path=str(tiny_qwen_dir)))
        module.configure_model()
        loader = torch.utils.data.DataLoader(pairs, batch_size=2, collate_fn=module.collate)
        make_trainer(max_steps=1, accumulate_grad_batches=accumulate).fit(module, loader)
        return module.gradient

    torch.testing.assert_close(gradient(pairs, 2), (gradient(pairs[:2]) + gradient(pairs[2:])) / 2, atol=1e-6, rtol=1e-4)


def test_ranks_log_the_accuracy_of_all_pairs(tmp_path, tiny_qwen_dir, monkeypatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    import ddp_reward_accuracy

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ddp_reward_accuracy.__file__, str(tiny_qwen_dir), str(tmp_path / "logged")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=tmp_path, env=environment)
    assert ran.returncode == 0, ran.stderr[-3000:]
    expected = {"": 4 / 7, "/factual": 2 / 3, "/safety": 0.0, "/workflow": 1.0, "/reasoning": 0.5}
    for rank in (0, 1):
        logged = json.loads((tmp_path / f"logged.{rank}").read_text())
        assert logged == pytest.approx({f"test/accuracy{head}": value for head, value in expected.items()})
    _, alone = ddp_reward_accuracy.tested(str(tiny_qwen_dir), 1)
    assert alone == pytest.approx(logged)


@pytest.mark.parametrize("nonfinite", ["stop", "skip"])
def test_a_gradient_that_is_not_finite(tiny_qwen_dir, make_trainer, tmp_path, nonfinite) -> None:
    class Broken(RewardModel):
        def training_step(self, batch, batch_idx):
            return super().training_step(batch, batch_idx) * (float("nan") if self.global_step == 1 else 1.0)

    settings = OptimizerSettings(learning_rate=3e-3, nonfinite=nonfinite)
    module = Broken(PolicySettings(path=str(tiny_qwen_dir)), optimizer=settings, language_weight=0.0)
    module.configure_model()
    pairs = [pair(i, "Answer: amlodipine", "Answer: metformin") for i in range(12)]
    loader = torch.utils.data.DataLoader(pairs, batch_size=4, collate_fn=module.collate)
    with pytest.raises(Refused, match="step 1") if nonfinite == "stop" else pytest.warns(UserWarning, match="skipped"):
        make_trainer(max_steps=3).fit(module, loader)
    assert all(p.isfinite().all() for p in module.parameters())
    (kept,) = (tmp_path / "run" / "faults").iterdir()
    assert [json.loads(line)["pair_id"] for line in kept.read_text().splitlines()] == ["p4", "p5", "p6", "p7"]


SMALL = ["--data.init_args.train_size=160", "--data.init_args.validation_size=20", "--data.init_args.test_size=60", "--trainer.max_steps=2",
         "--trainer.accelerator=cpu", "--trainer.precision=32", "--data.init_args.held_out_clusters=0.3", "--trainer.val_check_interval=2"]  # fmt: skip


def test_the_recipe_leaves_a_model_and_a_report_and_grpo_takes_it(tmp_path, monkeypatch, tiny_qwen_dir) -> None:
    monkeypatch.chdir(tmp_path)
    path = f"--model.init_args.policy.path={tiny_qwen_dir}"
    assert main(["fit", "--config", str(ROOT / "recipes" / "reward.yaml"), path, *SMALL]) == 0
    run = tmp_path / "runs" / "reward" / "version_0"
    report = json.loads((run / "report" / "report.json").read_text())["reward_model"]
    assert {"accuracy", "held_out_accuracy", "by_corruption", "worst_group", "calibration", "length", "baseline"} <= set(report)
    page = (run / "report" / "index.html").read_text()
    assert "reliability" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    shutil.copytree(run / "reward_model", tmp_path / "gold")
    steps = ["--trainer.max_steps=2", "--trainer.accelerator=cpu", "--model.init_args.rollout.init_args.group_size=2",
             "--model.init_args.rollout.init_args.max_new_tokens=6", "--data.init_args.train_size=40", "--data.init_args.validation_size=8",
             "--data.init_args.test_size=16", "--data.init_args.batch_size=4", "--trainer.val_check_interval=2"]  # fmt: skip
    models = [f"--vars.reward_model={run / 'reward_model'}", f"--vars.gold_model={tmp_path / 'gold'}"]
    assert main(["fit", "--config", str(ROOT / "recipes" / "hybrid.yaml"), path, *models, *steps]) == 0
    hybrid = tmp_path / "runs" / "hybrid" / "version_0"
    with (hybrid / "metrics.csv").open() as file:
        watched = [row for row in csv.DictReader(file) if row["gold/kl"]]
    assert float(watched[0]["gold/kl"]) == pytest.approx(0.0, abs=1e-6)  # before the first update the policy is where it started
    assert 0.0 <= float(watched[0]["gold/score"]) <= 1.0
    assert "Over-optimisation watch" in (hybrid / "report" / "index.html").read_text()


def test_the_hybrid_recipe_without_reward_models_says_what_is_missing(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    missing = ["--vars.reward_model=none", "--vars.gold_model=none"]
    assert main(["fit", "--config", str(ROOT / "recipes" / "hybrid.yaml"), *missing]) == 2
    said = capsys.readouterr().err
    assert "there is no reward-model folder 'none'" in said
    assert "domain.rewards.learned" in said


def test_a_reward_model_on_examples_is_refused(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = (ROOT / "recipes" / "grpo.yaml").read_text()
    head = "model:\n  class_path: RewardModel\n  init_args: {policy: {path: tiny}}\n"
    text = recipe[: recipe.index("model:")] + head + recipe[recipe.index("data:") :]
    text = text.replace("../data_contracts", str(ROOT / "data_contracts"))
    Path("wrong.yaml").write_text(text)
    assert main(["fit", "--config", "wrong.yaml"]) == 2
    assert "needs preference pairs" in capsys.readouterr().err
    assert MULTI_HOP.edges
