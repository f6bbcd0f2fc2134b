"""Selection of the best state of a run on validation; the test split is opened once, for that state alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from bbflow.capabilities import Capability
from bbflow.io.atomic import atomic_write

BEST, RANKING = "best.ckpt", "ranking.json"


class SelectBestState(Callback):
    """Keeps the state that is best on validation, and restores it before the report opens the test split.

    The order: no capability below its first validation score by more than its margin; then the larger mean of the scores; then the
    earlier step. The training reward never decides: it goes on rising where a policy exploits it. `checkpoints/ranking.json` holds every
    state with its scores.

    Args:
        keep: Put the weights of the best state back at the end; else only rank.
    """

    def __init__(self, keep: bool = True) -> None:
        super().__init__()
        self.keep = keep
        self.ranking: list[dict[str, Any]] = []
        self._best_step: int | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the scores of this step, and saves its state if it is the best so far."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        capabilities: dict[str, Capability] = getattr(pl_module, "capabilities", {})  # type: ignore[assignment]
        logged = {name: trainer.callback_metrics.get(f"validation/{name}") for name in capabilities}
        scores = {name: float(value) for name, value in logged.items() if value is not None}
        if not scores or any(row["step"] == trainer.global_step for row in self.ranking):
            return
        self.ranking.append({"step": trainer.global_step, "scores": scores})
        best = ranked(self.ranking, {name: c.margin for name, c in capabilities.items()})[0]["step"]
        folder = self._folder(trainer)
        if best == trainer.global_step and folder is not None:
            self._best_step = best
            trainer.save_checkpoint(folder / BEST)
        if folder is not None and trainer.is_global_zero:
            with atomic_write(folder / RANKING) as draft:
                draft.write_text(json.dumps({"best": best, "states": self.ranking}, indent=1) + "\n", encoding="utf-8")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the weights of the best state."""
        folder = self._folder(trainer)
        if not self.keep or folder is None or self._best_step in (None, trainer.global_step):
            return
        if not (folder / BEST).is_file():
            rank_zero_warn(f"the best state, of step {self._best_step}, is not on disk: the run ends with its last state")
            return
        trainer.strategy.barrier()
        kept = torch.load(folder / BEST, weights_only=True, map_location=pl_module.device, mmap=True)
        pl_module.load_state_dict(kept["state_dict"], strict=pl_module.strict_loading)
        rank_zero_info(f"step {self._best_step} is best on validation: the run ends with its weights")

    @property
    def chosen_step(self) -> int | None:
        """The step whose weights the run ends with; None: the last."""
        return self._best_step if self.keep else None

    def state_dict(self) -> dict[str, Any]:
        """Return the scores so far as plain lists and numbers."""
        return {"ranking": self.ranking, "best_step": self._best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a resumed run."""
        self.ranking, self._best_step = list(state_dict["ranking"]), state_dict["best_step"]

    @staticmethod
    def _folder(trainer: Trainer) -> Path | None:
        return Path(trainer.log_dir) / "checkpoints" if trainer.log_dir and trainer.loggers else None


def ranked(states: list[dict[str, Any]], margins: dict[str, float]) -> list[dict[str, Any]]:
    """Return states in order, the best first; margins are counted from the first state given.

    >>> states = [{"step": 0, "scores": {"a": 0.5, "b": 0.5}}, {"step": 5, "scores": {"a": 0.9, "b": 0.3}}]
    >>> ranked(states, {"a": 0.03, "b": 0.03})[0]["step"], ranked(states, {"a": 0.03, "b": 0.3})[0]["step"]
    (0, 5)
    """
    start = states[0]["scores"] if states else {}

    def order(state: dict[str, Any]) -> tuple[bool, float, int]:
        scores = state["scores"]
        lost = any(scores.get(name, 0.0) < start[name] - margins.get(name, 0.0) - 1e-9 for name in start)
        return lost, -sum(scores.values()) / len(scores), state["step"]

    return sorted(states, key=order)
