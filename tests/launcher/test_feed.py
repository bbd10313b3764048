"""Following a run: by socket and by file, to its end, with commands on the way."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs, end
from tuimon.base.errors import TuimonError
from tuimon.base.process import this_process
from tuimon.launcher.feed import CATCHING_UP, Feed
from tuimon.launcher.runs.connecting import connect
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.tail import LiveTail, SocketTail, open_tail
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.reader import FileTail, read_run
from tuimon.log.records import Applied, Refused, RunStarted
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter


class Follower:
    """A feed, and all that it told."""

    def __init__(self, run: Path) -> None:
        self.store = Store()
        self.statuses: list[Status] = []
        self.answers: list[Applied | Refused] = []
        self.damage: list[object] = []
        self.steps_at_end = -1
        self.feed = Feed(
            run, self.store.apply, on_answer=self.answers.append, on_status=self._status, on_damage=self.damage.append
        )

    def _status(self, status: Status) -> None:
        self.statuses.append(status)
        if not status.live:
            self.steps_at_end = self.store.step

    @property
    def states(self) -> list[str]:
        return [status.state for status in self.statuses]


def connection_to(run: Path) -> socket.socket:
    """A connection to a live run's socket."""
    started = lifecycle(run).training
    assert started
    return connect(run, started.socket, started.process)


@pytest.fixture
def follow() -> Iterator[Callable[[Path], Follower]]:
    """Followers, closed when the test is over."""
    followers: list[Follower] = []

    def make(run: Path) -> Follower:
        followers.append(Follower(run))
        return followers[-1]

    yield make
    for follower in followers:
        follower.feed.close()


def test_a_run_is_followed_to_its_end(runs: Runs, follow: Callable[[Path], Follower]) -> None:
    """Every step arrives, and the end is told only after the last."""
    follower = follow(run := runs.start("a"))
    wait_until(lambda: follower.store.step > 100)
    follower.feed.send(parse_setting("stop"))
    wait_until(lambda: "stopped" in follower.states)
    assert list(dict.fromkeys(follower.states)) == ["starting", "running", "stopped"]  # running, and about to end
    assert follower.steps_at_end == read_run(run).step
    assert follower.store["loss/train"].steps.tolist() == list(range(1, follower.steps_at_end + 1))


def test_attaching_late_shows_what_attaching_early_showed(runs: Runs, follow: Callable[[Path], Follower]) -> None:
    """The live feed, a feed of the finished run and a plain read agree."""
    run = runs.start("a", "--steps", "100")
    early = follow(run)
    wait_until(lambda: "finished" in early.states and early.store.exited)
    late = follow(run)
    wait_until(lambda: "finished" in late.states)
    for store in (late.store, read_run(run)):
        assert store["loss/train"].values.tolist() == early.store["loss/train"].values.tolist()
        assert store.events == early.store.events or sorted(map(str, store.events)) == sorted(map(str, early.store.events))


def test_of_a_long_log_a_live_run_is_told_to_be_live_and_behind(tmp_path: Path, follow: Callable[[Path], Follower]) -> None:
    """It can be steered at once; that its numbers are old is said until they are those of now."""
    writer = LogWriter(tmp_path / "long", "run", hold_s=60.0)
    writer.event(RunStarted(name="long", process=this_process()))
    for step in range(1, 60_001):
        writer.scalars(step, {"loss/train": 1 / step, "lr": 0.1})
    writer.flush()
    follower = follow(tmp_path / "long")
    wait_until(lambda: follower.statuses[-1:] == [Status("running")])
    assert follower.statuses == [Status("running", CATCHING_UP), Status("running")]
    assert follower.store.step == 60_000
    writer.close()


def test_a_command_goes_through_the_feed_and_back(runs: Runs, follow: Callable[[Path], Follower]) -> None:
    """Sent without waiting; the answer has its id, and the log tells it too."""
    follower = follow(runs.start("a"))
    wait_until(lambda: follower.store.step > 5)
    command = parse_setting("lr_scale=*0.5")
    follower.feed.send(command)
    wait_until(lambda: follower.answers)
    assert isinstance(follower.answers[0], Applied) and follower.answers[0].id == command.id
    wait_until(lambda: follower.store.levers["lr_scale"].value == 0.5)


def test_a_command_to_a_run_that_has_ended_is_refused(runs: Runs, follow: Callable[[Path], Follower]) -> None:
    """An answer comes in any case."""
    follower = follow(runs.start("a", "--steps", "1"))
    wait_until(lambda: "finished" in follower.states)
    command = parse_setting("lr_scale=1")
    follower.feed.send(command)
    wait_until(lambda: follower.answers)
    assert isinstance(follower.answers[0], Refused) and follower.answers[0].id == command.id
    assert "finished" in follower.answers[0].reason


