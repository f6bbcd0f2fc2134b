"""A reward model: scores of a response, by head and as a whole, learned from correct and corrupted responses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from bbflow.data.preference_pairs import PreferencePair
from bbflow.errors import Problem, did_you_mean
from bbflow.evaluation.pair_scores import PairScores, evaluate_pairs, fit_temperature
from bbflow.modules.batch import Batch
from bbflow.modules.recipe_module import WHERE, RecipeModule
from bbflow.modules.training.distributed import all_gather_dict
from bbflow.modules.training.metric_sums import MetricSums
from bbflow.modules.training.settings import EvaluationSettings
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.preference_losses import bradley_terry, correctness
from bbflow.policies import PolicySettings, load_policy
from bbflow.policies.chunked_logits import head_logprobs
from bbflow.policies.reward_heads import GATED, Pooling, RewardModelFile, RewardScorer, stack
from bbflow.synthesis.corruption import HEADS

FOLDER = "reward_model"
"""Where in the run folder the trained model is saved."""


class RewardModel(RecipeModule):
    """Scores responses in several dimensions; a gate mixes them by what the prompt asks for.

    Every pair teaches its own head and the mixture, each by two losses: Bradley-Terry with the pair's margin and centring, and the
    cross-entropy of correct against corrupted, after which a score of 0 means even odds. A pair does not train the other heads.
    `language_weight` adds the likelihood of the chosen response under the backbone's language-model head, which keeps its hidden states
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
        evaluation: How held-out pairs are scored; by default all of them, 64 rows at a time.
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
        evaluation: EvaluationSettings = EvaluationSettings(examples=None, batch_size=64),  # noqa: B008 (frozen)
        micro_batch_tokens: int | None = None,
    ) -> None:
        super().__init__(policy, optimizer, evaluation, micro_batch_tokens)
        self.file = RewardModelFile(tuple(heads or HEADS), pooling, pointer, max_length)
        self.margins, self.centring = margins, centring
        self.absolute_weight, self.language_weight = absolute_weight, language_weight
        self._scorer: RewardScorer | None = None
        self._encoded: dict[str, list[tuple[list[int], list[int]]]] = {}

    # ---- before anything is loaded

    def problems(self, data: Any) -> list[Problem]:
        """List the problems of the recipe, alone and together with the data module; loads nothing."""
        found = super().problems(data)
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

    def configure_model(self) -> None:
        """Load the backbone and make the heads, once."""
        if self._scorer is None:
            policy = load_policy(self.policy_settings)
            self.file = replace(self.file, max_length=policy.clamp_max_length(self.file.max_length))
            self.scorer = self._scorer = RewardScorer(policy, self.file)

    @property
    def ready(self) -> RewardScorer:
        """The scorer, after `configure_model`."""
        if self._scorer is None:
            raise RuntimeError("the backbone is not loaded yet: call configure_model() first")
        return self._scorer

    # ---- training

    def collate(self, pairs: list[PreferencePair]) -> Batch:
        """Tokenise N pairs into 2N rows: the chosen responses, then the rejected ones."""
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
        """Switch dropout off: both responses of a pair are compared under the same network."""
        self.ready.eval()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch of pairs."""
        widths = [2 * batch.tensors["ids"].shape[1]] * len(batch)
        answers = batch.tensors["response"][: len(batch), 1:].sum()

        def run() -> tuple[Tensor, Tensor]:
            won_N = torch.zeros(len(batch), device=self.device)
            return self.micro_batches(self, widths, lambda pairs: self._loss(batch, pairs, answers, won_N)), won_N

        loss, won_N = self.micro_batches.step(self, run)
        sums = MetricSums()
        sums.add("train/loss", loss, 1)  # as the gradient: the mean over ranks, regardless of batch sizes
        sums.add("train/accuracy", won_N.sum(), len(batch))
        self.log_dict(sums.means(self.trainer), prog_bar=True, batch_size=len(batch))
        return loss

    def _loss(self, batch: Batch, pairs_n: Tensor, answers: Tensor, won_N: Tensor) -> Tensor:
        """Return the share of some pairs in the batch's loss, the mean over its pairs; mark in `won_N` the pairs ranked rightly.

        Args:
            batch: N pairs.
            pairs_n: Indices of n of them.
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

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Refuse a gradient that is not finite, or skip its step."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
        self._gradient_check(self, norm)

    def _language_loss(self, ids_NL: Tensor, predicts_NL: Tensor, hidden_NLD: Tensor) -> Tensor:
        """Return the mean over the tokens of the responses, which `predicts_NL` marks one position before them."""
        return -head_logprobs(self.ready.model, hidden_NLD[:, :-1][predicts_NL], ids_NL[:, 1:][predicts_NL]).mean()

    # ---- held-out evaluation

    def on_validation_epoch_end(self) -> None:
        """Log `validation/accuracy`, and one value per head, over all pairs or a fixed selection of them."""
        pairs, self._held_out = self._held_out, []
        if self.evaluation.examples is not None:
            pairs = sorted(pairs, key=lambda pair: pair.pair_id)[: self.evaluation.examples]  # ids are hashes: a fair, fixed choice
        if not self.trainer.sanity_checking:
            self._log_accuracy("validation", self.score_pairs(pairs))

    def on_test_epoch_end(self) -> None:
        """Log `test/accuracy`."""
        pairs, self._held_out = self._held_out, []
        self._log_accuracy("test", self.score_pairs(pairs))

    def predict_step(self, batch: Batch, batch_idx: int) -> list[dict[str, Any]]:
        """Return the scores of both responses of each pair."""
        scores = self.score_pairs(cast("list[PreferencePair]", batch.examples))
        return scores.table().to_dict("records")  # type: ignore[no-any-return]

    def _log_accuracy(self, stage: str, scores: PairScores) -> None:
        """Log the share of pairs ranked rightly over all ranks; a pair that a sampler gave out twice to fill up counts once."""
        own = {pair.pair_id: (pair.head, won) for pair, won in zip(scores.pairs, scores.won().tolist(), strict=True)}
        pairs = all_gather_dict(self.trainer, own)
        for head in (GATED, *self.file.heads):
            won = [won for of, won in pairs.values() if head in (GATED, of)]
            if won:
                name = f"{stage}/accuracy" if head == GATED else f"{stage}/accuracy/{head}"
                self.log(name, sum(won) / len(won), prog_bar=head == GATED, rank_zero_only=False)

    def score_pairs(self, pairs: list[PreferencePair]) -> PairScores:
        """Return the scores of pairs under the current weights."""
        texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        return PairScores(pairs, self.ready.score([pair.messages for pair in pairs] * 2, texts, self.evaluation.batch_size))

    # ---- end of a run

    def on_fit_end(self) -> None:
        """Fit the temperatures, save the model, and write the report; on the first process."""
        folder, data = self.trainer.log_dir, cast("Any", getattr(self.trainer, "datamodule", None))
        if not folder or not self.trainer.loggers or not self.trainer.is_global_zero or getattr(self.trainer, "fast_dev_run", False):
            return
        from bbflow.reporting.pages.reward_page import write_reward_report

        self.to(self.trainer.strategy.root_device)  # the strategy has already moved the weights to the CPU
        if not hasattr(data, "pairs"):  # custom loaders: no held-out pairs to report
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
        """Write the reward model to a folder that `LearnedReward` and `bbflow score` read."""
        self.ready.file = replace(self.file, temperature=temperature or {})
        self.ready.save(folder)
