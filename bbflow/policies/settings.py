"""Settings of the policy in a recipe, checked before anything is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from bbflow.errors import Problem, did_you_mean

BUNDLED = {"tiny": Path(__file__).parent / "tiny"}
"""Names of the policies that ship with bbflow, and their folders."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class LoraSettings:
    """A low-rank adapter (Hu et al., arXiv 2106.09685); names are those of peft.

    Attributes:
        r: Rank of the factors.
        alpha: Scale of the update; the update is multiplied by alpha / r (alpha / sqrt(r) with `use_rslora`).
        dropout: Dropout on the adapter's input while training; GRPO compares log-probabilities without it.
        target_modules: Module names to adapt, or `all-linear` for every linear layer but the head.
        use_dora: Decompose magnitude and direction (arXiv 2402.09353).
        use_rslora: Rank-stabilised scale (arXiv 2312.03732).
    """

    r: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    target_modules: str | list[str] = "all-linear"
    use_dora: bool = False
    use_rslora: bool = False

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the settings; `where` is their key in the recipe."""
        found = []
        if self.r < 1:
            found.append(Problem(f"the rank must be at least 1, not {self.r}", f"{where}.r"))
        if not self.alpha > 0:
            found.append(Problem(f"alpha must be positive, not {self.alpha}", f"{where}.alpha"))
        if not 0 <= self.dropout < 1:
            found.append(Problem(f"dropout must lie in [0, 1), not {self.dropout}", f"{where}.dropout"))
        return found


@dataclass(frozen=True)
class PolicySettings:
    """Which model is trained, and how.

    Attributes:
        path: `tiny` (ships with bbflow), a folder in Hugging Face format, or a Hub id `owner/name`.
        adapter: A fresh LoRA adapter to train; null: all parameters are trained.
        dtype: Precision of the weights. Full training in bfloat16 loses small updates; prefer it with an adapter.
        quantize: Keep the weights below an adapter in 4 bits (NF4, its scales quantised too: QLoRA, arXiv 2305.14314) or 8 bits (LLM.int8,
            arXiv 2208.07339), computing in `dtype`; needs bitsandbytes. null: as they are.
        gradient_checkpointing: Compute the inside of each layer again in the backward pass instead of keeping it: less memory, more time. A
            prompt is then read once per completion.
        initialize: `pretrained`, or `random` to read only configuration and tokenizer from `path` and draw the weights.
        trust_remote_code: Run model code from the folder or the Hub; only for sources that you trust.
    """

    path: str = "tiny"
    adapter: LoraSettings | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    quantize: Literal["4bit", "8bit"] | None = None
    gradient_checkpointing: bool = False
    initialize: Literal["pretrained", "random"] = "pretrained"
    trust_remote_code: bool = False

    @property
    def source(self) -> str:
        """Folder or Hub id to read from, bundled names resolved."""
        return str(BUNDLED.get(self.path, Path(self.path).expanduser() if _is_folder(self.path) else self.path))

    def problems(self, where: str) -> list[Problem]:
        """List the problems that can be found without loading anything; `where` is the key in the recipe.

        >>> [str(p) for p in PolicySettings(path="tny").problems("policy")]
        ["policy.path: 'tny' is neither a folder nor a Hub id (did you mean 'tiny'? a Hub id is written owner/name)"]
        """
        found = [] if self.adapter is None else self.adapter.problems(f"{where}.adapter")
        key = f"{where}.path"
        if self.path in BUNDLED or _is_folder(self.path):
            found += _folder_problems(Path(self.source), key, weights=self.initialize == "pretrained")
        elif not _HUB_ID.fullmatch(self.path) or self.path.startswith((".", "~")):
            near = did_you_mean(self.path, BUNDLED)
            hint = f"{near} a Hub id is written owner/name" if near.startswith("did") else "a Hub id is written owner/name"
            found.append(Problem(f"'{self.path}' is neither a folder nor a Hub id", key, hint))
        return found + self._quantization_problems(f"{where}.quantize")

    def _quantization_problems(self, key: str) -> list[Problem]:
        if self.quantize is None:
            return []
        found = []
        if find_spec("bitsandbytes") is None:
            found.append(Problem("bitsandbytes is not installed", key, "pip install 'bbflow[quantize]', or null"))
        if self.adapter is None and not (Path(self.source) / "adapter_config.json").exists():
            found.append(Problem(f"weights in {self.quantize[0]} bits cannot be trained", key, "set `adapter`, or null"))
        if self.initialize == "random":
            found.append(Problem("only pretrained weights are quantised", key, "set `initialize` to pretrained, or this to null"))
        return found


def _is_folder(path: str) -> bool:
    return Path(path).expanduser().is_dir()


def _folder_problems(folder: Path, key: str, weights: bool) -> list[Problem]:
    adapter = (folder / "adapter_config.json").exists()
    if not adapter and not (folder / "config.json").exists():
        return [Problem(f"the folder '{folder}' has no config.json", key, "a policy folder is what `save_pretrained` writes")]
    found = []
    if not any((folder / name).exists() for name in ("tokenizer.json", "tokenizer_config.json")):
        found.append(Problem(f"the folder '{folder}' has no tokenizer", key, "save the tokenizer next to the model"))
    if weights and not any(folder.glob("*.safetensors")):
        found.append(Problem(f"the folder '{folder}' has no *.safetensors", key, "other formats are not read: they can execute code"))
    if adapter and not weights:
        found.append(Problem("an adapter folder cannot be initialised at random", key))
    return found
