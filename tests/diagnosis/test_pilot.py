"""The autopilot: what it applies, when, within which bounds, and what it takes back. A simulated training, a real log."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diagnosis_logs import LAYERS, LEVERS, healthy, stuck
from tuimon.base.bounds import Bounds, bounds_of
from tuimon.base.errors import TuimonError
from tuimon.base.process import this_process
from tuimon.diagnosis import Diagnosis
from tuimon.diagnosis.keeper import Forget, Keeper
from tuimon.diagnosis.pilot import LEVER, Pilot
from tuimon.log.reader import RunReader, read_run
from tuimon.log.records import Applied, CheckpointSaved, Command, LeverInfo, Notice, Refused, RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter

MORE = (
    *LEVERS,
    LeverInfo("checkpoint", "action"),
    LeverInfo("rewind", "action", takes="a name"),
    LeverInfo("reinit_dead_units", "action"),
    LeverInfo(LEVER, "switch", True),
)


class Run:
    """A training that logs `values(step, levers)`, and does what the autopilot asks for, unless it refuses that lever."""

    def __init__(
        self, folder: Path, values: Callable[[int, dict[str, Any]], dict[str, float]], bounds: str = "", refused: str = ""
    ) -> None:
        self.levers: dict[str, Any] = {info.name: info.value for info in MORE}
        self.asked: list[tuple[int, str, Any]] = []
        self.told: list[str] = []
        self.step = 0
        self._values, self._refused = values, refused
        self._writer = LogWriter(folder, "run")
        self._writer.event(RunStarted(name="r", process=this_process(), layers=LAYERS, levers=MORE))
        self._reader, self._store = RunReader(folder), Store()
        self._engine, self._pilot = Diagnosis(), Pilot(bounds_of(bounds))

    def train(self, steps: int) -> Run:
        for _ in range(steps):
            self.step += 1
            self._writer.scalars(self.step, self._values(self.step, self.levers))
            if self.step % 5 == 0:
                self._turn()
        return self

    def close(self) -> None:
        self._writer.close()
        self._reader.close()

    def _turn(self) -> None:
        self._writer.flush()
        while batch := self._reader.read(1 << 20):
            self._engine.take(batch)
            self._store.apply(batch)
        for ask in self._pilot.turn(self._engine, self._store):
            if isinstance(ask, Notice):
                self.told.append(ask.text)
            elif isinstance(ask, Command):
                self._carry_out(ask)

    def _carry_out(self, command: Command) -> None:
        self.asked.append((self.step, command.lever, command.value))
        name, same = command.lever, {"by": command.by, "id": command.id}
        if name == self._refused:
            self._writer.event(Refused(self.step, name, command.value, "not here", **same), self.step)
        elif name == "checkpoint":
            path = f"checkpoints/step-{self.step}.pt"
            self._writer.event(CheckpointSaved(self.step, path, "asked"), self.step)
            self._writer.event(Applied(self.step, name, note=path, **same), self.step)
        elif name in ("rewind", "reinit_dead_units"):
            self._writer.event(Applied(self.step, name, new=command.value, **same), self.step)
        else:
            old, self.levers[name] = self.levers[name], command.value
            self._writer.event(Applied(self.step, name, old=old, new=command.value, **same), self.step)


def too_low(step: int, levers: dict[str, Any]) -> dict[str, float]:
    """A rate that is far too low; with a higher one the run learns from there on."""
    scale = float(levers["lr_scale"])
    moved = {f"update_ratio/{layer.name}": 1e-6 * scale for layer in LAYERS}
    if scale == 1.0:
        return {**stuck(step), **moved}
    levers.setdefault("since", step)
    learned = healthy(step - levers["since"])
    return {**stuck(step), **moved, "loss/train": learned["loss/train"], "loss/val": learned["loss/val"]}


def worse_with_it(step: int, levers: dict[str, Any]) -> dict[str, float]:
    """The same, but with a higher rate the loss grows."""
    found = too_low(step, levers)
    return (
        found if float(levers["lr_scale"]) == 1.0 else {**found, "loss/train": stuck(step)["loss/train"] * 2, "loss/val": 4.0}
    )


@pytest.fixture
def simulate(tmp_path: Path) -> Any:
    runs: list[Run] = []

    def make(*arguments: Any, **options: Any) -> Run:
        runs.append(Run(tmp_path, *arguments, **options))
        return runs[-1]

    yield make
    for run in runs:
        run.close()


def test_a_remedy_is_applied_behind_a_checkpoint_and_proved(simulate: Any) -> None:
    """One finding, one remedy; what it did is said, and nothing more is done."""
    run = simulate(too_low).train(400)
    assert [lever for _, lever, _ in run.asked if lever != "checkpoint"] == ["lr_scale"]
    at = next(i for i, one in enumerate(run.asked) if one[1] == "lr_scale")
    assert run.asked[at - 1][:2] == (run.asked[at][0], "checkpoint")
    assert run.told[0].startswith("autopilot: rate-too-low: lr_scale=") and "steps of a usual share" in run.told[0]
    assert "helped" in run.told[1]


def test_what_made_it_worse_is_taken_back(simulate: Any) -> None:
    """To the lever's value and the weights of before; the next remedy is another one."""
    run = simulate(worse_with_it, bounds="most=1").train(200)
    (at, _, _), *_ = [one for one in run.asked if one[1] == "lr_scale"]
    assert [(lever, value) for _, lever, value in run.asked if lever != "checkpoint"][1:] == [
        ("lr_scale", 1.0),
        ("rewind", f"checkpoints/step-{at}.pt"),
    ]
    assert "made it worse, taken back" in run.told[1]


