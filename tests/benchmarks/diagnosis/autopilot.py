"""What the autopilot makes of faulty runs that a lever can cure, and of their healthy twins.

    cd tests && PYTHONPATH=.:.. python -m benchmarks.diagnosis.autopilot          (or: make bench-autopilot)

A run has lost a share of its twin's progress at its end, in error or in loss; of that gap the autopilot closes a part: 1 is
a run that ends like its twin. A run that ends with NaN, or worse than chance, has lost all of it. Steps are made to last, as a
run of a second would be over before anything could be found: `--seconds` says how long a run takes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

import tuimon
from benchmarks.diagnosis import outcome as outcomes
from benchmarks.diagnosis.__main__ import chosen
from benchmarks.diagnosis.case import drawn
from benchmarks.diagnosis.data import read
from benchmarks.diagnosis.logs import Logs, default_folder
from benchmarks.diagnosis.loop import Training
from benchmarks.diagnosis.outcome import Outcome
from benchmarks.diagnosis.recipe import Recipe
from tuimon.log.records import Applied, Notice

CLOSED = 0.85  # of the gap: what counts as a cure
NOISE = 0.10  # of the twin's progress: what the labelled set calls no fault


class Piloted(Training):
    """A script that has the autopilot on, and takes its time."""

    wait_s = 0.0

    @contextlib.contextmanager
    def watched(self, folder: Path | None) -> Iterator[None]:
        """While this lasts, the training is watched, with the autopilot on."""
        recipe = self.recipe
        settings = {"clip_norm": recipe.clip} if recipe.clip and recipe.clipper == "lever" else None
        with tuimon.watch(
            self.net, self.optimizer, run_dir=folder, total_steps=recipe.steps, serve=False, seed=recipe.seed,
            steps_per_epoch=max(1, len(self.data.x) // (recipe.batch * recipe.accumulate)), settings=settings, autopilot=True,
        ) as self._monitor:  # fmt: skip
            yield
        self._monitor = None

    def _step(self, step: int, found: Iterator[tuple[torch.Tensor, torch.Tensor]]) -> None:
        super()._step(step, found)
        time.sleep(self.wait_s)


class Result(NamedTuple):
    """What came of one run.

    Attributes:
        name: the case's.
        before: the share of the twin's progress that the run loses without the autopilot.
        after: the same with it.
        remedies: how many it has applied.
        back: how many of them it took back.
        moves: what it has moved.
    """

    name: str
    before: float
    after: float
    remedies: int
    back: int
    moves: str

    @property
    def closed(self) -> float:
        """The part of the gap that is closed."""
        return 1 - self.after / self.before if self.before > 0 else 0.0


def lost_at_end(run: Outcome, twin: Outcome) -> float:
    """The share of the twin's progress that a run lacks at its end, from 0 (or less, where it is better) to 1."""
    shares = [_share(run.error, twin.error, twin.chance_error)]
    if run.formula == twin.formula and abs(run.chance_loss / twin.chance_loss - 1) < 0.2:
        shares.append(_share(run.loss, twin.loss, twin.chance_loss))
    return max(shares)


def _share(run: float, twin: float, chance: float) -> float:
    if not run < float("inf"):
        return 1.0
    return min((run - twin) / (chance - twin), 1.0) if chance > twin else 0.0


