import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bench():
    """The constructed conflict: benchmarks/research/conflict.py as a module."""
    path = Path(__file__).parents[2] / "benchmarks" / "research" / "conflict.py"
    spec = importlib.util.spec_from_file_location("conflict_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
