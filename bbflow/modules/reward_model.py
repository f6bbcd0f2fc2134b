"""A reward model: what a response is worth, by head and as a whole, learned from correct and corrupted responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from bbflow.data.preference_pairs import PreferencePair
from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.evaluation.pair_scores import PairScores, evaluate_pairs, fit_temperature
from bbflow.modules.base import WHERE
from bbflow.modules.batch import Batch
from bbflow.modules.training.distributed import all_gather_dict
from bbflow.modules.training.gradient_check import GradientCheck
from bbflow.modules.training.hyperparameters import plain
from bbflow.modules.training.metric_sums import MetricSums
from bbflow.modules.training.micro_batching import MicroBatches, micro_batch_problems
from bbflow.modules.training.preflight import warn_of_emulated_precision
from bbflow.modules.training.state_dict_errors import fitting_weights
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.preference_losses import bradley_terry, correctness
from bbflow.policies import PolicySettings, load_policy
from bbflow.policies.chunked_logits import head_logprobs
from bbflow.policies.reward_heads import GATED, Pooling, RewardModelFile, RewardScorer, stack
from bbflow.synthesis.corruption import HEADS

FOLDER = "reward_model"
"""Where in the run folder the trained model is saved."""


class RewardModel(LightningModule):
    """Scores responses in several dimensions; a gate mixes them by what the prompt asks for.

    Every pair teaches its own head and the mixture, each by two losses: Bradley-Terry with the pair's margin and centring, and the
    cross-entropy of correct against corrupted, after which a score of 0 means even odds. Heads that a pair says nothing about are left
    alone. `language_weight` adds the likelihood of the chosen response under the backbone's own head, which keeps its hidden states
    general (GRM, arXiv 2406.10216). Dropout is off.

    At the end of a run the model is written to `<run>/reward_model/`: backbone or adapter, tokenizer, heads, and temperatures fitted on
    the validation pairs; the evaluation on the test pairs goes to `<run>/report/`.

    Args:
        policy: The backbone; any policy path, trained in full or by an adapter.
        heads: Names of the dimensions; the pairs' heads must be among them.
        pooling: `attention`: each head attends to the response tokens; `last`: the end mark alone is read.
        pointer: Whether each token of the response carries its support by the prompt (`bbflow.policies.reward_heads.Pointer`).
        margins: Whether a pair's margin counts in the Bradley-Terry loss.
        centring: Weight of (chosen + rejected)^2.
        absolute_weight: Weight of the cross-entropy.
        language_weight: Weight of the language-model loss on chosen responses.
        optimizer: Optimiser and schedule.
        max_length: Longest prompt and response together, in tokens; longer ones keep the end of the prompt. At most what the
            model reads.
        evaluation_batch_size: Rows scored together at evaluation.
        micro_batch_tokens: Most tokens whose activations a training step holds at once, padding included: pairs are then run in several
            passes, each differentiated before the next, and the gradient is the same; null: in one pass.
    """

    def __init__(
        self,
        policy: PolicySettings,
        heads: list[str] | None = None,
        pooling: Pooling = "attention",
        pointer: bool = True,
        margins: bool = True,
        centring: float = 0.01,
        absolute_weight: float = 1.0,
        language_weight: float = 0.1,
        optimizer: OptimizerSettings = OptimizerSettings(learning_rate=1.0e-3),  # noqa: B008 (frozen)
        max_length: int = 512,
        evaluation_batch_size: int = 64,
        micro_batch_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        for name, value in self.hparams.items():
            self.hparams[name] = plain(value)
        self.policy_settings, self.optimizer_settings = policy, optimizer
        self.file = RewardModelFile(tuple(heads or HEADS), pooling, pointer, max_length)
        self.margins, self.centring = margins, centring
        self.absolute_weight, self.language_weight = absolute_weight, language_weight
        self.evaluation_batch_size = evaluation_batch_size
        self.micro_batches = MicroBatches(micro_batch_tokens)
        self._scorer: RewardScorer | None = None
        self._encoded: dict[str, list[tuple[list[int], list[int]]]] = {}
        self._held_out: list[PreferencePair] = []
        self._finishing = False
        self._gradient_check = GradientCheck(optimizer.nonfinite)

    # ---- before anything is loaded

    def problems(self, data: Any) -> list[Problem]:
        """Lists what is wrong with the recipe, by itself and against the data module; loads nothing."""
        found = self.policy_settings.problems(f"{WHERE}.policy") + self.optimizer_settings.problems(f"{WHERE}.optimizer")
        for name in ("centring", "absolute_weight", "language_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                found.append(Problem(f"{name} must be 0 or more, not {getattr(self, name)}", f"{WHERE}.{name}"))
        if self.file.max_length < 2:
            found.append(Problem(f"max_length must be at least 2, not {self.file.max_length}", f"{WHERE}.max_length"))
        if len(set(self.file.heads)) != len(self.file.heads) or GATED in self.file.heads:
            found.append(Problem(f"heads need names of their own, none of them '{GATED}'", f"{WHERE}.heads"))
        if data is not None and not hasattr(data, "corruptions"):
            found.append(Problem(f"a reward model needs preference pairs, not {type(data).__name__}", "data.class_path", "PreferenceData"))
        for corruption in getattr(data, "corruptions", ()):
            if corruption.head not in self.file.heads:
                what = f"corruption '{corruption.name}' teaches head '{corruption.head}', which the model lacks"
                found.append(Problem(what, f"{WHERE}.heads", did_you_mean(corruption.head, self.file.heads)))
        return list(dict.fromkeys(found))

    def setup(self, stage: str) -> None:
        """Refuses a wrong recipe; Lightning loads the model after this."""
        problems = self.problems(getattr(self.trainer, "datamodule", None))
        problems += micro_batch_problems(self.micro_batches.tokens, self.trainer, f"{WHERE}.micro_batch_tokens") if stage == "fit" else []
        if problems:
            raise InputError(*problems)
        warn_of_emulated_precision(self.trainer)

    def configure_model(self) -> None:
        """Loads the backbone and makes the heads, once."""
        if self._scorer is None:
            policy = load_policy(self.policy_settings)
            self.file = replace(self.file, max_length=policy.clamp_max_length(self.file.max_length))
            self.scorer = self._scorer = RewardScorer(policy, self.file)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Takes the weights of a checkpoint.

        Raises:
            InputError: They are those of another model.
        """
        with fitting_weights():
            return super().load_state_dict(state_dict, strict, assign)

    @property
    def ready(self) -> RewardScorer:
        """The scorer, after `configure_model`."""
        if self._scorer is None:
            raise RuntimeError("the backbone is not loaded yet: call configure_model() first")
        return self._scorer

    # ---- training

    def collate(self, pairs: list[PreferencePair]) -> Batch:
        """Tokenises N pairs into 2N rows: the chosen responses, then the rejected ones."""
        rows = [self._encode(pair) for pair in pairs]
        ids, response = stack([both[0] for both in rows] + [both[1] for both in rows], self.ready.policy.pad_id)
        tensors = {
            "ids": ids,
            "response": response,
            "head": torch.tensor([self.file.heads.index(pair.head) for pair in pairs]),
            "margin": torch.tensor([pair.margin if self.margins else 0.0 for pair in pairs]),
        }
        return Batch(cast("list[Any]", pairs), tensors)

    def _encode(self, pair: PreferencePair) -> list[tuple[list[int], list[int]]]:
        if pair.pair_id not in self._encoded:
            self._encoded[pair.pair_id] = [self.ready.encode(pair.messages, text)[:2] for text in (pair.chosen, pair.rejected)]
        return self._encoded[pair.pair_id]

    def on_train_start(self) -> None:
        """Switches dropout off: a pair is compared under one and the same network."""
        self.ready.eval()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a batch of pairs."""
        widths = [2 * batch.tensors["ids"].shape[1]] * len(batch)
        answers = batch.tensors["response"][: len(batch), 1:].sum()

        def run() -> tuple[Tensor, Tensor]:
            won_N = torch.zeros(len(batch), device=self.device)
            return self.micro_batches(self, widths, lambda pairs: self._loss(batch, pairs, answers, won_N)), won_N

        loss, won_N = self.micro_batches.step(self, run)
        sums = MetricSums()
        sums.add("train/loss", loss, 1)  # as the gradient: the mean over ranks, whatever their batches hold
        sums.add("train/accuracy", won_N.sum(), len(batch))
        self.log_dict(sums.means(self.trainer), prog_bar=True, batch_size=len(batch))
        return loss

    def _loss(self, batch: Batch, pairs_n: Tensor, answers: Tensor, won_N: Tensor) -> Tensor:
        """What some pairs add to the batch's loss, the mean over its pairs; notes whether each was ranked rightly.

        Args:
            batch: N pairs.
            pairs_n: Numbers of n of them.
            answers: Tokens of all chosen responses, the divisor of the language-model loss.
            won_N: Gets 1 where the chosen response scores higher.
        """
        count, rows_m = len(pairs_n), torch.cat([pairs_n, pairs_n + len(batch)])
        ids, response = batch.tensors["ids"][rows_m], batch.tensors["response"][rows_m]
        heads_mK, gate_mK, hidden_mLD = self.ready(ids, response)
        gated_m = (heads_mK * gate_mK).sum(1)
        own_m = heads_mK[torch.arange(2 * count, device=self.device), batch.tensors["head"][pairs_n].repeat(2)]
        correct_m = torch.arange(2 * count, device=self.device) < count
        loss = torch.zeros((), device=self.device)
        for scores_m in (own_m, gated_m):
            loss = loss + bradley_terry(scores_m[:count], scores_m[count:], batch.tensors["margin"][pairs_n], self.centring).mean()
            loss = loss + self.absolute_weight * correctness(scores_m, correct_m).mean()
        loss = loss * (count / len(batch))
        if self.language_weight:
            share = response[:count, 1:].sum() / answers
            loss = loss + self.language_weight * share * self._language_loss(ids[:count], response[:count, 1:], hidden_mLD[:count])
        won_N[pairs_n] = (gated_m[:count] > gated_m[count:]).float()
        return loss

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Remembers the batch, for the case that its gradient is not finite."""
        self._gradient_check.note(batch)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Refuses a gradient that is not finite, or passes over it."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
        self._gradient_check(self, norm)

    def _language_loss(self, ids_NL: Tensor, predicts_NL: Tensor, hidden_NLD: Tensor) -> Tensor:
        """Mean over the tokens of the responses, which `predicts_NL` marks one place before them."""
        return -head_logprobs(self.ready.model, hidden_NLD[:, :-1][predicts_NL], ids_NL[:, 1:][predicts_NL]).mean()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with the recipe's schedule over the whole run."""
        settings, steps = self.optimizer_settings, self.trainer.estimated_stepping_batches
        if steps == float("inf") and settings.schedule != "constant":
            raise InputError(
                Problem(f"the {settings.schedule} schedule needs an end", f"{WHERE}.optimizer.schedule", "set trainer.max_steps")
            )
        optimizer, schedule = settings.build(self.parameters(), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # ---- held-out evaluation

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects the pairs; they are scored together at the end, sorted by length."""
        self._held_out += cast("list[PreferencePair]", batch.examples)

    def on_validation_epoch_end(self) -> None:
        """Logs `validation/accuracy`, and one value per head."""
        pairs, self._held_out = self._held_out, []
        if not self.trainer.sanity_checking:
            self._log_accuracy("validation", self.score_pairs(pairs))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects the pairs."""
        self._held_out += cast("list[PreferencePair]", batch.examples)

    def on_test_epoch_end(self) -> None:
        """Logs `test/accuracy`."""
        pairs, self._held_out = self._held_out, []
        self._log_accuracy("test", self.score_pairs(pairs))

    def predict_step(self, batch: Batch, batch_idx: int) -> list[dict[str, Any]]:
        """Scores of both responses of each pair."""
        scores = self.score_pairs(cast("list[PreferencePair]", batch.examples))
        return scores.table().to_dict("records")  # type: ignore[no-any-return]

    def _log_accuracy(self, stage: str, scores: PairScores) -> None:
        """Logs shares of the pairs of all ranks; a pair that a distributed sampler gave out twice to fill up counts once."""
        own = {pair.pair_id: (pair.head, won) for pair, won in zip(scores.pairs, scores.won().tolist(), strict=True)}
        pairs = all_gather_dict(self.trainer, own)
        for head in (GATED, *self.file.heads):
            won = [won for of, won in pairs.values() if head in (GATED, of)]
            if won:
                name = f"{stage}/accuracy" if head == GATED else f"{stage}/accuracy/{head}"
                self.log(name, sum(won) / len(won), prog_bar=head == GATED, rank_zero_only=False)

    def score_pairs(self, pairs: list[PreferencePair]) -> PairScores:
        """Scores pairs with the current weights."""
        texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        return PairScores(pairs, self.ready.score([pair.messages for pair in pairs] * 2, texts, self.evaluation_batch_size))

    # ---- what a run leaves behind

    def on_fit_end(self) -> None:
        """Fits the temperatures, saves the model, and writes the report; on the first process."""
        folder, data = self.trainer.log_dir, cast("Any", getattr(self.trainer, "datamodule", None))
        if not folder or not self.trainer.loggers or not self.trainer.is_global_zero or getattr(self.trainer, "fast_dev_run", False):
            return
        from bbflow.reporting.pages.reward_page import write_reward_report

        self.to(self.trainer.strategy.root_device)  # the strategy has already moved the weights to the CPU
        if not hasattr(data, "pairs"):  # loaders of one's own: nothing is held out that could be reported
            self.save(Path(folder) / FOLDER)
            return
        validation = self.score_pairs(data.pairs["validation"])
        temperature = fit_temperature(validation, self.file.heads)
        self.save(Path(folder) / FOLDER, temperature)
        test = self.score_pairs(data.pairs["test"])
        held_out = set(data.held_out_corruptions)
        result = evaluate_pairs(test, temperature, data.pairs["train"], held_out)
        result["policy"] = self.policy_settings.path
        page = write_reward_report(Path(folder) / "report", result)
        self.print(f"test accuracy {result['accuracy']:.3f}, held-out corruption {result['held_out_accuracy']}; report: {page}")

    def save(self, folder: str | Path, temperature: dict[str, float] | None = None) -> None:
        """Writes the reward model to a folder that `LearnedReward` and `bbflow score` read."""
        from dataclasses import replace

        self.ready.file = replace(self.file, temperature=temperature or {})
        self.ready.save(folder)
