"""Scripts that no test runs, such as benchmarks, still find the names that they import from tuimon."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted([*(ROOT / "screenshots").glob("*.py"), *(ROOT / "tests/benchmarks").rglob("*.py")])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_finds_what_it_imports_from_tuimon(script: Path) -> None:
    """A function that moves to another file takes its users along."""
    imports = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if node.module and node.module.split(".")[0] == "tuimon":
            module = importlib.import_module(node.module)
            missing = [name.name for name in node.names if not (hasattr(module, name.name) or _is_module_of(module, name.name))]
            assert missing == [], f"{script.name}: {node.module}"


def _is_module_of(package: ModuleType, name: str) -> bool:
    return hasattr(package, "__path__") and importlib.util.find_spec(f"{package.__name__}.{name}") is not None