def test_a_pause_and_a_kill_are_told(runs: Runs, follow: Callable[[Path], Follower]) -> None:
    """As they happen."""
    run = runs.start("a")
    follower = follow(run)
    wait_until(lambda: follower.store.step > 0)
    follower.feed.send(parse_setting("pause"))
    wait_until(lambda: follower.states[-1] == "paused")
    end(lifecycle(run).training.process)
    wait_until(lambda: follower.states[-1] == "killed")


def test_a_run_whose_every_process_is_killed_is_lost(runs: Runs, follow: Callable[[Path], Follower]) -> None:
    """No record says so; the process table does."""
    run = runs.start("a")
    follower = follow(run)
    wait_until(lambda: follower.states[-1:] == ["running"])
    life = lifecycle(run)
    end(life.launched.supervisor)
    end(life.training.process)
    wait_until(lambda: follower.states[-1] == "lost")
    assert follower.store.step == read_run(run).step


def test_a_resumed_run_is_followed_on(runs: Runs, follow: Callable[[Path], Follower]) -> None:
    """A new attempt in the same folder makes it live again."""
    run = runs.start("a", "--steps", "5")
    follower = follow(run)
    wait_until(lambda: "finished" in follower.states)
    runs.start("a", "--steps", "100000")
    wait_until(lambda: follower.states[-1] == "running")


def test_a_folder_that_goes_away_ends_nothing(runs: Runs, follow: Callable[[Path], Follower]) -> None:
    """The feed goes on, keeps what it has, and can be closed."""
    run = runs.start("a", "--steps", "5")
    follower = follow(run)
    wait_until(lambda: "finished" in follower.states)
    shutil.rmtree(run)
    follower.feed.close()
    assert follower.store.step == 5


def test_damage_is_told_once(runs: Runs, follow: Callable[[Path], Follower], tmp_path: Path) -> None:
    """With the place, after what lies before it."""
    log = LogWriter(tmp_path / "cut", "run")
    log.scalars(1, {"loss/train": 1.0})
    log.close()
    with open(log.path, "ab") as file:
        file.write(b"\xff" * 64)
    follower = follow(tmp_path / "cut")
    wait_until(lambda: follower.damage)
    assert "is damaged at byte" in str(follower.damage[0])
    assert follower.store.step == 1


def test_a_run_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """At once, where it is asked for."""
    with pytest.raises(TuimonError, match="no run at"):
        Feed(tmp_path / "nothing", lambda batch: None)


def test_the_socket_gives_the_bytes_of_the_file(runs: Runs) -> None:
    """From any offset, and on as it grows."""
    run = runs.start("a")
    wait_until(lambda: read_run(run).step > 10)
    file = next(file for file in run.iterdir() if file.name.endswith(".run"))
    tail = SocketTail(lambda: connection_to(run), file.name)
    found = b""

    def grown() -> bool:
        nonlocal found
        found += tail.read(100 + len(found), 1 << 20)
        return len(found) > 5_000

    wait_until(grown)
    tail.close()
    assert file.read_bytes()[100 : 100 + len(found)] == found


def test_a_file_that_the_run_does_not_have_is_an_error_of_the_connection(runs: Runs) -> None:
    """What the other end says is the reason."""
    run = runs.start("a")
    tail = SocketTail(lambda: connection_to(run), "/etc/passwd")
    with pytest.raises(ConnectionError, match="error"):
        wait_until(lambda: tail.read(0, 100))
    tail.close()


def test_when_the_socket_is_lost_the_file_goes_on_at_the_same_byte(runs: Runs) -> None:
    """Nothing is missing and nothing comes twice."""
    run = runs.start("a")
    file = next(file for file in run.iterdir() if file.name.endswith(".run"))
    tail = open_tail(file)
    assert isinstance(tail, LiveTail)
    found = b""

    def read_more() -> int:
        nonlocal found
        found += tail.read(len(found), 1 << 20)
        return len(found)

    wait_until(lambda: read_more() > 10_000)
    end(lifecycle(run).training.process)
    wait_until(lambda: read_more() == file.stat().st_size)
    tail.close()
    assert found == file.read_bytes()


def test_a_log_that_nobody_writes_is_read_as_a_file(runs: Runs) -> None:
    """The supervisor's own, and that of a run that has ended."""
    run = runs.start("a", "--steps", "1")
    wait_until(lambda: lifecycle(run).exited)
    for file in run.glob("events.*"):
        tail = open_tail(file)
        assert isinstance(tail, FileTail)
        tail.close()
