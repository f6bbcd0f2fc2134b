"""`bbflow export`: a policy folder from a checkpoint, with model card, margins and certificate."""

from __future__ import annotations

import json
import shutil
from argparse import ArgumentError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbflow.errors import InputError, Problem
from bbflow.io.atomic import atomic_directory

if TYPE_CHECKING:
    from bbflow.evaluation.preregistration import Preregistration
    from bbflow.policies import PolicySettings
    from bbflow.reporting.cards.model_card import ModelCardData

_SHAPE = {"state_dict": dict, "hyper_parameters": dict, "callbacks": dict, "bbflow": dict, "global_step": int}
"""Types of the keys that are read from a checkpoint; any may be missing."""


def export(checkpoint: str, out: str, merge: bool = False) -> None:
    """Write a folder that `AutoModelForCausalLM.from_pretrained` loads: weights, tokenizer, model card, recipe, margins, certificate.

    Args:
        checkpoint: A `.ckpt` file in the `checkpoints/` of a run folder.
        out: Folder to write; must be missing or empty.
        merge: Fold the adapter into the weights; else an adapter is written as an adapter.

    Raises:
        InputError: The checkpoint is missing, unreadable or holds no policy, the folder is taken, or margins or report of the run were
            changed after it.
        Refused: The written policy does not give the logits of the checkpoint.
    """
    from bbflow.reporting.cards.model_card import model_card

    folder, where = Path(out).resolve(), f"--checkpoint {checkpoint}"
    _check_places(Path(checkpoint), folder, where, f"--out {out}")
    source = _read(Path(checkpoint), where)
    card = _card_data(folder.name, source)
    with _malformed(source.report_path):
        model_card(card)  # an unreadable report is refused before the weights are restored
    card, base = _write(folder, source, card, merge, where)
    print(  # noqa: T201
        f"{folder}: {card.form}, step {source.step}; logits differ from the checkpoint by at most {card.logit_difference:.1e}"
    )
    if base is not None:
        print(f"the adapter needs its starting policy, which it names by a folder of this machine, {base}; --merge needs none")  # noqa: T201


@dataclass(frozen=True)
class _Source:
    """Contents of a checkpoint and of its run folder.

    Attributes:
        run: Run folder.
        step: Optimiser step of the checkpoint.
        module: Class of the module, without its package.
        weights: Weights of the policy by name.
        settings: Settings that the policy was loaded by.
        data: State of the data module with its contract, if any.
        preregistration: Margins that were fixed before the run, if any.
        report: Report of the run, if any.
    """

    run: Path
    step: int
    module: str
    weights: dict[str, Any]
    settings: PolicySettings
    data: Mapping[str, Any] | None
    preregistration: Preregistration | None
    report: dict[str, Any] | None

    @property
    def report_path(self) -> Path:
        """Path of the report, whether it exists or not."""
        return _report_path(self.run)

    @property
    def report_step(self) -> Any:
        """Optimiser step that the report judges."""
        return None if self.report is None else self.report.get("provenance", {}).get("step")


def _report_path(run: Path) -> Path:
    return run / "report" / "report.json"


def _check_places(checkpoint: Path, folder: Path, where: str, where_out: str) -> None:
    """Raise `InputError` for a missing checkpoint, or a folder that cannot be written or is not empty."""
    from bbflow.cli.recipes.relative_paths import folder_problems

    problems = folder_problems(folder, where_out)
    if folder.is_dir() and any(folder.iterdir()):
        problems.append(Problem("there is something in it already", where_out))
    if not checkpoint.is_file():
        hint = "weights of sharded runs are saved whole at the end" if checkpoint.is_dir() else ""
        problems.append(Problem("no such checkpoint file", where, hint))
    if problems:
        raise InputError(*problems)


def _read(checkpoint: Path, where: str) -> _Source:
    """Read a checkpoint and the margins and the report of its run.

    Raises:
        InputError: Lists everything that is malformed, or was changed after the run.
    """
    from bbflow.evaluation.preregistration import preregistration_of

    kept, weights = _checkpoint(checkpoint, where)
    run = checkpoint.resolve().parent.parent
    step, made_by = kept.get("global_step", 0), kept.get("bbflow", {}).get("class_path")
    problems: list[Problem] = []
    settings, preregistration, report = None, None, None
    with _noted(problems):
        settings = _settings(kept.get("hyper_parameters", {}).get("policy"), where)
    with _noted(problems):
        preregistration = preregistration_of(kept)
        problems += _preregistration_problems(preregistration, run)
    with _noted(problems), _malformed(_report_path(run)):
        report = _report(_report_path(run), step, preregistration, problems)
    if problems or settings is None:
        raise InputError(*problems)
    module = str(made_by or (report or {}).get("provenance", {}).get("module")).rpartition(".")[2]
    data = next((value for value in kept.values() if isinstance(value, Mapping) and "contract" in value), None)
    return _Source(run, step, module, weights, settings, data, preregistration, report)


