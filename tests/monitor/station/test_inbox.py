"""Commands come in through a file in the run's folder, where no socket can be reached, and answers go back by the log."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from conftest import wait_until
from tuimon.base import inbox
from tuimon.base.errors import TuimonError
from tuimon.base.process import this_process
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.steering.answers import ask
from tuimon.launcher.steering.by_folder import ByFolder
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.records import Applied, Command, Ended, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.monitor.station.inbox import Inbox


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[SimpleQueue[Command]]:
    """What the inbox of a run in `tmp_path` takes; one command was there before the run began."""
    inbox.put(tmp_path, b'{"lever":"earlier"}')
    commands: SimpleQueue[Command] = SimpleQueue()
    looking = Inbox(lambda: tmp_path, commands.put, pytest.fail, every_s=0.01)
    yield commands
    looking.close()


def test_whole_lines_are_commands(tmp_path: Path, taken: SimpleQueue[Command]) -> None:
    """Half a line waits for its end, a line that is no command is passed over, and so is what came before the run."""
    inbox.put(tmp_path, b"no command")
    inbox.put(tmp_path, b'{"lever":"first","value":2}')
    with open(tmp_path / inbox.INBOX_FILE, "ab") as file:
        file.write(b'{"lever":')
        file.flush()
        assert taken.get(timeout=60) == Command("first", value=2)
        file.write(b'"second"}\n')
    assert taken.get(timeout=60) == Command("second")
    assert taken.empty()


def test_a_line_without_an_end_keeps_no_later_one_out(tmp_path: Path, taken: SimpleQueue[Command]) -> None:
    inbox.put(tmp_path, b"x" * 1_000_000)
    inbox.put(tmp_path, b'{"lever":"after"}')
    assert taken.get(timeout=60) == Command("after")


@pytest.mark.parametrize("what", ["writable by others", "a link", "a pipe"])
def test_a_file_that_others_may_have_written_steers_nothing(tmp_path: Path, what: str) -> None:
    """Nor is it written to."""
    path = tmp_path / inbox.INBOX_FILE
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a link":
        (tmp_path / "other").write_bytes(b'{"lever":"theirs"}\n')
        path.symlink_to("other")
    else:
        path.write_bytes(b'{"lever":"theirs"}\n')
        path.chmod(0o666)
    with pytest.raises(TuimonError, match="Cannot write"):
        inbox.put(tmp_path, b"{}")
    try:
        lines, offset = inbox.lines_from(tmp_path, 0, 1 << 16)
    except OSError:
        lines, offset = [], 0
    assert (lines, offset) == ([], 0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogWriter]:
    """The log of a run in `tmp_path` that this process trains."""
    writer = LogWriter(tmp_path, "run")
    writer.event(RunStarted("far", this_process(), inbox=True))
    yield writer
    writer.close()


def test_the_answer_comes_from_the_log(tmp_path: Path, log: LogWriter) -> None:
    """Each command gets its own answer, by its id."""

    def answer() -> None:
        wait_until(lambda: inbox.size(tmp_path))
        lines, _ = inbox.lines_from(tmp_path, 0, 1 << 16)
        assert b"lr_scale" in lines[0]
        log.event(Applied(7, "l1", id="another"))
        log.event(Applied(8, "lr_scale", new=0.5, id=command.id))

    command = parse_setting("lr_scale=0.5")
    run = threading.Thread(target=answer)
    run.start()
    way = ByFolder(tmp_path, lifecycle(tmp_path))
    assert ask(way, command, timeout_s=60).step == 8
    way.close()
    run.join()


def test_who_waits_is_told_when_the_run_has_ended(tmp_path: Path, log: LogWriter) -> None:
    """And when the way is closed."""
    way = ByFolder(tmp_path, lifecycle(tmp_path))
    told: SimpleQueue[object] = SimpleQueue()
    way.post(parse_setting("pause"), told.put)
    log.event(Ended("finished"))
    assert "ended before it answered" in str(told.get(timeout=60))
    way.post(parse_setting("pause"), told.put)
    way.close()
    assert isinstance(told.get(timeout=60), TuimonError)
