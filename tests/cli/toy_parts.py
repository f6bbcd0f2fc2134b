"""Classes that a user might keep beside a recipe: small stand-ins, so that these tests are about the command line alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from bbflow.capabilities import Capability
from bbflow.errors import InputError, Problem, Refused
from bbflow.rewards.base import Reward

BUILT: list[LightningModule] = []
"""Every module that was constructed, so that a test can look at what the recipe became."""

LOADED: list[LightningModule] = []
"""Every module whose weights were loaded."""


class Constant(Reward):
    def __init__(self, value: float = 1.0) -> None:
        self.value = value

    def __call__(self, examples, completions):
        return [self.value] * len(examples)


@dataclass
class ToyPolicy:
    path: str = "tiny"
    notes: Path | None = None


class ToyModule(LightningModule):
    def __init__(self, policy: ToyPolicy, capabilities: dict[str, Capability], lr: float = 0.1, steps: int = 1, fails: str = "") -> None:
        super().__init__()
        self.policy, self.toy_capabilities, self.lr, self.steps, self.fails = policy, capabilities, lr, steps, fails
        BUILT.append(self)

    def problems(self, data):
        known = set(getattr(data, "feeds", ()))
        return [Problem(f"no task feeds '{n}'", f"model.init_args.capabilities.{n}") for n in self.toy_capabilities if n not in known]

    def configure_model(self):
        LOADED.append(self)
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, batch_idx):
        if self.fails == "input":
            try:
                raise InputError(Problem("the batch is wrong", "batch 0"), Problem("and so is the next", "batch 1"))
            except InputError as error:
                raise RuntimeError("wrapped") from error
        if self.fails == "refused":
            raise Refused("the contract refuses 3 rows")
        if self.fails == "settings":
            raise MisconfigurationException("these settings\nexclude each other")
        if self.fails == "bug":
            raise ZeroDivisionError("a bug")
        if self.fails == "interrupt":
            raise KeyboardInterrupt
        loss = self.layer(batch).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("validation/loss", self.layer(batch).square().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class OtherModule(ToyModule):
    pass


class Measured(ToyModule):
    """Has what every command asks for, and shows its capabilities."""

    @property
    def capabilities(self):
        return self.toy_capabilities

    def test_step(self, batch, batch_idx):
        self.log("test/loss", self.layer(batch).square().mean())

    def predict_step(self, batch, batch_idx):
        return self.layer(batch)


class ToyData(LightningDataModule):
    def __init__(self, contract: Path | None = None, batch_size: int = 2, feeds: list[str] | None = None) -> None:
        super().__init__()
        self.contract, self.batch_size = contract, batch_size
        self.feeds = ["domain", "safety"] if feeds is None else feeds

    def problems(self):
        missing = self.contract is not None and not self.contract.exists()
        return [Problem("no such contract", str(self.contract))] if missing else []

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.ones(8, 2), batch_size=self.batch_size)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(torch.ones(2, 2), batch_size=2)

    def test_dataloader(self):
        return self.val_dataloader()

    def predict_dataloader(self):
        return self.val_dataloader()