def _checkpoint(path: Path, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a checkpoint; return its contents and the weights of its policy."""
    from bbflow.cli.runs.checkpoint import read_checkpoint

    kept = read_checkpoint(path, where)
    problems = [Problem(f"its `{key}` is malformed", where) for key, kind in _SHAPE.items() if not isinstance(kept.get(key, kind()), kind)]
    if problems:
        raise InputError(*problems)
    weights = {name.removeprefix("model."): w for name, w in kept["state_dict"].items() if name.startswith("model.")}
    if not weights and (made_by := kept.get("bbflow", {}).get("class_path")):  # nothing else of its run is about a policy
        hint = "a checkpoint of SFT or GRPO is needed; a reward model lies ready in its run folder, as `reward_model/`"
        raise InputError(Problem(f"is the checkpoint of a {made_by}, which is no policy", where, hint))
    return kept, weights


def _preregistration_problems(preregistration: Preregistration | None, run: Path) -> list[Problem]:
    """List the reason why the margins of a checkpoint differ from those in its run folder."""
    from bbflow.evaluation.preregistration import FILE, read_preregistration

    if preregistration is None or (read_preregistration(run) or preregistration).sha256 == preregistration.sha256:
        return []
    return [Problem("the margins are not those of the checkpoint, which were fixed before the run", str(run / FILE))]


def _report(path: Path, step: int, preregistration: Preregistration | None, problems: list[Problem]) -> dict[str, Any] | None:
    """Read the report of a run, if any; check it against margins and scores where it judges the step of the checkpoint."""
    from bbflow.evaluation.preregistration import certificate_problems
    from bbflow.evaluation.verify_report import verify_differences

    if not path.is_file():
        return None
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(Problem(f"cannot be read: {error}", str(path))) from None
    _ = report["capabilities"].items()
    if report.get("provenance", {}).get("step") == step:
        problems += certificate_problems(report, preregistration, str(path)) + verify_differences(report, path.parent)
    return report


def _card_data(name: str, source: _Source) -> ModelCardData:
    """Collect the facts of the model card that are known before the weights are written."""
    from bbflow.reporting.cards.model_card import ModelCardData

    settings = source.settings
    return ModelCardData(
        name=name,
        base=Path(settings.path).name if Path(settings.path).is_absolute() else settings.path,
        base_licence=_licence(Path(settings.source)),
        module=source.module,
        step=source.step,
        data=source.data,
        preregistration=source.preregistration,
        report=source.report if source.report_step == source.step else None,
        report_step=source.report_step,
    )


def _write(folder: Path, source: _Source, card: ModelCardData, merge: bool, where: str) -> tuple[ModelCardData, Path | None]:
    """Write the policy folder.

    Returns:
        The completed facts of the model card, and the folder of the starting policy where an adapter names one of this machine.
    """
    from bbflow.evaluation.preregistration import write_preregistration
    from bbflow.policies.export import base_folder, is_adapter, restore, save_policy, weights_sha256
    from bbflow.reporting.cards.model_card import model_card

    with atomic_directory(folder) as draft:
        policy = restore(source.settings, source.weights, where)
        form = "full weights" if not is_adapter(policy) else "merged adapter" if merge else "adapter"
        difference = save_policy(policy, draft, merge)
        base = base_folder(draft)
        local = {} if base is None else weights_sha256(base)
        card = replace(card, form=form, logit_difference=difference, weights=weights_sha256(draft), local_base=local)
        (draft / "README.md").write_text(model_card(card), encoding="utf-8")
        if source.preregistration is not None:
            write_preregistration(draft, source.preregistration)
        if card.report is not None:
            (draft / "certificate.json").write_text(json.dumps(card.report, indent=1) + "\n", encoding="utf-8")
        if (source.run / "config.yaml").is_file():
            shutil.copyfile(source.run / "config.yaml", draft / "recipe.yaml")
    return card, base


def _settings(kept: Any, where: str) -> PolicySettings:
    """Read the policy's settings as strictly as a recipe's; keys that this version does not know are left out."""
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


@contextmanager
def _noted(problems: list[Problem]) -> Iterator[None]:
    """Collect problems, so that all are reported together."""
    try:
        yield
    except InputError as error:
        problems += error.problems


@contextmanager
def _malformed(path: Path) -> Iterator[None]:
    """Turn errors of a report with missing keys or other types into an `InputError`."""
    from jinja2 import UndefinedError

    try:
        yield
    except (TypeError, KeyError, ValueError, AttributeError, UndefinedError) as error:
        raise InputError(Problem(f"is no report that a run wrote: {type(error).__name__}: {error}", str(path))) from error


def _licence(folder: Path) -> str | None:
    """Return the licence in the front matter of a policy folder's card."""
    import yaml

    card = folder / "README.md"
    parts = card.read_text(encoding="utf-8").split("---", 2) if card.is_file() else []
    try:
        named = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except yaml.YAMLError:
        return None
    return str(named["license"]) if isinstance(named, dict) and "license" in named else None
