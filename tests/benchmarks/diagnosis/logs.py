"""Trains what has no log yet, and keeps the logs: a folder for each recipe, by what the log depends on.

That is the recipe, the code that trains it, and the code of tuimon that decides which numbers a log has. The rules are not
among it, so that a set whose rules alone have changed is scored again in seconds. What came of a training is kept apart, for it
is the same whoever watches.
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
from benchmarks.diagnosis.orders import Done, Order, Trainer
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
    return code_of(tuple(HERE / f"{name}.py" for name in TRAINS))


@functools.cache
def _watching_code() -> bytes:
    files: list[Path] = []
    for place in (PACKAGE / name for name in WATCHES):
        files += [place] if place.suffix else sorted(place.rglob("*.py"))
    return code_of(tuple(files))


def _known_by(recipe: Recipe) -> str:
    return hashlib.sha256(_training_code() + repr(recipe).encode()).hexdigest()[:20]


class Logs:
    """The logs of a folder, and what came of their trainings.

    Args:
        folder: made where it is missing.
        stale: takes logs of an earlier monitor where there are none of this one.
    """

    def __init__(self, folder: Path, stale: bool = False) -> None:
        self.folder, self._stale = folder, stale
        for kind in ("logs", "outcomes"):
            (folder / kind).mkdir(parents=True, exist_ok=True)

    def place(self, recipe: Recipe) -> Path:
        """The folder of a recipe's log."""
        place = self.folder / "logs" / f"{_known_by(recipe)}-{_watching_code().hex()[:12]}"
        if not self._stale or place.is_dir():
            return place
        former = [other for other in self.folder.glob(f"logs/{_known_by(recipe)}-*") if not other.suffix]
        return max(former, key=lambda other: other.stat().st_mtime, default=place)

    def outcome_file(self, recipe: Recipe) -> Path:
        """The file that keeps what came of a recipe."""
        return self.folder / "outcomes" / f"{_known_by(recipe)}.json"

    def outcome(self, recipe: Recipe) -> Outcome | None:
        """What came of a recipe; None where it has not been trained."""
        return outcomes.load(self.outcome_file(recipe))

    def has_log(self, recipe: Recipe) -> bool:
        """Whether a recipe has been watched."""
        return self.place(recipe).is_dir()

    def store(self, recipe: Recipe) -> Store:
        """The log of a recipe's run. Raises TuimonError where there is none."""
        place = self.place(recipe)
        os.utime(place)
        runs = [place / "run"] if recipe.asked else [p for p in (place / "runs").iterdir() if p.is_dir()]
        return tuimon.read_run(runs[0])

    def make(self, watched: Iterable[Recipe], judged: Iterable[Recipe], jobs: int, again: bool = False) -> Iterator[Done]:
        """Trains what is missing.

        Args:
            watched: recipes whose log is wanted.
            judged: recipes of which it is enough to know what comes of them: tuimon does not watch them.
            jobs: how many are trained at a time.
            again: trains also what is there.
        """
        orders = [
            Order(recipe, str(self.place(recipe)), str(self.outcome_file(recipe)))
            for recipe in dict.fromkeys(watched)
            if again or not self.has_log(recipe) or self.outcome(recipe) is None
        ]
        others = dict.fromkeys(judged).keys() - {order.recipe for order in orders}
        orders += [
            Order(r, "", str(self.outcome_file(r))) for r in judged if r in others and (again or self.outcome(r) is None)
        ]
        if orders:
            yield from _carried_out(list({order.recipe: order for order in orders}.values()), jobs)

    def forget_old(self) -> None:
        """Removes logs that nothing has read for a week."""
        for place in (self.folder / "logs").iterdir():
            if time.time() - place.stat().st_mtime > KEPT_S:
                shutil.rmtree(place, ignore_errors=True)


def _carried_out(orders: list[Order], jobs: int) -> Iterator[Done]:
    idle: queue.SimpleQueue[Trainer] = queue.SimpleQueue()

    def done(order: Order) -> Done:
        trainer = idle.get()
        try:
            return trainer.train(order)
        finally:
            idle.put(trainer)

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(jobs) as pool:
        for _ in range(jobs):
            idle.put(stack.enter_context(Trainer()))
        yield from pool.map(done, orders)
