"""The modules of the package that a module imports, directly or not, read from the source."""

import ast
from collections.abc import Iterable
from pathlib import Path

from bbflow.io.checksums import PACKAGE


def import_closure(starts: Iterable[Path], leave_out: Iterable[str] = ()) -> set[str]:
    """Return paths relative to the package of the modules and everything they import, inside functions too.

    Args:
        starts: Modules to begin with.
        leave_out: Globs, relative to the package, of modules that are neither returned nor followed.
    """
    ignored = {file for pattern in leave_out for file in PACKAGE.glob(pattern)}
    seen: set[Path] = set()
    queue = list(starts)
    while queue:
        file = queue.pop()
        if file not in seen and file not in ignored:
            seen.add(file)
            queue += imports(file)
    return {file.relative_to(PACKAGE).as_posix() for file in seen}


def imports(file: Path) -> list[Path]:
    """Return the files of the package that a module imports; a type checker's imports count too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [found for name in names if (found := _file(name))]


def _file(name: str) -> Path | None:
    package, *parts = name.split(".")
    if package != "bbflow":
        return None
    path = PACKAGE.joinpath(*parts)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if parts and file.is_file()), None)
