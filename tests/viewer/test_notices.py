"""What is told outside of the screen, and the terminal's title."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

import pytest

from conftest import wait_until
from tuimon.launcher.runs.status import Status
from tuimon.log.records import Finding
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter
from tuimon.viewer.notices import Event, Notifier, Watch, title_of
from tuimon.viewer.settings import Settings

RUNNING = Status("running")


def store_of(folder: Path, *losses: float) -> Store:
    from tuimon.log.reader import read_run

    writer = LogWriter(folder, "run")
    for step, loss in enumerate(losses, 1):
        writer.scalars(step, {"loss/train": loss})
    writer.close()
    return read_run(folder)


def told(watch: Watch, status: Status, store: Store, *findings: Finding, live: bool = True) -> list[Event]:
    return list(watch.events(status, store.last("loss/train"), store.step, findings, live))


def test_each_event_is_told_once(tmp_path: Path) -> None:
    """A loss that is not finite, a critical finding, the end."""
    watch, good, bad = Watch(), store_of(tmp_path / "a", 1.0), store_of(tmp_path / "b", 1.0, math.nan)
    dead = Finding(3, "dead", "all units are dead", severity="critical")
    assert told(watch, RUNNING, good) == []
    assert told(watch, RUNNING, bad) == [("nan", "the loss is nan at step 2")] and told(watch, RUNNING, bad) == []
    assert told(watch, RUNNING, good, dead, Finding(3, "x", "a hint", severity="hint")) == [("finding", "all units are dead")]
    assert told(watch, RUNNING, good, dead) == []
    assert told(watch, Status("failed", "ValueError: x"), good, dead) == [("failed", "failed: ValueError: x")]
    assert told(watch, Status("failed", "ValueError: x"), good, dead) == []


def test_a_run_that_was_over_before_stays_silent(tmp_path: Path) -> None:
    """Whatever its log contains."""
    watch, bad = Watch(), store_of(tmp_path / "b", math.nan)
    assert told(watch, Status("failed"), bad, live=False) == told(watch, Status("failed"), bad, live=False) == []


@pytest.mark.parametrize(
    ("notices", "sent"),
    [
        ("bell", "\a"),
        ("osc9", "\x1b]9;r: failed: x ?]2;y\x1b\\"),
        ("osc777,bell", "\a\x1b]777;notify;tuimon;r: failed: x ?]2,y\x1b\\"),
        ("off", ""),
    ],
)
def test_the_terminal_gets_what_the_user_chose(notices: str, sent: str) -> None:
    """Nothing from a log reaches it as a control character."""
    written: list[str] = []
    Notifier(Settings(notices=notices), written.append).tell(Path("r"), "r", ("failed", "failed: x\n\x1b]2;y"))
    assert sorted("".join(written)) == sorted(sent)


def test_the_user_s_command_is_started(tmp_path: Path) -> None:
    """With the event in its environment; one that does not exist is said."""
    out = tmp_path / "out"
    command = f"sh -c {shlex.quote(f'echo $TUIMON_EVENT $TUIMON_RUN $TUIMON_TEXT > {out}.new; mv {out}.new {out}')}"
    assert (
        Notifier(Settings(notices="off", notice_command=command), print).tell(Path("/r/a"), "a", ("nan", "the loss is nan"))
        == ""
    )
    wait_until(out.exists)
    assert out.read_text() == "nan /r/a the loss is nan\n"
    broken = Notifier(Settings(notices="off", notice_command="no-such-command-here"), print)
    assert "Could not start the notice command" in broken.tell(Path("r"), "r", ("nan", ""))
    assert "Could not start" in Notifier(Settings(notice_command="'"), lambda text: 0).tell(Path("r"), "r", ("nan", ""))


def test_the_title_tells_state_and_progress(tmp_path: Path) -> None:
    """It is written when it changes only, and the terminal's own one comes back."""
    store = store_of(tmp_path / "a", 1.0)
    assert title_of("a", RUNNING, store) == "● a - tuimon"
    assert title_of("a", Status("failed"), store) == "✗ failed a - tuimon"
    written: list[str] = []
    notifier = Notifier(Settings(), written.append)
    for title in ("one", "one", "two\x1b"):
        notifier.entitle(title)
    notifier.close()
    assert written == ["\x1b[22;2t", "\x1b]2;one\x1b\\", "\x1b]2;two?\x1b\\", "\x1b[23;2t"]
    silent = Notifier(Settings(title=False), written.append)
    silent.entitle("three")
    silent.close()
    assert len(written) == 4
