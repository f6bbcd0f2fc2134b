"""Pins, layers, cost of an import, and contents of a wheel."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bbflow

ROOT = Path(bbflow.__file__).parents[1]
LAYERS = (
    "records", "graph", "optimization", "policies", "synthesis", "contracts", "rewards", "capabilities", "data", "evaluation", "modules",
    "callbacks", "cli",
)  # fmt: skip
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = {
    canonicalize_name(name): version
    for name, _, version in (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
}


def test_every_requirement_is_pinned_to_a_version_that_it_allows():
    requirements = [*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)]
    for requirement in map(Requirement, requirements):
        if requirement.name == PROJECT["name"]:
            assert requirement.extras <= set(PROJECT["optional-dependencies"])  # one extra brings another
            continue
        assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)]), requirement


def test_what_the_makefile_installs_first_is_pinned_without_a_build_tag():
    assert "+" not in PINS["torch"]
    assert "'^torch=='" in (ROOT / "Makefile").read_text()


def test_version_is_said_once_and_the_same():
    assert PROJECT["version"] == bbflow.__version__


def test_the_extras_and_targets_that_the_documentation_names():
    assert set(PROJECT["optional-dependencies"]) == {"hpo", "eval", "bench", "quantize", "dev"}
    makefile = (ROOT / "Makefile").read_text()
    for target in ("setup", "grpo", "test", "nightly", "gpu", "lint", "audit", "bench", "tiny"):
        assert f"\n{target}:" in makefile
    ci = ROOT / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    assert "make test\nmake lint" in ci.read_text()
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert (ROOT / "bbflow" / "py.typed").exists()


def imports_of(path):
    """Returns the modules that a file imports as it is imported itself; what functions import is left out."""
    found = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def file_of(module):
    """Returns the file of one of bbflow's modules, or None."""
    path = ROOT.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if module.startswith("bbflow") and p.exists()), None)


def test_imports_point_down():
    found = []
    for path in sorted((ROOT / "bbflow").rglob("*.py")):
        here = path.relative_to(ROOT).parts[1].removesuffix(".py")
        for name in imports_of(path):
            there = [*name.split("."), ""][1]
            if name.startswith("bbflow.") and here in LAYERS and there in LAYERS and LAYERS.index(there) > LAYERS.index(here):
                found.append(f"{path.relative_to(ROOT)} imports {name}")
    assert found == []


def test_importing_a_package_imports_none_of_the_slow_libraries():
    slow = {"transformers", "tokenizers", "peft", "datasets", "great_expectations", "pandas", "lm_eval", "trl"}
    queue, seen, found = [file_of(f"bbflow.{package}") for package in LAYERS], set(), []
    while queue:
        path = queue.pop()
        if path is None or path in seen:
            continue
        seen.add(path)
        found += [f"{path.relative_to(ROOT)} imports {name}" for name in imports_of(path) if name.split(".")[0] in slow]
        queue += [file_of(name) for name in imports_of(path)]
    assert len(seen) > len(LAYERS)
    assert found == []


@pytest.mark.slow
def test_the_wheel_carries_recipes_contracts_schemas_graph_and_policy(tmp_path):
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("recipes", "data_contracts", "schemas"):
        files = [p for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        assert files
        assert {f"bbflow/assets/{p.relative_to(ROOT)}" for p in files} <= names
    data = [p for p in (ROOT / "bbflow").rglob("*") if p.is_file() and p.suffix not in (".pyc", ".py")]
    assert {str(p.relative_to(ROOT)) for p in data} <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]


def test_what_make_bench_runs_is_there():
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("BENCHES :=")]
    named = re.findall(r"[\w/]+\.py", line)
    assert len(named) > 5
    assert all((ROOT / "benchmarks" / "performance" / name).is_file() for name in named)
