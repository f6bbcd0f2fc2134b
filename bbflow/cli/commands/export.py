"""`bbflow export`: a policy folder from a checkpoint, with model card, margins and certificate."""

from __future__ import annotations

import json
import shutil
from argparse import ArgumentError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.errors import InputError, Problem
from bbflow.io.atomic import atomic_directory

if TYPE_CHECKING:
    from bbflow.policies import PolicySettings

_SHAPE = {"state_dict": dict, "hyper_parameters": dict, "callbacks": dict, "bbflow": dict, "global_step": int}
"""What is read from a checkpoint where it is there."""


def export(checkpoint: str, out: str, merge: bool = False) -> None:
    """Writes a folder that `AutoModelForCausalLM.from_pretrained` loads: weights, tokenizer, model card, recipe, margins, certificate.

    Args:
        checkpoint: A `.ckpt` file in the `checkpoints/` of a run folder.
        out: Folder to write; must not hold anything yet.
        merge: Fold the adapter into the weights; else an adapter is written as an adapter.

    Raises:
        InputError: The checkpoint is missing, unreadable or holds no policy, the folder is taken, or margins or report of the run were
            changed after it.
        Refused: What was written does not give the logits of the checkpoint.
    """
    from bbflow.cli.recipes.relative_paths import folder_problems

    folder, where = Path(out).resolve(), f"--checkpoint {checkpoint}"
    problems = folder_problems(folder, f"--out {out}")
    if folder.is_dir() and any(folder.iterdir()):
        problems.append(Problem("there is something in it already", f"--out {out}"))
    if not Path(checkpoint).is_file():
        hint = "weights of sharded runs are saved whole at the end" if Path(checkpoint).is_dir() else ""
        problems.append(Problem("no such checkpoint file", where, hint))
    if problems:
        raise InputError(*problems)

    from bbflow.cli.runs.checkpoint_file import read_checkpoint
    from bbflow.evaluation.preregistration import (
        FILE,
        certificate_problems,
        preregistration_of,
        read_preregistration,
        write_preregistration,
    )
    from bbflow.evaluation.verify_report import verify_differences
    from bbflow.policies.export import base_folder, is_adapter, restore, save_policy, weights_sha256
    from bbflow.reporting.cards.model_card import ModelCardData, model_card

    kept = read_checkpoint(Path(checkpoint), where)
    problems = [Problem(f"its `{key}` is malformed", where) for key, kind in _SHAPE.items() if not isinstance(kept.get(key, kind()), kind)]
    if problems:
        raise InputError(*problems)
    run = Path(checkpoint).resolve().parent.parent
    step, made_by = kept.get("global_step", 0), kept.get("bbflow", {}).get("class_path")
    weights = {name.removeprefix("model."): w for name, w in kept["state_dict"].items() if name.startswith("model.")}
    if not weights and made_by:  # nothing else of its run is about a policy
        hint = "a checkpoint of SFT or GRPO is needed; a reward model lies ready in its run folder, as `reward_model/`"
        raise InputError(Problem(f"is the checkpoint of a {made_by}, which is no policy", where, hint))
    promise, report, report_step, report_path = None, None, None, run / "report" / "report.json"
    with _noted(problems):
        settings = _settings(kept.get("hyper_parameters", {}).get("policy"), where)
    with _noted(problems):
        promise = preregistration_of(kept)
        if promise is not None and (read_preregistration(run) or promise).sha256 != promise.sha256:
            problems.append(Problem("the margins are not those of the checkpoint, which were fixed before the run", str(run / FILE)))
    with _noted(problems), _malformed(report_path):
        report = _report(report_path)
        report_step = None if report is None else report.get("provenance", {}).get("step")
        if report is not None and report_step == step:
            problems += certificate_problems(report, promise, str(report_path)) + verify_differences(report, report_path.parent)
    if problems:
        raise InputError(*problems)
    facts = ModelCardData(
        name=folder.name,
        base=Path(settings.path).name if Path(settings.path).is_absolute() else settings.path,
        base_licence=_licence(Path(settings.source)),
        module=str(made_by or (report or {}).get("provenance", {}).get("module")).rpartition(".")[2],
        step=step,
        data=next((value for value in kept.values() if isinstance(value, Mapping) and "contract" in value), None),
        promise=promise,
        report=report if report_step == step else None,
        report_step=report_step,
    )
    with _malformed(report_path):
        model_card(facts)  # told before the weights are read

    with atomic_directory(folder) as draft:
        policy = restore(settings, weights, where)
        form = "full weights" if not is_adapter(policy) else "merged adapter" if merge else "adapter"
        difference = save_policy(policy, draft, merge)
        base = base_folder(draft)
        local = {} if base is None else weights_sha256(base)
        facts = replace(facts, form=form, logit_difference=difference, weights=weights_sha256(draft), local_base=local)
        (draft / "README.md").write_text(model_card(facts), encoding="utf-8")
        if promise is not None:
            write_preregistration(draft, promise)
        if facts.report is not None:
            (draft / "certificate.json").write_text(json.dumps(facts.report, indent=1) + "\n", encoding="utf-8")
        if (run / "config.yaml").is_file():
            shutil.copyfile(run / "config.yaml", draft / "recipe.yaml")
    print(f"{folder}: {form}, step {step}; logits differ from the checkpoint by at most {difference:.1e}")  # noqa: T201
    if base is not None:
        print(f"the adapter needs its starting policy, which it names by a folder of this machine, {base}; --merge needs none")  # noqa: T201


def _settings(kept: Any, where: str) -> PolicySettings:
    """Reads the policy's settings as strictly as a recipe's; what this version does not know is left out."""
    from jsonargparse import ArgumentParser

    from bbflow.cli.errors import innermost
    from bbflow.policies import PolicySettings

    if not isinstance(kept, Mapping):
        raise InputError(Problem("the checkpoint holds no policy", where, "a checkpoint of SFT or GRPO is needed"))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--policy", type=PolicySettings)
    known = {field.name for field in fields(PolicySettings)}
    try:
        read = parser.parse_object({"policy": {key: value for key, value in kept.items() if key in known}})
    except ArgumentError as error:
        raise InputError(Problem(f"the settings of its policy are malformed: {innermost(error.message)}", where)) from None
    settings: PolicySettings = parser.instantiate(read).policy
    return settings


def _report(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(Problem(f"cannot be read: {error}", str(path))) from None
    _ = report["capabilities"].items()
    return report


@contextmanager
def _noted(problems: list[Problem]) -> Iterator[None]:
    """Keeps what is wrong, so that all is told together."""
    try:
        yield
    except InputError as error:
        problems += error.problems


@contextmanager
def _malformed(path: Path) -> Iterator[None]:
    """Says of a report that lacks what is read from it, or holds something of another kind, that it is none."""
    try:
        yield
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(Problem(f"is no report that a run wrote: {type(error).__name__}: {error}", str(path))) from error


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
