"""`bbflow export`: a policy folder from a checkpoint, with model card, margins and certificate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.errors import InputError, Problem

if TYPE_CHECKING:
    from bbflow.evaluation.commitment import Commitment


def export(checkpoint: str, out: str, merge: bool = False) -> None:
    """Writes a folder that `AutoModelForCausalLM.from_pretrained` loads: weights, tokenizer, model card, recipe, margins, certificate.

    Args:
        checkpoint: A `.ckpt` file in the `checkpoints/` of a run folder.
        out: Folder to write; must not hold anything yet.
        merge: Fold the adapter into the weights; else an adapter is written as an adapter.

    Raises:
        InputError: The checkpoint is missing, unreadable or holds no policy, or the folder is taken.
        Refused: What was written does not give the logits of the checkpoint.
    """
    folder, where = Path(out), f"--checkpoint {checkpoint}"
    problems = [] if not folder.exists() or _empty(folder) else [Problem("there is something in it already", f"--out {out}")]
    if not Path(checkpoint).is_file():
        hint = "weights of sharded runs are saved whole at the end" if Path(checkpoint).is_dir() else ""
        problems.append(Problem("no such checkpoint file", where, hint))
    if problems:
        raise InputError(*problems)

    from bbflow.cli.checkpoint_file import read_checkpoint
    from bbflow.evaluation.commitment import write_commitment
    from bbflow.evaluation.model_card import Facts, model_card
    from bbflow.policies.export import is_adapter, restore, save_policy, settings_of

    kept = read_checkpoint(Path(checkpoint), where)
    settings = settings_of(kept.get("hyper_parameters", {}), where)
    promise = _promise(kept)
    report = _report(Path(checkpoint).resolve().parent.parent)
    weights = {name.removeprefix("model."): w for name, w in kept["state_dict"].items() if name.startswith("model.")}
    policy = restore(settings, weights, where)
    form = "full weights" if not is_adapter(policy) else "merged adapter" if merge else "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    difference = save_policy(policy, folder, merge)

    step = int(kept.get("global_step", 0))
    report_step = None if report is None else report.get("provenance", {}).get("step")
    facts = Facts(
        name=folder.resolve().name,
        base=Path(settings.path).name if Path(settings.path).is_absolute() else settings.path,
        base_licence=_licence(Path(settings.source)),
        module=str(kept.get("bbflow", {}).get("class_path") or (report or {}).get("provenance", {}).get("module")).rpartition(".")[2],
        step=step,
        form=form,
        logit_difference=difference,
        data=next((value for value in kept.values() if isinstance(value, Mapping) and "contract" in value), None),
        promise=promise,
        report=report if report_step == step else None,
        report_step=report_step,
    )
    (folder / "README.md").write_text(model_card(facts), encoding="utf-8")
    if promise is not None:
        write_commitment(folder, promise)
    if facts.report is not None:
        (folder / "certificate.json").write_text(json.dumps(facts.report, indent=1) + "\n", encoding="utf-8")
    recipe = Path(checkpoint).resolve().parent.parent / "config.yaml"
    if recipe.is_file():
        shutil.copyfile(recipe, folder / "recipe.yaml")
    print(f"{folder}: {form}, step {step}; logits differ from the checkpoint by at most {difference:.1e}")  # noqa: T201


def _promise(kept: Mapping[str, Any]) -> Commitment | None:
    from bbflow.evaluation.commitment import Commitment

    states = [state for state in kept.get("callbacks", {}).values() if isinstance(state, Mapping)]
    given = next((state["margins"] for state in states if "margins" in state), None)
    return None if given is None else Commitment.from_json(given, "margins in the checkpoint")


def _report(run: Path) -> dict[str, Any] | None:
    path = run / "report" / "report.json"
    if not path.is_file():
        return None
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"cannot be read: {error}", str(path))) from None
    return report


def _licence(folder: Path) -> str | None:
    """The licence that a policy folder's card names in its front matter."""
    import yaml

    card = folder / "README.md"
    parts = card.read_text(encoding="utf-8").split("---", 2) if card.is_file() else []
    try:
        named = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except yaml.YAMLError:
        return None
    return str(named["license"]) if isinstance(named, dict) and "license" in named else None


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
