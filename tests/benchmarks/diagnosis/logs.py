"""Trains what has no log yet, and keeps the logs: a folder for each recipe, by what the log depends on.

That is the recipe, the code that trains it, and the code of tuimon that decides which numbers a log has. The rules are not
among it, so that a set whose rules alone have changed is scored again in seconds.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import os
import queue
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tuimon
from benchmarks.diagnosis import outcome as outcomes
from benchmarks.diagnosis.orders import Done, Trainer
from benchmarks.diagnosis.outcome import Outcome
from benchmarks.diagnosis.recipe import Recipe
from tuimon.log.store import Store

HERE, PACKAGE = Path(__file__).parent, Path(tuimon.__file__).parent
TRAINS = ("data", "nets", "losses", "schedules", "loop", "odd")
WATCHES = ("monitor/probe", "monitor/meters", "monitor/scalars.py", "monitor/steps.py", "log/histogram.py")
KEPT_S = 7 * 86400.0  # a log that nothing has read for so long is removed


def default_folder() -> Path:
    """Where logs are kept unless another folder is given: the user's own under the temporary one."""
    return Path(tempfile.gettempdir()) / f"tuimon-diagnosis-{os.getuid()}"


@functools.cache
def code_of(files: tuple[Path, ...]) -> bytes:
    """What the code of Python files is known by; comments, texts of documentation and line breaks are none."""
    digest = hashlib.sha256()
    for file in files:
        tree = ast.parse(file.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value.value = ""
        digest.update(ast.dump(tree).encode())
    return digest.digest()


@functools.cache
def _training_code() -> bytes:
    files = [HERE / f"{name}.py" for name in TRAINS]
    for place in (PACKAGE / name for name in WATCHES):
        files += [place] if place.suffix else sorted(place.rglob("*.py"))
    return code_of(tuple(files))


def key(recipe: Recipe) -> str:
    """The name of a recipe's folder."""
    return hashlib.sha256(_training_code() + repr(recipe).encode()).hexdigest()[:20]


class Logs:
    """The logs of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def place(self, recipe: Recipe) -> Path:
        """The folder of a recipe."""
        return self.folder / key(recipe)

    def outcome(self, recipe: Recipe) -> Outcome | None:
        """What came of a recipe; None where it has not been trained."""
        return outcomes.load(self.place(recipe))

    def store(self, recipe: Recipe) -> Store:
        """The log of a recipe's run. Raises TuimonError where there is none."""
        place = self.place(recipe)
        os.utime(place)
        runs = [place / "run"] if recipe.asked or recipe.special else [p for p in (place / "runs").iterdir() if p.is_dir()]
        return tuimon.read_run(runs[0])

    def make(self, recipes: Iterable[Recipe], jobs: int, again: bool = False) -> Iterator[Done]:
        """Trains the recipes that have no log, `jobs` at a time."""
        wanted = list(dict.fromkeys(r for r in recipes if again or self.outcome(r) is None))
        if not wanted:
            return
        idle: queue.SimpleQueue[Trainer] = queue.SimpleQueue()

        def made(recipe: Recipe) -> Done:
            trainer = idle.get()
            try:
                return trainer.train(recipe, self.place(recipe))
            finally:
                idle.put(trainer)

        with contextlib.ExitStack() as stack, ThreadPoolExecutor(jobs) as pool:
            for _ in range(jobs):
                idle.put(stack.enter_context(Trainer()))
            yield from pool.map(made, wanted)

    def forget_old(self) -> None:
        """Removes what nothing has read for a week."""
        for place in self.folder.iterdir():
            if time.time() - place.stat().st_mtime > KEPT_S:
                shutil.rmtree(place, ignore_errors=True)
