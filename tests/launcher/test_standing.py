"""How a run stands is also judged by its folder: a copy of a live one is not live, and a full disk is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs, end
from tuimon.base.process import this_process
from tuimon.launcher.feed import Feed
from tuimon.launcher.runs.glance import judge, lifecycle
from tuimon.launcher.runs.standing import COPY, DISK_FULL
from tuimon.launcher.runs.summary import summarize
from tuimon.launcher.supervisor.room import await_room, leave_word
from tuimon.log import wire
from tuimon.log.records import Exited, RunStarted
from tuimon.log.writer import LogWriter

BLOCK = 4096
SmallDisk = Callable[[int], Path]


@pytest.mark.parametrize("how", [shutil.copy2, os.link], ids=["copied", "hard links"])
def test_a_copy_of_a_live_runs_folder_is_not_called_live(
    runs: Runs, tmp_path: Path, how: Callable[[Path, Path], object]
) -> None:
    """It names the original, which is; a feed says the same."""
    original = runs.start("a")
    copy = tmp_path / "copy"
    shutil.copytree(original, copy, copy_function=how)
    assert judge(original)[1].state == summarize(original).status.state == "running"
    for status in (judge(copy)[1], summarize(copy).status):
        assert status.state == "unknown" and status.detail.startswith(COPY) and str(original) in status.detail
    feed = Feed(copy, lambda batch: None)
    wait_until(lambda: feed.status.detail.startswith(COPY))
    feed.close()


def test_two_runs_of_one_process_and_second_are_no_copies(tmp_path: Path) -> None:
    """Their event files share a name, though the process has only one of them open still."""
    now = int(time.time())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 0.25)
        still_open = LogWriter(tmp_path / "b", "run")
        patch.setattr(time, "time", lambda: now + 0.5)
        closed = LogWriter(tmp_path / "a", "run")
    assert still_open.path.name == closed.path.name
    closed.event(RunStarted(name="a", process=this_process()))
    closed.close()
    assert judge(tmp_path / "a")[1].state == "running"
    still_open.close()


def test_following_a_copy_ends(runs: Runs, tmp_path: Path) -> None:
    """Nothing more will come."""
    shutil.copytree(runs.start("a"), tmp_path / "copy")
    command = [sys.executable, "-m", "tuimon", "attach", str(tmp_path / "copy"), "--headless"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and COPY in done.stdout


def test_a_run_that_was_moved_while_it_trains_is_live(runs: Runs) -> None:
    """The folder counts, not its name."""
    run = runs.start("a").rename(runs.folder / "b")
    assert judge(run)[1].state == "running"


def test_a_live_run_on_a_full_disk_says_so_until_there_is_room(small_disk: SmallDisk) -> None:
    """Also one that is paused."""
    disk = small_disk(512)
    runs = Runs(disk / "runs")
    try:
        run = runs.start("a")
        assert summarize(run).status.detail == ""
        fill(disk)
        wait_until(lambda: summarize(run).status.detail == DISK_FULL, what="the full disk is told")
        assert judge(run)[1].detail == DISK_FULL and judge(run)[1].live
        (disk / "ballast").unlink()
        wait_until(lambda: summarize(run).status.detail == "", what="there is room again")
        fill(disk)
        for process in (lifecycle(run).launched.supervisor, lifecycle(run).training.process):
            end(process)
        assert judge(run)[1].state == "lost" and judge(run)[1].detail.endswith(DISK_FULL)
    finally:
        runs.end_all()


def test_how_a_run_ended_is_logged_once_there_is_room(small_disk: SmallDisk) -> None:
    """The supervisor keeps trying; until then the run counts as live."""
    disk = small_disk(512)
    runs = Runs(disk / "runs")
    try:
        until_full = f"while not os.path.exists({str(disk / 'ballast')!r}): time.sleep(0.01)"
        run = runs.script("a", f"import os, time\n{until_full}\nexit(3)")
        wait_until(lambda: lifecycle(run).spawned)
        process = lifecycle(run).spawned
        fill_last_block(next(run.glob("*.launch")))
        fill(disk)
        wait_until(lambda: not alive(process), what="the script has ended")
        assert lifecycle(run).exited is None and judge(run)[1].live and DISK_FULL in judge(run)[1].detail
        (disk / "ballast").unlink()
        wait_until(lambda: lifecycle(run).exited, what="the end is logged")
        assert lifecycle(run).exited.code == 3
    finally:
        runs.end_all()


def test_a_supervisor_gives_up_in_the_end_or_when_told(small_disk: SmallDisk) -> None:
    """And leaves a word in the output, if there is room for that."""
    disk = small_disk(64)
    log = LogWriter(disk / "run", "launch")
    fill_last_block(log.path)
    fill(disk)
    log.event(Exited(code=3))
    assert not await_room(log, give_up=lambda: False, patience_s=0.01)
    assert not await_room(log, give_up=lambda: True)
    (disk / "ballast").unlink()
    assert await_room(log, give_up=lambda: True)
    log.close()
    (disk / "run" / "output.log").write_text("trained\n")
    leave_word(disk / "run" / "output.log", "exit code 3")
    assert (disk / "run" / "output.log").read_text() == "trained\ntuimon: exit code 3\n"


def fill(disk: Path) -> None:
    """Writes until there is no room."""
    descriptor = os.open(disk / "ballast.part", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, bytes(BLOCK))
    except OSError:
        os.close(descriptor)
    os.rename(disk / "ballast.part", disk / "ballast")


def fill_last_block(path: Path) -> None:
    """Appends a record that ends where the file's last block does, as on a full disk there is room up to there."""
    room = 2 * BLOCK - path.stat().st_size % BLOCK
    padding = (wire.frame(wire.event(0.0, 0, wire.text_value("padding", "x" * n))) for n in range(room - 200, room))
    with open(path, "ab") as file:
        file.write(next(record for record in padding if len(record) == room))


def alive(process: object) -> bool:
    from tuimon.base.process import is_alive

    return bool(is_alive(process))
