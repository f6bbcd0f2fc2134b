"""The structure that CONTRIBUTING promises: imports point down, no file cycles, files and functions that fit a screen."""

import ast
from pathlib import Path

import pytest

import bbflow

PACKAGE = Path(bbflow.__file__).parent
LAYERS = [
    "errors",
    "io",
    "records",
    "optimization",
    "graph",
    "text",
    "policies",
    "synthesis",
    "contracts",
    "rewards",
    "capabilities",
    "data",
]
LAYERS += ["testing", "evaluation", "reporting", "modules", "callbacks", "cli"]
"""From the bottom to the top; a module imports from its own layer and those before it."""
MOST_LINES, LONGEST_FUNCTION, MOST_BRANCHES, MOST_FILES = 400, 60, 20, 13


def modules():
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in MODULES.items()}


def imports(name):
    """Modules of the package that one imports, anywhere in its code."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bbflow"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


def layer(name):
    parts = name.split(".")
    return LAYERS.index(parts[1]) if len(parts) > 1 else 0


def test_every_package_has_its_layer():
    assert {name.split(".")[1] for name in MODULES if "." in name} == set(LAYERS)


def test_imports_point_down():
    upward = [(name, other) for name in MODULES for other in imports(name) if name != "bbflow" and layer(other) > layer(name)]
    assert upward == []


def test_no_file_cycle():
    seen, path = set(), []

    def walk(name):
        if name in path:
            pytest.fail(" -> ".join([*path[path.index(name) :], name]))
        if name not in seen:
            path.append(name)
            for other in imports(name):
                if other != name:
                    walk(other)
            path.pop()
            seen.add(name)

    for name in MODULES:
        walk(name)


def test_files_fit():
    lines = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def branches(function):
    count = 0
    for node in ast.walk(function):
        if isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
        else:
            count += isinstance(node, (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.match_case))
    return count


def test_functions_fit():
    functions = [(name, node) for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    long = [(name, f.name) for name, f in functions if f.end_lineno - f.lineno + 1 > LONGEST_FUNCTION or branches(f) > MOST_BRANCHES]
    assert long == []


def test_folders_fit():
    folders = {}
    for file in MODULES.values():
        if file.name != "__init__.py":
            folders[file.parent] = folders.get(file.parent, 0) + 1
    assert {str(folder.relative_to(PACKAGE.parent)): n for folder, n in folders.items() if n > MOST_FILES} == {}


def test_one_module_is_called_report():
    assert [name for name in MODULES if name.endswith(".report")] == ["bbflow.callbacks.report"]