@pytest.mark.parametrize(
    ("bounds", "moved", "said"), [("levers=clip_norm", 0, 0), ("levers=lr_scale+clip_norm", 2, 0), ("most=1", 1, 1)]
)
def test_it_keeps_to_its_bounds(simulate: Any, bounds: str, moved: int, said: int) -> None:
    """To the levers that it may move, and to the number of remedies; that this is used up is said once."""
    run = simulate(worse_with_it, bounds=bounds).train(400)
    assert len([value for _, lever, value in run.asked if lever == "lr_scale" and value != 1.0]) == moved
    assert len([text for text in run.told if "as many as its bounds allow" in text]) == said


def test_between_two_remedies_the_run_gets_time(simulate: Any) -> None:
    """At least as many steps as the bounds say."""
    run = simulate(worse_with_it, bounds="every=150").train(500)
    begun = [step for step, lever, value in run.asked if lever == "lr_scale" and value != 1.0]
    assert len(begun) >= 2 and all(later - earlier >= 150 for earlier, later in itertools.pairwise(begun))


def test_what_the_run_refuses_is_said_and_not_tried_again(simulate: Any) -> None:
    """The reason is the run's own."""
    run = simulate(too_low, refused="lr_scale").train(300)
    values = [value for _, lever, value in run.asked if lever == "lr_scale"]
    assert values and len(values) == len(set(values))
    assert "autopilot: lr_scale is refused: not here" in run.told


def test_a_healthy_run_is_left_alone(simulate: Any) -> None:
    """But for checkpoints to go back to, of a run that keeps none."""
    run = simulate(lambda step, levers: healthy(step)).train(300)
    assert run.told == [] and {lever for _, lever, _ in run.asked} == {"checkpoint"}


def test_checkpoints_that_nothing_needs_are_forgotten(tmp_path: Path) -> None:
    """The first, the best and the latest of its own stay; nobody else's is touched."""
    writer, keeper = LogWriter(tmp_path, "run"), Keeper(every=5)
    forgotten: list[str] = []
    for step in range(1, 200):
        writer.scalars(step, {"loss/val": 2.0 * 0.98**step if step < 120 else 1.0})
        writer.event(CheckpointSaved(step, "checkpoints/theirs.pt", "asked"), step)
        writer.flush()
        for ask in keeper.turn(read_run(tmp_path)):
            if isinstance(ask, Forget):
                forgotten.append(ask.path)
            elif isinstance(ask, Command):
                writer.event(CheckpointSaved(step, f"checkpoints/step-{step}.pt", "asked"), step)
                writer.event(Applied(step, "checkpoint", note=f"checkpoints/step-{step}.pt", by=ask.by, id=ask.id), step)
    writer.close()
    saved = [one.event.note for one in read_run(tmp_path).events if isinstance(one.event, Applied)]
    left = [path for path in saved if path not in forgotten]
    assert "checkpoints/theirs.pt" not in forgotten
    assert left[0] == saved[0] and left[-1] == saved[-1] and len(left) <= 4 < len(saved)


def test_bounds_are_read_as_typed() -> None:
    """In any order, each where it differs; nonsense is named."""
    assert bounds_of("") == Bounds() == bounds_of(str(Bounds()))
    some = bounds_of("levers=lr_scale+clip_norm, most=2")
    assert some == Bounds(2, 20, frozenset({"lr_scale", "clip_norm"})) == bounds_of(str(some))
    for text in ("most=0", "many=3", "every=x", "levers="):
        with pytest.raises(TuimonError, match="bounds"):
            bounds_of(text)