def piloted(recipe: Recipe, folder: Path, seconds: float) -> Outcome:
    """Trains a recipe with the autopilot on, in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    training = Piloted(recipe, read(recipe))
    training.wait_s = seconds / recipe.steps
    with training.watched(folder):
        return training.run()


def trained(recipes: Sequence[Recipe], folder: Path, seconds: float, jobs: int) -> Iterator[Recipe]:
    """Trains each in a fork of its own, several at a time; yields each as it is done."""
    waiting, living = list(enumerate(recipes)), {}
    while waiting or living:
        while waiting and len(living) < jobs:
            number, recipe = waiting.pop(0)
            child = os.fork()
            if not child:
                os._exit(_child(recipe, folder / str(number), seconds))
            living[child] = recipe
        pid, _ = os.wait()
        yield living.pop(pid)


def _child(recipe: Recipe, place: Path, seconds: float) -> int:
    try:
        place.mkdir(parents=True)
        outcomes.save(piloted(recipe, place / "run", seconds), place / "outcome.json")
    except BaseException as error:
        (place / "error").write_text(f"{type(error).__name__}: {error}")
        return 1
    return 0


def result(name: str, faulty: Outcome, twin: Outcome, place: Path) -> Result | None:
    """What came of a run; None where it could not be trained."""
    after = outcomes.load(place / "outcome.json")
    if after is None:
        return None
    events = [record.event for record in tuimon.read_run(place / "run").events]
    moved = [one for one in events if isinstance(one, Applied) and one.by == "autopilot" and one.lever != "checkpoint"]
    told = [one.text for one in events if isinstance(one, Notice) and "taken back" in one.text]
    begun = [one.text for one in events if isinstance(one, Notice) and one.text.startswith("autopilot: ")]
    moves = "; ".join(f"{one.step} {one.lever} {one.new if one.old is not None else one.new or ''}" for one in moved)
    tried = sum(text.count(": ") == 3 or "=" in text.split(": ")[1] for text in begun)
    return Result(name, lost_at_end(faulty, twin), lost_at_end(after, twin), tried, len(told), moves)


def main() -> int:
    """Trains what is missing without the autopilot, then all with it; prints a line each and the shares."""
    options = _parser().parse_args()
    logs = Logs(default_folder())
    cases = [drawn(case, options.holdout) for case in chosen(options.only) if case.curable]
    known: dict[Recipe, Outcome] = {}
    needed = [recipe for case in cases for recipe in (case.faulty, case.recipe)]
    for _ in logs.make([], dict.fromkeys(needed), 2):
        pass
    for recipe in needed:
        if found := logs.outcome(recipe):
            known[recipe] = found
    faulty = [case for case in cases if case.faulty in known and case.recipe in known]
    twins = list({case.recipe: case for case in faulty}.values()) if not options.faulty else []
    recipes = [case.faulty for case in faulty] + [case.recipe for case in twins]
    folder = Path(tempfile.mkdtemp(prefix="tuimon-autopilot-"))
    try:
        for i, recipe in enumerate(trained(recipes, folder, options.seconds, options.jobs)):
            print(f"{i + 1} of {len(recipes)}", recipe.data, recipe.net, file=sys.stderr, flush=True)
        cured = [result(c.name, known[c.faulty], known[c.recipe], folder / str(i)) for i, c in enumerate(faulty)]
        kept = [
            result(f"twin of {c.name}", known[c.recipe], known[c.recipe], folder / str(len(faulty) + i))
            for i, c in enumerate(twins)
        ]
        report([one for one in cured if one], [one for one in kept if one], options.json)
        for error in folder.glob("*/error"):
            print(f"not trained: {recipes[int(error.parent.name)]}: {error.read_text()}", file=sys.stderr)
    finally:
        if options.keep:
            print(folder, file=sys.stderr)
        else:
            shutil.rmtree(folder)
    return 0


def report(cured: Sequence[Result], healthy: Sequence[Result], as_json: bool) -> None:
    """Prints a line for each run, and the shares that were measured."""
    whole = [one for one in cured if one.before >= NOISE]
    if as_json:
        print(json.dumps({"faulty": [one._asdict() for one in cured], "healthy": [one._asdict() for one in healthy]}))
        return
    for one in sorted(whole, key=lambda one: one.name):
        print(
            f"{one.name:52} lost {one.before:4.0%} → {max(one.after, -1):4.0%}, closed {max(one.closed, -9):5.0%}  {one.moves}"
        )
    short = len(cured) - len(whole)
    closed = [one.closed for one in whole]
    print(f"\n{len(whole)} faulty runs that a lever can cure ({short} more have caught up with their twin by themselves)")
    if whole:
        share = sum(one >= CLOSED for one in closed) / len(closed)
        print(f"closed at least {CLOSED:.0%} of the gap: {share:.0%}; the median closes {statistics.median(closed):.0%}")
    touched = [one for one in healthy if one.moves]
    worse = [one for one in healthy if one.after > NOISE]
    print(f"{len(healthy)} healthy twins: {len(touched)} changed, {len(worse)} lose more than {NOISE:.0%} of their progress")
    for one in touched:
        print(f"  {one.name:52} lost {one.after:4.0%}  {one.moves}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME|KIND", help="these cases or kinds only")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="how long a run is made to last, beyond its own time (%(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=4, help="runs at once; they mostly wait (%(default)s)")
    parser.add_argument("--holdout", type=int, metavar="SEED", help="other seeds, sizes, rates and strengths")
    parser.add_argument("--faulty", action="store_true", help="without the healthy twins")
    parser.add_argument("--keep", action="store_true", help="keep the logs, and say where")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
