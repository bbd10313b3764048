"""A study's page, over a real journal and real runs: it follows a search, opens trials, prunes one, launches the best."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from conftest import wait_until
from launching import Runs
from tuimon.launcher.runs.glance import judge
from tuimon.search.begin import make_study, plan_for_spec
from tuimon.search.plan import Plan
from tuimon.search.study import Study
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.launch import LaunchScreen
from tuimon.viewer.screens.launch_field import FieldRow
from tuimon.viewer.screens.run import RunScreen
from tuimon.viewer.screens.study import StudyScreen
from tuimon.viewer.widgets.study_plot import StudyPlot
from tuimon.viewer.widgets.study_table import StudyTable

pytest.importorskip("optuna")


class Searched:
    """A study with trials that a search would have made: their values are given."""

    def __init__(self, folder: Path) -> None:
        space = ["lr=log(1e-5,1e-1)", "activation=choice(relu,tanh)"]
        self.plan: Plan = plan_for_spec("digits-mlp", space, {"budget": "40 trials"})
        self.folder = make_study(self.plan, folder, "s")
        self.study = Study(self.folder, self.plan, (self.folder / "base.toml").read_text(), say=lambda _: None)

    def end(self, outcome: str, *curve: float) -> None:
        """One trial, from its beginning to its end."""
        trial = self.study.ask()
        assert trial
        for nth, value in enumerate(curve):
            self.study.report(trial.number, nth + 1, value)
        self.study.tell(trial.number, outcome, curve[-1] if outcome == "finished" else math.nan)  # type: ignore[arg-type]


@pytest.fixture
def searched(tmp_path: Path) -> Searched:
    found = Searched(tmp_path / "runs")
    for last in (0.5, 0.2, 0.4):
        found.end("finished", 1.0, last)
    found.end("pruned", 2.0)
    return found


@pytest.fixture
def runs(searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """The runs of the study's trials."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = Runs(searched.folder)
    yield found
    found.end_all()


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
        await pilot.pause()


async def shown(pilot: Pilot[None], app: TuimonApp, searched: Searched) -> StudyScreen:
    """The study's page, read."""
    app.open_study(searched.folder)
    await until(
        pilot, lambda: isinstance(app.screen, StudyScreen) and any(table.count() for table in app.screen.query(StudyTable))
    )
    screen = app.screen
    assert isinstance(screen, StudyScreen)
    return screen


def names(screen: StudyScreen) -> list[str]:
    return [one.name for one in screen.query_one(StudyTable)._trials]


async def test_the_table_has_the_best_first_and_sorts(searched: Searched) -> None:
    app = TuimonApp(searched.folder.parent)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await shown(pilot, app, searched)
        assert names(screen) == ["trial-0002", "trial-0003", "trial-0001", "trial-0004"]
        await pilot.press("t")
        assert names(screen) == ["trial-0001", "trial-0002", "trial-0003", "trial-0004"]
        screen.query_one(StudyTable).sort_by("lr")
        lrs = [float(one.values["lr"]) for one in screen.query_one(StudyTable)._trials]
        assert lrs == sorted(lrs)


async def test_it_follows_the_search(searched: Searched) -> None:
    """New trials appear, and the cursor stays on its trial."""
    app = TuimonApp(searched.folder.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot, app, searched)
        searched.end("finished", 1.0, 0.1)
        await until(pilot, lambda: names(screen)[0] == "trial-0005")
        assert screen.query_one(StudyTable).under_cursor.name == "trial-0002"


async def test_each_picture_is_shown(searched: Searched) -> None:
    """Importance comes once there are enough trials; without, the picture says how many it needs."""
    app = TuimonApp(searched.folder.parent)
    async with app.run_test(size=(130, 30)) as pilot:
        screen = await shown(pilot, app, searched)
        plot = screen.query_one(StudyPlot)
        drawn = lambda: "\n".join("".join(span.text for span in row) for row in plot.draw(60, 20))  # noqa: E731
        assert "trial 1 to 4" in drawn()
        await pilot.press("right")
        assert "lr" in drawn().splitlines()[-1]
        await pilot.press("right")
        assert "relu" in drawn().splitlines()[-1]
        await pilot.press("3")
        assert "objective" in drawn()
        await pilot.press("4")
        await until(pilot, lambda: "needs 8 trials with a value; there are 3" in drawn())
        for i in range(5):
            searched.end("finished", 1.0, 0.3 + i / 10)
        await until(pilot, lambda: "ANOVA of 8 trials" in drawn())
        await pilot.press("5")
        assert "validation 1 to 2" in drawn()


async def test_a_trial_is_pruned_and_its_run_stops(searched: Searched, runs: Runs) -> None:
    """The study counts it as pruned by the user."""
    trial = searched.study.ask()
    run = runs.start(trial.name, "--steps", "100000")
    app = TuimonApp(searched.folder.parent)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await shown(pilot, app, searched)
        table = screen.query_one(StudyTable)
        table._go(names(screen).index(trial.name))
        await pilot.press("X")
        await until(pilot, lambda: not judge(run)[1].live)
        await until(pilot, lambda: table._trials[names(screen).index(trial.name)].outcome == "pruned")
    ended = searched.study.trials()[-1]
    assert (ended.outcome, ended.why) == ("pruned", "by the user")


async def test_enter_opens_the_trial_and_b_launches_the_best(searched: Searched, runs: Runs) -> None:
    """Promoted: the run's own screen, with all its keys. The form has the best trial's values."""
    runs.start("trial-0002", "--steps", "3")
    (searched.folder / "trial-0002" / "spec.toml").write_bytes((searched.folder / "base.toml").read_bytes())
    app = TuimonApp(searched.folder.parent)
    async with app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, app, searched)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        await pilot.press("escape")
        await shown(pilot, app, searched)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_a_study_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    app = TuimonApp(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_study(tmp_path / "gone")
        detail = lambda: "".join(str(line.render()) for line in app.screen.query("#run-detail"))  # noqa: E731
        await until(pilot, lambda: isinstance(app.screen, StudyScreen) and "Cannot read the study" in detail())


SCRIPT = """
import argparse, os, time
from pathlib import Path
from tuimon.log.writer import LogWriter

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
lr = parser.parse_args().lr
log = LogWriter(Path(os.environ["TUIMON_RUN_FOLDER"]), "run")
for step in range(1, 5):
    log.scalars(step, {"loss/val": lr + 1 / step})
    time.sleep(0.02)
log.close()
"""


async def test_a_search_is_started_from_the_form_and_stopped_on_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range in place of a value makes it a search, in a process that outlives the screen; s ends it after its trials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "train.py").write_text(SCRIPT)
    app = TuimonApp(tmp_path / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        form = LaunchScreen(tmp_path / "runs", "train.py")
        app.push_screen(form)
        await until(pilot, lambda: list(form.query(FieldRow)))
        form.texts["more"] = "--lr=log(1e-5,1e-1) trials=5000"
        form._check()
        assert form.command.startswith("tuimon search --budget '5000 trials'")
        form.action_start()
        await until(
            pilot, lambda: isinstance(app.screen, StudyScreen) and any(t.count() > 1 for t in app.screen.query(StudyTable))
        )
        study = app.screen.folder  # type: ignore[attr-defined]
        await pilot.press("s")
        await until(pilot, lambda: "no more trials start" in (study / "search.log").read_text() or _is_over(study))
    wait_until(lambda: _is_over(study), what="the search has ended")
    assert all(not judge(run)[1].live for run in study.glob("trial-*"))


def _is_over(study: Path) -> bool:
    return "trials:" in (study / "search.log").read_text()
