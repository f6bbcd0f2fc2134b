"""The paths, modules and links that the documentation names exist."""

import importlib
import re
from pathlib import Path

import pytest

import bbflow

ROOT = Path(bbflow.__file__).parents[1]
PAGES = sorted(
    page.relative_to(ROOT)
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md"), *ROOT.glob("bbflow/**/*.md"))
)
FOLDERS = ("tests", "benchmarks", "bbflow", "recipes", "data_contracts", "schemas", "docs")
PLACEHOLDERS = {"data_contracts/my.odcs.yaml", "recipes/parts/trainer/X.yaml"}
"""Paths that a reader is meant to replace by their own."""


def named_paths(text: str) -> set[str]:
    text = re.sub(r"`[^`]+` at commit \w+", "", text)  # a file of the past
    return {path.rstrip(".,/") for path in re.findall(rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})/[\w./*-]*)", text)}


def named_modules(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w./-])bbflow(?:\.[A-Za-z_]\w*)+", text))


def is_importable(name: str) -> bool:
    """Return whether a dotted name is a module or an attribute of one."""
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return bool(module) and is_importable(module) and _has(module, attribute)
    return True


def _has(name: str, attribute: str) -> bool:
    value, rest = None, name.split(".")
    for end in range(len(rest), 0, -1):
        try:
            value = importlib.import_module(".".join(rest[:end]))
        except ModuleNotFoundError:
            continue
        for part in rest[end:]:
            value = getattr(value, part, None)
        break
    return hasattr(value, attribute)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_path_exists(page: Path) -> None:
    named = named_paths((ROOT / page).read_text(encoding="utf-8")) - PLACEHOLDERS
    assert [path for path in sorted(named) if not any(ROOT.glob(path))] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_dotted_name_can_be_imported(page: Path) -> None:
    named = named_modules((ROOT / page).read_text(encoding="utf-8"))
    assert [name for name in sorted(named) if not is_importable(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_missing_paths_and_names_are_found() -> None:
    assert {"docs/flow.svg", "tests/data/test_cache.py"} == named_paths("`docs/flow.svg`, (tests/data/test_cache.py), /x/docs/other.md")
    assert not any(ROOT.glob("tests/data/test_cache.py"))
    assert is_importable("bbflow.records.Example.from_row")
    assert not is_importable("bbflow.records.Example.from_rows")
    assert not is_importable("bbflow.recordz")
