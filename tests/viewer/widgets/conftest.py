"""A real run to look at, and an app that shows one widget."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

from tuimon.base.process import Process
from tuimon.log.histogram import of
from tuimon.log.reader import RunReader
from tuimon.log.records import LayerInfo, LeverInfo, RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter
from tuimon.viewer.widgets import Drawn

LEVERS = (
    LeverInfo("lr_scale", "number", 1.0, low=0.0, help="times the learning rate"),
    LeverInfo("weight_decay", "number", 0.01, regularizer=True),
    LeverInfo("paused", "switch", False),
    LeverInfo("activation", "choice", "relu", choices=("relu", "tanh")),
    LeverInfo("checkpoint", "action", help="save now"),
)
LAYERS = (
    LayerInfo("fc1", "Linear", 16640, 256, "relu"),
    LayerInfo("fc2", "Linear", 65792, 256, "relu"),
    LayerInfo("out", "Linear", 2570),
)


class Run:
    """A run's folder, written and read back through the real log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = LogWriter(folder, "run")
        self.store = Store()
        self._reader = RunReader(folder)

    def start(self, name: str = "digits-mlp") -> None:
        """Writes the run's start."""
        self.writer.event(
            RunStarted(
                name,
                Process("host", "boot", os.getpid(), 0.0),
                model="mlp",
                optimizer="adam",
                layers=LAYERS,
                levers=LEVERS,
                total_steps=400,
                steps_per_epoch=40,
            )
        )

    def train(self, first: int, last: int) -> None:
        """Logs these steps: a falling loss, validation every 20 steps, 0.01 s per step."""
        for step in range(first, last + 1):
            values = {"loss/train": math.exp(-step / 100), "lr": 1e-3, "throughput": 100.0}
            self.writer.scalars(step, values, 1e9 + step / 100)
            if step % 20 == 0:
                self.writer.scalars(step, {"loss/val": math.exp(-step / 100) + 0.1}, 1e9 + step / 100)

    def sample(self, step: int) -> None:
        """Logs statistics for each layer."""
        scalars, histograms = {}, {}
        for index, layer in enumerate(LAYERS):
            scalars |= {f"grad_norm/{layer.name}": 0.01 * (3 - index), f"update_ratio/{layer.name}": 1e-3}
            histograms[f"gradient/{layer.name}"] = of([0.01, -0.01, 0.02])
            if layer.units:
                scalars |= {f"dead_units/{layer.name}": 3.0 + 38 * index, f"saturated_fraction/{layer.name}": 0.02}
                scalars |= {f"activation_min/{layer.name}": 0.0, f"activation_max/{layer.name}": 4.5}
                histograms[f"activation/{layer.name}"] = of([0.0, 0.5, 1.0])
        self.writer.sample(step, scalars, histograms)

    def read(self) -> Store:
        """The store, with everything written so far."""
        while batch := self._reader.read():
            self.store.apply(batch)
        return self.store

    def close(self) -> None:
        """Closes the files."""
        self.writer.close()
        self._reader.close()


@pytest.fixture
def make_run(tmp_path: Path):
    """Creates runs by name and closes them."""
    runs: list[Run] = []

    def make(name: str = "run") -> Run:
        runs.append(Run(tmp_path / name))
        return runs[-1]

    yield make
    for run in runs:
        run.close()


@pytest.fixture
def run(make_run):
    """A run that has started."""
    begun = make_run()
    begun.start()
    return begun


class Stage(App[None]):
    """Shows one widget and records the messages that it posts."""

    def __init__(self, widget: Widget, ascii_only: bool) -> None:
        super().__init__()
        self.ascii_only = ascii_only
        self.shown = widget
        self.messages: list[Message] = []

    def compose(self) -> ComposeResult:
        """Only the widget."""
        yield self.shown


class Shown:
    """A widget on the stage."""

    def __init__(self, stage: Stage, pilot: Pilot[None]) -> None:
        self.stage, self.pilot = stage, pilot

    def lines(self, widget: Drawn | None = None) -> list[str]:
        """The rows shown, as text."""
        drawn = widget or self.stage.shown
        return [drawn.render_line(y).text for y in range(drawn.size.height)]

    def text(self, widget: Drawn | None = None) -> str:
        """The rows shown, in one string."""
        return "\n".join(self.lines(widget))

    async def press(self, *keys: str) -> None:
        """Presses keys and waits until all that follows has happened."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def posted(self, kind: type[Message]) -> list[Message]:
        """The messages of this type so far."""
        found = {id(message): message for message in self.stage.messages if isinstance(message, kind)}
        return list(found.values())  # each once, though it passed through several hands


Show = Callable[..., AbstractAsyncContextManager[Shown]]


@pytest.fixture
def show() -> Show:
    """Shows a widget at a given size: an async context manager that yields a `Shown`."""

    @asynccontextmanager
    async def context(widget: Widget, width: int = 80, height: int = 24, ascii: bool = False) -> AsyncIterator[Shown]:
        stage = Stage(widget, ascii)
        async with stage.run_test(size=(width, height), message_hook=stage.messages.append) as pilot:
            await pilot.pause()
            if widget.can_focus:
                widget.focus()
                await pilot.pause()
            yield Shown(stage, pilot)

    return context
