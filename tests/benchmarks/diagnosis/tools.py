"""The tools that are compared, and what each has said of a log, kept beside it until the tool's code changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

import tuimon
from benchmarks.diagnosis import said
from benchmarks.diagnosis.baselines import naive, sagemaker, seven_rules
from benchmarks.diagnosis.kinds import kinds_of
from benchmarks.diagnosis.logs import Logs, code_of
from benchmarks.diagnosis.recipe import Recipe
from benchmarks.diagnosis.said import Said, diagnosed, watched
from tuimon.log.store import Store


class Tool(NamedTuple):
    """A tool, what it says of a run, and the files that decide it."""

    name: str
    says: Callable[[Store], list[Said]]
    code: tuple[Path, ...]


class Opinion(NamedTuple):
    """What a tool says of a run of so many steps."""

    said: list[Said]
    steps: int


def _seven(store: Store) -> Iterable[tuple[str, str]]:
    return ((one.rule, "critical" if one.severity == "error" else "warning") for one in seven_rules.diagnose(store))


def _asked(name: str, look: Callable[[Store], Iterable[tuple[str, str]]], module: str | None) -> Tool:
    """A tool that is asked at every look."""
    return Tool(name, lambda store: watched(store, look), (Path(str(module)), Path(said.__file__)))


TOOLS = (
    Tool("tuimon", diagnosed, (*sorted((Path(tuimon.__file__).parent / "diagnosis").rglob("*.py")), Path(said.__file__))),
    _asked("seven rules", _seven, seven_rules.__file__),
    _asked("SageMaker", sagemaker.look, sagemaker.__file__),
    _asked("naive", naive.look, naive.__file__),
)


def opinion(logs: Logs, recipe: Recipe, tool: Tool) -> Opinion:
    """What a tool says of a recipe's run. Raises TuimonError where there is no log."""
    digest = hashlib.sha256(code_of(tool.code)).hexdigest()[:12]
    kept = logs.place(recipe) / f"{tool.name.replace(' ', '-')}-{digest}.json"
    if kept.is_file():
        return _named(msgspec.json.decode(kept.read_bytes(), type=Opinion))
    store = logs.store(recipe)
    found = Opinion(tool.says(store), max(1, store.step))
    kept.write_bytes(msgspec.json.encode(found))
    return _named(found)


def _named(found: Opinion) -> Opinion:
    """With what the rules' names mean by today's table."""
    return Opinion([one._replace(kinds=kinds_of(one.rule)) for one in found.said], found.steps)
