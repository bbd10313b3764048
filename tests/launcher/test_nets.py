"""One run's log, or one answer, that cannot be read is said where it is, and everything else goes on."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import wait_until
from tuimon.base.errors import TuimonError
from tuimon.base.process import this_process
from tuimon.cli.main import main
from tuimon.launcher.feed import Feed
from tuimon.launcher.runs import summary
from tuimon.launcher.runs.glance import glance
from tuimon.launcher.runs.runs import list_runs
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.summary import summarize
from tuimon.launcher.steering.client import Client
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log import wire
from tuimon.log.files import Damage
from tuimon.log.records import RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter

DEEP = '{"kind":"notice","text":' + "[" * 50_000 + "]" * 50_000 + "}"


def make_run(folder: Path) -> LogWriter:
    """A live run of this process, with a step."""
    writer = LogWriter(folder, "run")
    writer.event(RunStarted(name=folder.name, process=this_process()))
    writer.scalars(1, {"loss/train": 0.5})
    return writer


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Two runs, of which one has an event that is nested deeper than Python recurses, between two steps."""
    make_run(tmp_path / "good").close()
    writer = make_run(tmp_path / "deep")
    writer.text(1, "tuimon/event", DEEP)
    writer.scalars(2, {"loss/train": 0.25})
    writer.close()
    return tmp_path


def test_ls_lists_all_runs_when_one_has_an_event_that_cannot_be_read(runs_dir: Path) -> None:
    """In a process of its own, with all that it prints; also beside a file whose name has an odd digit for its time."""
    odd = runs_dir / "odd"
    odd.mkdir()
    (odd / "events.out.tfevents.²5.host").write_bytes(b"\xff" * 100)
    done = subprocess.run(
        [sys.executable, "-m", "tuimon", "ls", "--runs-dir", str(runs_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert re.findall("^! ([a-z]+): .*(?:is left out|cannot be read)", done.stderr, re.MULTILINE) == ["odd", "deep"]
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert rows.keys() == {"good", "deep", "odd"}
    assert "running" in rows["deep"] and summarize(runs_dir / "deep").step == 2


def test_a_summary_that_fails_is_one_runs_alone(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state is unknown, and says why."""
    glance_at = summary.glance_at
    monkeypatch.setattr(summary, "glance_at", lambda run: [][1] if run.name == "deep" else glance_at(run))
    summary._look.cache_clear()
    found = {run.name: summarize(run).status for run in list_runs(runs_dir)}
    summary._look.cache_clear()
    assert found["good"] == Status("running")
    assert found["deep"].state == "unknown" and "IndexError: list index out of range" in found["deep"].detail


def test_a_glance_keeps_what_the_other_files_say(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And why one of them could not be looked into."""
    from tuimon.launcher.runs import glance as module

    LogWriter(runs_dir / "good", "launch").close()
    look_into = module.look_into
    monkeypatch.setattr(
        module, "look_into", lambda path, places: look_into(path, places) if path.suffix == ".run" else {}[path]
    )
    store = glance(runs_dir / "good")
    assert store.step == 1
    assert ["KeyError" in damage.reason for damage in store.damage] == [True]


def test_a_feed_goes_on_behind_an_event_that_cannot_be_read(runs_dir: Path) -> None:
    """It hands on what comes before and after it, and says once what is left out."""
    store, damage = Store(), list[Damage]()
    feed = Feed(runs_dir / "deep", store.apply, on_damage=damage.append)
    wait_until(lambda: store.step == 2 and damage)
    feed.close()
    (told,) = damage
    assert "nested deeper than 64" in str(told) and store["loss/train"].values.tolist() == [0.5, 0.25]


def test_a_feed_that_fails_says_why_and_goes_on(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread does not end: what is logged later comes."""
    statuses: list[Status] = []
    store = Store()
    with monkeypatch.context() as failing:
        failing.setattr("tuimon.launcher.runs.status.Lifecycle.see", lambda self, record: 1 / 0)
        feed = Feed(runs_dir / "good", store.apply, on_status=statuses.append)
        wait_until(lambda: any("cannot be followed: ZeroDivisionError" in status.detail for status in statuses))
    later = LogWriter(runs_dir / "good", "run")
    later.scalars(9, {"loss/train": 0.5})
    wait_until(lambda: store.step == 9)
    later.close()
    feed.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"[" * 50_000 + b"]" * 50_000, "unreadable"),
        (b'{"error":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (b"x" * (3 << 20), "unreadable"),
        (b'{"error":"busy"}', "Busy"),
    ],
)
def test_an_answer_that_cannot_be_read_answers_the_command(answer: bytes, reason: str) -> None:
    """Nobody waits for ever, and the connection serves on."""
    ours, theirs = socket.socketpair()
    with theirs, contextlib.closing(Client(ours)) as client:
        threading.Thread(target=_answer, args=(theirs, answer), daemon=True).start()
        with pytest.raises(TuimonError, match=reason):
            client.send(parse_setting("lr_scale=1"), timeout_s=30)


def _answer(peer: socket.socket, answer: bytes) -> None:
    received = b""
    while received.count(b"\n") < 2:
        received += peer.recv(4096)
    with contextlib.suppress(OSError):  # the client need not read it to its end
        peer.sendall(answer + b"\n")


def test_a_command_that_fails_says_so_in_one_line(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is: exit code 1, and no traceback."""
    monkeypatch.setattr("tuimon.cli.runs_list.list_runs", lambda folder: 1 / 0)
    assert main(["ls", "--runs-dir", str(runs_dir)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tuimon: ls failed: ZeroDivisionError: division by zero")


def test_dump_prints_what_can_be_read(runs_dir: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """All else, and on stderr what could not be."""
    (log,) = (runs_dir / "good").iterdir()
    with log.open("ab") as file:
        file.write(wire.frame(b"\xff" * 9))
        file.write(wire.frame(wire.event(2.0, 7, wire.scalar_value("loss/train", 0.125))))
    assert main(["dump", str(log)]) == 1
    printed = capfdbinary.readouterr()
    assert b"step 7" in printed.out and b"is left out (9 bytes): it is no message that is known" in printed.err
