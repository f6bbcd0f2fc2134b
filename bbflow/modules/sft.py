"""Supervised fine-tuning on the reference responses."""

from __future__ import annotations

import torch
from torch import Tensor

from bbflow.capabilities import Capability
from bbflow.errors import InputError, Problem
from bbflow.modules.base import PolicyModule
from bbflow.modules.batch import Batch
from bbflow.modules.recipe_module import WHERE
from bbflow.modules.training.capability_jacobian import add_rows, every_token
from bbflow.modules.training.capability_update import CapabilityUpdate
from bbflow.modules.training.distributed import all_gather_dict, whole_parameters
from bbflow.modules.training.metric_sums import MetricSums
from bbflow.modules.training.settings import EvaluationSettings, InterferenceSettings
from bbflow.optimization.optimizer import OptimizerSettings
from bbflow.optimization.weightings import Weighting
from bbflow.policies import PolicySettings
from bbflow.policies.rollouts.base import rollouts_from_responses
from bbflow.policies.sft_logprobs import encode, isolates_packed_sequences, pack, supervised_logprobs
from bbflow.records import Example


class SFT(PolicyModule):
    """Maximum likelihood of the reference response given the prompt.

    The loss is the mean over supervised tokens. With a weighting, every capability has a loss of its own, the mean over the supervised
    tokens of the examples that name it (an example may name several), and the update is made from their gradients: for `WeightedSum`
    that is the gradient of sum_k weight_k loss_k. A capability without an example in a step takes no part in it. Examples that name no
    capability are learned from as well: the gradient of their own mean is added after the weighting.

    The supervised tokens follow from token counts alone (prompt, response, end mark), never from marks in a chat template, which most
    templates lack. An example longer than `max_length` keeps the end of its prompt and the beginning of its response.

    Args:
        policy: The model to train.
        capabilities: Judged on held-out examples, by name; their rewards are not used. Their weights are, with a weighting.
        optimizer: Optimiser and schedule.
        max_length: Longest prompt and response together, in tokens; at most what the model reads.
        packing: Put several short examples of a batch into one row, up to `max_length` tokens. Attention stays within an example, so that
            loss and gradient are those of the rows by themselves; a model that would let examples read each other is refused.
        weighting: Turns the gradients of the capabilities into one update that harms none; null: one loss over all tokens.
        interference: Which gradients are kept to measure interference; without a weighting SFT measures none.
        max_new_tokens: Longest completion at evaluation, in tokens.
        evaluation: How held-out examples are scored.
        micro_batch_tokens: Most tokens whose activations a training step holds at once, padding included: the batch is then run in several
            passes, each differentiated before the next, and the gradient is the same; null: in one pass.
    """

    def __init__(
        self,
        policy: PolicySettings,
        capabilities: dict[str, Capability] | None = None,
        optimizer: OptimizerSettings = OptimizerSettings(learning_rate=1.0e-3),  # noqa: B008 (frozen)
        max_length: int = 512,
        packing: bool = False,
        weighting: Weighting | None = None,
        interference: InterferenceSettings = InterferenceSettings(),  # noqa: B008 (frozen)
        max_new_tokens: int = 96,
        evaluation: EvaluationSettings = EvaluationSettings(),  # noqa: B008 (frozen)
        micro_batch_tokens: int | None = None,
    ) -> None:
        super().__init__(policy, capabilities or {}, optimizer, max_new_tokens, evaluation, micro_batch_tokens)
        self.max_length = max_length
        self.packing = packing
        self.weighting = weighting
        self.interference = interference
        self.group_by_length = weighting is None
        self._encoded: dict[tuple[str, str, str], tuple[list[int], list[int]]] = {}
        self._losses: dict[str, tuple[list[str], float, float]] = {}  # of each validation example

    def problems(self, data: object) -> list[Problem]:
        """List the problems of the recipe."""
        found = super().problems(data)
        if self.interference.every:
            what = "SFT takes gradients apart with a weighting alone, so `every` has no effect"
            found.append(Problem(what, f"{WHERE}.interference.every", "set `weighting`"))
        if self.max_length < 2:
            found.append(Problem(f"max_length must be at least 2, not {self.max_length}", f"{WHERE}.max_length"))
        if self.max_new_tokens < 1:
            found.append(Problem(f"max_new_tokens must be at least 1, not {self.max_new_tokens}", f"{WHERE}.max_new_tokens"))
        if self.weighting is not None and self.packing:
            what = "a row of several examples has no gradient per capability, so packing and a weighting exclude each other"
            found.append(Problem(what, f"{WHERE}.packing", "set it to false, or `weighting` to null"))
        if self.weighting is not None and not any(capability.weight > 0 for capability in self.capabilities.values()):
            found.append(Problem("a weighting needs capabilities, one of them with a positive weight", f"{WHERE}.capabilities"))
        return found

    def configure_model(self) -> None:
        """Load the policy, once, and limit `max_length` to the tokens that it reads."""
        super().configure_model()
        self.max_length = self.ready_policy.clamp_max_length(self.max_length)

    @property
    def has_shared_terms(self) -> bool:
        """Examples may name no capability."""
        return True

    def on_fit_start(self) -> None:
        """Refuse packing where the model lets packed examples read each other."""
        if not self.packing:
            return
        with whole_parameters(self.trainer):
            apart = isolates_packed_sequences(self.model)
        if not apart:
            raise InputError(Problem("this model lets packed examples read each other", f"{WHERE}.packing", "set it to false"))

    def collate(self, examples: list[Example]) -> Batch:
        """Tokenise; each row is prompt, response, end mark and padding, its width a multiple of 8 so that few shapes occur.

        Returns:
            `ids` and `supervised` [rows, width]; `example`, the number of the example that a token belongs to; with packing `positions`,
            which begin anew with every example.
        """
        encoded = [self._encode(example) for example in examples]
        lengths = [len(prompt) + len(response) for prompt, response in encoded]
        rows = pack(lengths, self.max_length) if self.packing else [[i] for i in range(len(examples))]
        width = -(-max(sum(lengths[i] for i in row) for row in rows) // 8) * 8
        ids = torch.full((len(rows), width), self.ready_policy.pad_id)
        supervised, number, positions = (torch.zeros(ids.shape, dtype=dtype) for dtype in (torch.bool, torch.long, torch.long))
        for r, row in enumerate(rows):
            start = 0
            for i in row:
                prompt, response = encoded[i]
                end = start + lengths[i]
                ids[r, start:end] = torch.tensor(prompt + response)
                supervised[r, start + len(prompt) : end] = True
                number[r, start:end], positions[r, start:end] = i, torch.arange(lengths[i])
                start = end
            positions[r, start:] = torch.arange(width - start)
        tensors = {"ids": ids, "supervised": supervised, "example": number}
        return Batch(examples, tensors | {"positions": positions} if self.packing else tensors)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the negative log-likelihood, summed over the response tokens of the batch."""
        update = self.update

        def run() -> tuple[Tensor, tuple[Tensor, MetricSums]]:
            if update is None:
                loss, tokens = self._negative_log_likelihood(batch)
                return loss, (tokens, MetricSums())
            loss, tokens, by_capability = self.collect_rows(update, batch)
            return loss, (tokens, by_capability)

        loss, (tokens, sums) = self.micro_batches.step(self, run, update)
        sums.add("train/loss", loss, tokens)
        for name, mean in sums.means(self.trainer).items():
            self.log(name, mean, prog_bar=name == "train/loss", batch_size=len(batch))
        return self.sum_over_tokens(loss, tokens)

    def collect_rows(self, update: CapabilityUpdate, batch: Batch) -> tuple[Tensor, Tensor, MetricSums]:
        """Add every capability's gradient to the update; return the summed loss, without gradient, its token count, and loss sums."""
        prompts, answers = zip(*(self._encode(example) for example in batch.examples), strict=True)
        responses = rollouts_from_responses(prompts, answers, self.ready_policy.pad_id, self.device)
        named_KN = self._named(batch).to(self.device)
        shared_N, number_N = ~named_KN.any(0), torch.arange(len(batch), device=self.device)
        # a row of the Jacobian climbs, the shared one descends
        parts = [(update.rows(half), ~shared_N & (number_N % update.halves == half), named_KN.float()) for half in range(update.halves)]
        parts.append((update.shared_rows, shared_N, -shared_N[None].float()))
        jacobian, mode = update.jacobian_of(self.model.parameters()), update.choose_mode(self.model, responses)
        likelihood_N = torch.zeros(len(batch), device=self.device)
        for rows, own_N, weights_RN in parts:
            numbers = own_N.nonzero()[:, 0]
            for part in self.micro_batches.parts(responses.groups(numbers).widths()) if len(numbers) else []:
                some = numbers[part]
                own, weights_Rn = responses.groups(some), weights_RN[:, some]
                update.add_normalizer(rows, weights_Rn.abs() @ own.lengths_N.float())
                likelihood_N[some] = add_rows(jacobian, rows, self.model, own, weights_Rn, every_token(own), mode=mode).sum(1).float()
        sums = MetricSums()
        for name, named_N in zip(self.capabilities, named_KN, strict=True):
            sums.add(f"train/loss/{name}", -likelihood_N[named_N].sum(), responses.lengths_N[named_N].sum())
        return -likelihood_N.sum(), responses.lengths_N.sum(), sums

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the loss and token count of each example, and collect the examples."""
        super().validation_step(batch, batch_idx)
        losses, tokens = (self._per_example(batch, values).tolist() for values in (-self._logprobs(batch), batch.tensors["supervised"]))
        for example, loss, count in zip(batch.examples, losses, tokens, strict=True):
            named = [f"/{name}" for name, capability in self.capabilities.items() if capability.judges(name, example)]
            self._losses[example.example_id] = (["", *named], loss, count)

    def on_validation_epoch_end(self) -> None:
        """Log the loss per token, over all examples and per capability that an example names, and the scores."""
        sums, losses = MetricSums(), self._losses
        self._losses = {}
        for named, loss, count in all_gather_dict(self.trainer, losses).values():
            for name in named:
                sums.add(f"validation/loss{name}", loss, count)
        for name, mean in sums.means().items():
            self.log(name, mean, rank_zero_only=False)
        super().on_validation_epoch_end()

    def _named(self, batch: Batch) -> Tensor:
        """Return the mask [K, N] of the examples that count for each capability."""
        named = [[capability.judges(name, example) for example in batch.examples] for name, capability in self.capabilities.items()]
        return torch.tensor(named, dtype=torch.bool).view(len(self.capabilities), len(batch))

    def _negative_log_likelihood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        ids = batch.tensors["ids"]
        loss = self.micro_batches(self, [ids.shape[1]] * len(ids), lambda rows: -self._logprobs(batch, rows).sum())
        return loss, batch.tensors["supervised"].sum()

    def _logprobs(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        tensors = batch.tensors if rows is None else {name: tensor[rows] for name, tensor in batch.tensors.items()}
        return supervised_logprobs(self.model, tensors["ids"], tensors["supervised"], tensors.get("positions"))

    @staticmethod
    def _per_example(batch: Batch, values: Tensor) -> Tensor:
        """Return the sum of token values over each example."""
        total = torch.zeros(len(batch), dtype=torch.float32, device=values.device)
        return total.index_add(0, batch.tensors["example"].flatten(), values.float().flatten())

    def _encode(self, example: Example) -> tuple[list[int], list[int]]:
        key = (example.example_id, example.prompt, example.response)
        if key not in self._encoded:
            self._encoded[key] = encode(self.ready_policy, example, self.max_length)
        return self._encoded[key]
