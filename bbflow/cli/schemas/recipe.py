"""The schema of a recipe: the trainer, and every module, data module, capability, reward and task that bbflow brings."""

from __future__ import annotations

import json
from typing import Any

_OPEN = ("callbacks", "logger", "plugins", "profiler", "strategy")
"""Arguments of the trainer that take objects of many kinds; their schema is left open."""

_BASES = ("LightningModule", "RecipeModule", "PolicyModule", "LightningDataModule")
"""Classes that no recipe can name."""

_NUMBERS = {"integer", "number", "boolean"}


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe, for editors; what a run accepts is decided by the parser."""
    from jsonargparse import ArgumentParser
    from lightning.pytorch import LightningDataModule, LightningModule, Trainer

    from bbflow.cli.training import prepare

    prepare()
    parser = ArgumentParser()
    parser.add_argument("--seed_everything", type=bool | int, default=True)
    parser.add_argument("--vars", type=dict[str, Any] | None, default=None)
    parser.add_argument("--ckpt_path", type=str | None, default=None)
    parser.add_class_arguments(Trainer, "trainer", skip=set(_OPEN), fail_untyped=False)
    parser.add_subclass_arguments(LightningModule, "model", required=True, fail_untyped=False)
    parser.add_subclass_arguments(LightningDataModule, "data", fail_untyped=False)
    schema = json.loads(parser.get_completion_script("jsonschema"))
    schema["properties"]["trainer"]["properties"] |= {name: {} for name in _OPEN}
    schema = _adjusted(schema)
    schema["$defs"] |= {
        "interpolation": {"type": "string", "pattern": r"^\$\{.+\}$", "description": "the value of another key, as ${vars.name}"},
        "part": {"type": "string", "pattern": r"\.ya?ml$", "description": "a YAML file that holds the value, relative to this file"},
        "own_class": {
            "type": "object",
            "description": "a class of your own, in a file next to the recipe",
            "properties": {"class_path": {"type": "string", "pattern": r"^(?!bbflow\.|lightning\.)\w+(\.\w+)+$"}},
            "required": ["class_path"],
        },
    }
    return {"title": "bbflow recipe", **schema}


def _adjusted(node: Any) -> Any:
    """Extend a schema by what recipes accept: short class names, custom classes, `${...}` for numbers, part files."""
    if isinstance(node, list):
        return [_adjusted(child) for child in node]
    if not isinstance(node, dict):
        return node
    if any(_class_path(option) for option in node.get("anyOf", ())):
        options = [_adjusted(o) for o in node["anyOf"] if (_class_path(o) or "").rpartition(".")[2] not in _BASES]
        return {**node, "anyOf": [*options, {"$ref": "#/$defs/own_class"}]}
    adjusted = {key: _adjusted(child) for key, child in node.items() if key not in ("properties", "$schema")}
    if "properties" in node:
        adjusted["properties"] = {name: _property(child) for name, child in node["properties"].items() if name != "$schema"}
    if "const" in node:
        adjusted = {"enum": [node["const"].rpartition(".")[2], node["const"]]}
    return adjusted


def _property(node: dict[str, Any]) -> dict[str, Any]:
    adjusted = _adjusted(node)
    kinds = {kind for option in node.get("anyOf", [node]) for kind in _kinds(option)}
    more = ["interpolation"] if kinds & _NUMBERS and "string" not in kinds else []
    more += ["part"] if "object" in kinds and "class_path" not in node.get("properties", ()) else []
    if not more:
        return adjusted
    outside = {key: adjusted.pop(key) for key in ("description", "default") if key in adjusted}
    options = adjusted["anyOf"] if set(adjusted) == {"anyOf"} else [adjusted]
    return {"anyOf": [*options, *({"$ref": f"#/$defs/{name}"} for name in more)], **outside}


def _kinds(node: dict[str, Any]) -> list[str]:
    kind = node.get("type", [])
    return kind if isinstance(kind, list) else [kind]


def _class_path(node: dict[str, Any]) -> str | None:
    path = node.get("properties", {}).get("class_path", {}).get("const")
    return path if isinstance(path, str) else None
