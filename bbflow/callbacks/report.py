"""Evaluates the policy before and after training on the test split, and writes the report of the run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from lightning.pytorch.utilities.seed import isolate_rng

from bbflow.callbacks.interference_monitor import InterferenceMonitor
from bbflow.callbacks.select_best_state import SelectBestState
from bbflow.capabilities import Capability
from bbflow.errors import InputError, Problem, Refused
from bbflow.evaluation.baselines.null_models import null_scores
from bbflow.evaluation.certificate import gate_failure
from bbflow.evaluation.preregistration import FILE, Preregistration, read_preregistration, write_preregistration
from bbflow.evaluation.scoring import score_policy
from bbflow.evaluation.statistics.unsafe_advice import unsafe_report
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.io.atomic import atomic_write
from bbflow.policies import load_policy
from bbflow.records import Example
from bbflow.reporting.cost import training_cost
from bbflow.reporting.provenance import peak_memory_bytes, versions
from bbflow.reporting.run_facts import RunFacts, graph_facts, measure_facts, task_counts
from bbflow.reporting.run_report import build_report, scores_table, write_report
from bbflow.reporting.terminal import evaluation_progress, show_report

if TYPE_CHECKING:
    import pandas as pd

_SHARDED = (FSDPStrategy, DeepSpeedStrategy, ModelParallelStrategy)


class Report(Callback):
    """Scores the starting policy and the trained one on the same test items; writes `report/` into the run folder.

    The second evaluation runs when training has ended and every checkpoint is on disk, so that an error in it costs no weights. A run
    that is resumed compares with the scores of its first start, which travel in the checkpoints. The margins are written to
    `margins.json` before the first score is known, travel in the checkpoints too, and are held to afterwards.

    `bbflow test` writes the same report for a checkpoint, without training.

    Args:
        enabled: Write a report at all.
        test_examples: How many test items to score, chosen by the hash in their ids; null: all.
        seed: Of the random null models and the bootstrap.
        gate: End with exit code 1 unless the run is certified.
    """

    def __init__(self, enabled: bool = True, test_examples: int | None = None, seed: int = 0, gate: bool = False) -> None:
        super().__init__()
        self.enabled, self.test_examples, self.seed, self.gate = enabled, test_examples, seed, gate
        self.before: pd.DataFrame | None = None
        self.preregistration: Preregistration | None = None
        self._folder: Path | None = None
        self._started = self._training_seconds = self._evaluation_seconds = 0.0
        self._tokens_read = 0

    # ---- hooks

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Decide whether and where to write, in every process: all agree on the folder."""
        self._folder = None
        if (
            stage not in ("fit", "test")
            or not self.enabled
            or getattr(trainer, "fast_dev_run", False)
            or not getattr(pl_module, "capabilities", None)
        ):
            return
        if isinstance(trainer.strategy, _SHARDED):
            rank_zero_warn(
                "No report is written: weights are sharded, and the evaluation runs on one process. Use `bbflow evaluate` afterwards."
            )
            return
        if not getattr(getattr(trainer, "datamodule", None), "splits", {}).get("test"):
            rank_zero_warn("No report is written: the data module has no test split (`splits['test']`).")
            return
        folder = trainer.log_dir
        self._folder = Path(folder) if folder and trainer.loggers else None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the starting policy."""
        self._fix_margins(pl_module)
        if not self._writes(trainer):
            return
        examples = self._examples(trainer)
        if self.before is not None and set(self.before["example_id"]) == _judged(pl_module, examples):
            return  # resumed: these scores are those of the run's first start
        if trainer.ckpt_path:
            rank_zero_warn("The checkpoint holds no scores of these test items: the report compares with where this run resumes.")
        self.before = self._score(pl_module, examples, "scoring the policy before training")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count the tokens of a supervised batch, padding included; sampled ones are counted by the module."""
        ids = getattr(batch, "tensors", {}).get("ids")
        self._tokens_read += 0 if ids is None else ids.numel()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self._training_seconds += time.perf_counter() - self._started
        self._started = 0.0

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the trained policy and writes the report."""
        if not self._writes(trainer):
            return
        if trainer.progress_bar_callback is not None:  # two live displays would overwrite each other
            trainer.progress_bar_callback.teardown(trainer, pl_module, stage="fit")
        pl_module.to(trainer.strategy.root_device)  # the strategy has already moved the weights to the CPU
        examples = self._examples(trainer)
        after = self._score(pl_module, examples, "scoring the policy after training")
        self._write(trainer, pl_module, examples, after)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a checkpoint whose margins were other ones, before anything is scored."""
        if self.preregistration is not None or not trainer.ckpt_path:
            self._fix_margins(pl_module)
        elif self._writes(trainer):
            rank_zero_warn("The checkpoint holds no margins: those of the recipe count, and nothing says that they are older than the run.")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the report of a checkpoint: the starting policy of its run against it."""
        table: pd.DataFrame | None = getattr(pl_module, "scores", None)
        if not self._writes(trainer) or table is None:
            return
        chosen = {e.example_id for e in self._examples(trainer)}
        after = table[table["example_id"].isin(chosen)].reset_index(drop=True)
        if trainer.ckpt_path is None:
            self.before = None  # the policy itself was tested
        elif self.before is None or set(self.before["example_id"]) != set(after["example_id"]):
            self.before = self._score_start(pl_module, self._examples(trainer))
        self._write(trainer, pl_module, self._examples(trainer), after)

    def state_dict(self) -> dict[str, Any]:
        """Return the scores of the start and the seconds so far as plain lists and numbers, which load with `weights_only`."""
        if self.before is None:
            return {}
        seconds = self._training_seconds + (time.perf_counter() - self._started if self._started else 0.0)
        state: dict[str, Any] = {
            "before": self.before.to_dict("list"),
            "training_seconds": seconds,
            "evaluation_seconds": self._evaluation_seconds,
        }
        state["tokens_read"] = self._tokens_read
        return state if self.preregistration is None else {**state, "margins": self.preregistration.to_json()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a resumed run."""
        import pandas as pd

        if "before" in state_dict:
            self.before = pd.DataFrame(state_dict["before"]).astype({"score": "float64", "open_book": "bool"})
            self._training_seconds, self._evaluation_seconds = state_dict["training_seconds"], state_dict["evaluation_seconds"]
            self._tokens_read = int(state_dict.get("tokens_read", 0))
        if "margins" in state_dict:
            self.preregistration = Preregistration.from_json(state_dict["margins"], "margins in the checkpoint")

    # ---- work

    def _writes(self, trainer: Trainer) -> bool:
        return self._folder is not None and trainer.is_global_zero

    def _examples(self, trainer: Trainer) -> list[Example]:
        examples: list[Example] = trainer.datamodule.splits["test"]  # type: ignore[attr-defined]
        if self.test_examples is None:
            return examples
        return sorted(examples, key=lambda e: e.example_id)[: self.test_examples]

    def _fix_margins(self, module: LightningModule) -> None:
        """Fix the margins of a new run; raise `InputError` where those of a resumed or tested one differ from its beginning."""
        capabilities: dict[str, Capability] = getattr(module, "capabilities", None) or {}  # type: ignore[assignment]
        if self.preregistration is None:
            self.preregistration = Preregistration.of(capabilities)
        elif broken := self.preregistration.problems(capabilities, "model.init_args.capabilities"):
            raise InputError(*broken)
        if self._folder is not None and module.trainer.is_global_zero:
            write_preregistration(self._folder, self.preregistration)

    def _score_start(self, module: LightningModule, examples: list[Example]) -> pd.DataFrame:
        start = load_policy(module.policy_settings)  # type: ignore[arg-type]
        start.model.to(module.device)
        settings = {"max_new_tokens": module.max_new_tokens, "batch_size": module.evaluation.batch_size}  # type: ignore[union-attr]
        with isolate_rng(), evaluation_progress("scoring the policy before training") as progress:
            return score_policy(start, module.capabilities, examples, progress=progress, **settings)  # type: ignore[arg-type]

    def _score(self, module: LightningModule, examples: list[Example], title: str) -> pd.DataFrame:
        start = time.perf_counter()
        settings = {"max_new_tokens": module.max_new_tokens, "batch_size": module.evaluation.batch_size}  # type: ignore[union-attr]
        with isolate_rng(), evaluation_progress(title) as progress:  # whether a report is written never changes the training
            table = score_policy(module.ready_policy, module.capabilities, examples, progress=progress, **settings)  # type: ignore[arg-type]
        self._evaluation_seconds += time.perf_counter() - start
        return table

    def _write(self, trainer: Trainer, module: LightningModule, examples: list[Example], after: pd.DataFrame) -> None:
        assert self._folder is not None
        start = time.perf_counter()
        data = trainer.datamodule  # type: ignore[attr-defined]
        nulls = null_scores(module.capabilities, examples, data.splits["train"], self.seed)  # type: ignore[arg-type]
        self._evaluation_seconds += time.perf_counter() - start
        facts = RunFacts(
            nulls=nulls,
            cost=self._cost(trainer, module),
            data=_data_facts(data, examples),
            provenance={**_provenance(module, data, examples), "step": self._step(trainer)},
            seed=self.seed,
            interference=next((c.block() for c in trainer.callbacks if isinstance(c, InterferenceMonitor)), None),  # type: ignore[attr-defined]
            unsafe=unsafe_report(_graph(data), examples, {"before": self.before, "after": after}),
            preregistration=self._fixed_margins(),
        )
        report = build_report(self.before, after, module.capabilities, facts)  # type: ignore[arg-type]
        folder = self._folder / "report"
        with atomic_write(folder / "scores.parquet") as draft:
            scores_table(self.before, after).to_parquet(draft, index=False)
        recipe = self._folder / "config.yaml"
        page = write_report(
            folder,
            report,
            history=read_history(trainer),
            rollouts=read_rollouts(self._folder / "rollouts"),
            recipe=recipe.read_text(encoding="utf-8") if recipe.exists() else None,
        )
        show_report(report, page)
        if self.gate and report.get("verdict") != "certified":
            raise Refused(gate_failure(report))

    @staticmethod
    def _step(trainer: Trainer) -> int:
        """Return the optimiser step that was judged: in a test that of the checkpoint, in a ranked run that of its best state."""
        if trainer.state.fn == "test" and trainer.ckpt_path:
            kept = torch.load(trainer.ckpt_path, weights_only=True, map_location="cpu", mmap=True)
            return int(kept["global_step"])
        chosen = next((c.chosen_step for c in trainer.callbacks if isinstance(c, SelectBestState)), None)  # type: ignore[attr-defined]
        return int(trainer.global_step if chosen is None else chosen)

    def _fixed_margins(self) -> Preregistration | None:
        """Return the preregistered margins; raise `InputError` where the file that was written before the run differs."""
        assert self._folder is not None
        preregistration = read_preregistration(self._folder)
        if preregistration is not None and self.preregistration is not None and preregistration.sha256 != self.preregistration.sha256:
            raise InputError(Problem("the margins were changed after the run began", str(self._folder / FILE)))
        return self.preregistration

    def _cost(self, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        cost: dict[str, Any] = {
            "seconds": self._training_seconds + self._evaluation_seconds,
            "training_seconds": self._training_seconds,
            "evaluation_seconds": self._evaluation_seconds,
        }
        tokens = getattr(module, "tokens_generated", None)
        if tokens is not None:
            cost["tokens_generated"] = int(tokens)
        learned = self._tokens_read + int(tokens or 0)
        own = [p for name, p in module.named_parameters() if not name.startswith("reference.")]
        cost |= training_cost(own, int(tokens or 0), learned, reference=getattr(module, "reference", None) is not None)
        cost["peak_memory_bytes"] = peak_memory_bytes(trainer.strategy.root_device)
        return cost


def _judged(module: LightningModule, examples: list[Example]) -> set[str]:
    capabilities: dict[str, Any] = module.capabilities  # type: ignore[assignment]
    return {e.example_id for e in examples if any(c.judges(name, e) for name, c in capabilities.items())}


def read_history(trainer: Trainer) -> pd.DataFrame | None:
    """Read metrics.csv of a run after flushing its logger; None without such a file."""
    import pandas as pd

    for logger in trainer.loggers:
        if isinstance(logger, CSVLogger):
            logger.save()
            path = Path(logger.log_dir) / "metrics.csv"
            if path.exists() and path.stat().st_size:
                return pd.read_csv(path)
    return None


def read_rollouts(folder: Path) -> pd.DataFrame | None:
    """Read the first and the last file of a rollout log; None where there is none."""
    import pandas as pd

    files = sorted(folder.glob("step-*.parquet"), key=lambda path: int(path.stem.removeprefix("step-")))
    if not files:
        return None
    return pd.concat([pd.read_parquet(path) for path in dict.fromkeys((files[0], files[-1]))], ignore_index=True)


def _data_facts(data: Any, examples: list[Example]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "splits": {split: len(rows) for split, rows in data.splits.items()},
        "tasks": task_counts(examples),
    }
    receipt = getattr(data, "receipt", None)
    facts["contract"] = receipt["verdict"]["contract"] if receipt else "uncontracted"
    if receipt:
        facts["receipt"] = receipt
    return facts


def _graph(data: Any) -> KnowledgeGraph | None:
    """Return the graph of a data module; None for data that do not come from one."""
    try:
        graph: KnowledgeGraph = data.graph
    except (AttributeError, InputError):
        return None
    return graph


def _provenance(module: LightningModule, data: Any, examples: list[Example]) -> dict[str, Any]:
    known: dict[str, Any] = {"module": type(module).__name__}
    if (settings := getattr(module, "policy_settings", None)) is not None:
        known["policy"] = settings.path
    if "PL_GLOBAL_SEED" in os.environ:
        known["seed"] = int(os.environ["PL_GLOBAL_SEED"])
    known |= measure_facts(examples, module.max_new_tokens)  # type: ignore[arg-type]
    if (graph := _graph(data)) is not None:
        known |= graph_facts(graph)
        known |= {"graph_licence": str(graph.about["licence"])} if "licence" in graph.about else {}
    if isinstance(fingerprint := getattr(data, "fingerprint", None), str):
        known["data_fingerprint"] = fingerprint
    return known | {"versions": versions()}
