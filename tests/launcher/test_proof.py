"""Only a run's own process is signalled or spoken to: what a log says of processes and sockets is not taken for true."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from conftest import wait_until
from launching import Runs
from tuimon.base.errors import TuimonError
from tuimon.base.process import Process, identify, is_alive, this_process
from tuimon.launcher.feed import Feed
from tuimon.launcher.runs import proof
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.runs.proof import why_not_ours
from tuimon.launcher.steering import stopping
from tuimon.launcher.steering.client import send
from tuimon.launcher.steering.commands import parse_setting
from tuimon.launcher.steering.stop import stop
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Launched, RunStarted
from tuimon.log.writer import LogWriter

ATTACKS = {
    "stop": lambda run: stop(run),
    "stop --now": lambda run: stop(run, now=True),
    "set": lambda run: send(run, parse_setting("lr_scale=0.5")),
}
every_attack = pytest.mark.parametrize("act", ATTACKS.values(), ids=ATTACKS)
Act = Callable[[Path], object]


def forged(run: Path, process: Process, at: str = "", supervisor: bool = False) -> Path:
    """A folder whose log says that this process trains here, or supervises; nobody writes it any more."""
    log = LogWriter(run, "launch" if supervisor else "run")
    if supervisor:
        log.event(Launched(name="run", command=("x",), cwd="/", supervisor=process, user="you"))
    else:
        log.event(RunStarted(name="run", process=process, socket=at))
    log.close()
    return run


@pytest.fixture
def bystander() -> Iterator[Process]:
    """A process of the caller's own that has nothing to do with any run, and a child of its own."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        try:
            found = identify(process.pid)
            assert found
            wait_until(lambda: proof.child_of(found))
            yield found
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@every_attack
@pytest.mark.parametrize("supervisor", [False, True], ids=["trainer", "supervisor"])
def test_a_process_that_a_log_names_is_left_alone(
    tmp_path: Path, bystander: Process, act: Act, supervisor: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own editor, say, or another run: alive, with the right start time, and not this run's."""
    run = forged(tmp_path / "run", bystander, at=str(tmp_path / "s"), supervisor=supervisor)
    child = proof.child_of(bystander)
    with monkeypatch.context() as patched, pytest.raises(TuimonError) as refused:
        for kill in ((os, "kill"), (os, "killpg"), (signal, "pidfd_send_signal")):
            patched.setattr(*kill, lambda *args: pytest.fail(f"signalled {args}"))
        act(run)
    assert "does not write to" in refused.value.message or "its training has not begun" in refused.value.message
    assert is_alive(bystander) and child and is_alive(child)


def test_a_group_whose_number_another_process_has_by_now_is_left_alone(bystander: Process) -> None:
    """The program that led it has ended, with all of its group; a new process has the number, and leads a group of its own."""
    assert os.getpgid(bystander.pid) == bystander.pid
    stopping._end_group_of(msgspec.structs.replace(bystander, started=bystander.started - 1))
    child = proof.child_of(bystander)
    assert is_alive(bystander) and child and is_alive(child)


@every_attack
def test_another_users_process_is_left_alone(tmp_path: Path, act: Act) -> None:
    """Root's own too: of a user and of root alike."""
    with other_users_process() as (process, name), pytest.raises(TuimonError, match=f"belongs to {name}"):
        act(forged(tmp_path / "run", process, at=str(tmp_path / "none")))
    assert proof.process_owner(process.pid) != os.geteuid() or not is_alive(process)


@contextlib.contextmanager
def other_users_process() -> Iterator[tuple[Process, str]]:
    """One of uid 54321 where the tests are root's; else the first process of the machine, which is root's."""
    if os.geteuid():
        first = identify(1)
        assert first
        if proof.process_owner(1) == os.geteuid():
            pytest.skip("process 1 is the tests' own user's, as in some containers: run the tests as root")
        yield first, "root"
        return
    with subprocess.Popen(["/bin/sleep", "600"], user=54321, group=54321, extra_groups=[]) as process:
        try:
            found = identify(process.pid)
            assert found
            yield found, "uid 54321"
            assert process.poll() is None, "it was signalled"
        finally:
            process.kill()


@every_attack
@pytest.mark.parametrize("how", [shutil.copy2, os.link], ids=["copied", "hard links"])
def test_a_copy_of_a_live_runs_folder_does_not_act_on_the_original(
    runs: Runs, tmp_path: Path, act: Act, how: Callable[[Path, Path], object]
) -> None:
    """It is told so, and the original trains on as it was."""
    original = runs.start("a")
    shutil.copytree(original, tmp_path / "copy", copy_function=how)
    with pytest.raises(TuimonError, match=r"does not write to .*copy"):
        act(tmp_path / "copy")
    assert is_alive(lifecycle(original).training.process)
    step = read_run(original).step
    wait_until(lambda: read_run(original).step > step)
    assert not any(isinstance(record.event, Applied) for record in read_run(original).events)


@pytest.mark.parametrize("options", [(), ("--no-socket",)], ids=["by its socket", "by a signal"])
def test_a_run_that_was_moved_or_is_linked_to_is_still_its_own(runs: Runs, tmp_path: Path, options: tuple[str, ...]) -> None:
    """It is the folder that counts, and not its name."""
    run = runs.start("a", *options)
    process = lifecycle(run).training.process
    run.rename(runs.folder / "b")
    (tmp_path / "link").symlink_to(runs.folder / "b")
    stop(tmp_path / "link")
    wait_until(lambda: not is_alive(process))
    wait_until(lambda: lifecycle(runs.folder / "b").exited)


def test_another_runs_socket_is_not_spoken_to(runs: Runs, tmp_path: Path) -> None:
    """A log that names a live run of the user's own, with its socket, steers nothing there."""
    other = runs.start("a")
    started = lifecycle(other).training
    fake = forged(tmp_path / "fake", started.process, at=started.socket)
    with pytest.raises(TuimonError, match="does not write to"):
        send(fake, parse_setting("lr_scale=0.5"))
    assert not any(isinstance(record.event, Applied) for record in read_run(other).events)


def test_a_socket_that_another_process_listens_on_is_sent_nothing(tmp_path: Path, runs: Runs) -> None:
    """The run is the user's own and lives, but its log names a socket of somebody else."""
    run = tmp_path / "run"
    with socket.socket(socket.AF_UNIX) as listener, writing_process(run) as process:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.settimeout(60)
        log = LogWriter(run, "run")
        log.event(RunStarted(name="run", process=process, socket=str(tmp_path / "s")))
        log.close()
        with pytest.raises(TuimonError, match=f"belongs to process {os.getpid()}"):
            send(run, parse_setting("lr_scale=0.5"))
        connection, _ = listener.accept()
        assert connection.recv(100) == b""
        connection.close()


@contextlib.contextmanager
def writing_process(run: Path) -> Iterator[Process]:
    """A process that writes to a run's folder."""
    code = f"from pathlib import Path; from tuimon.log.writer import LogWriter; LogWriter(Path({str(run)!r}), 'run'); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        wait_until(lambda: list(run.glob("events.*")))
        found = identify(process.pid)
        assert found
        wait_until(lambda: not why_not_ours(found, run))
        yield found
        process.kill()


@pytest.mark.parametrize("place", ["/dev/null", "\0abstract", "relative", "/proc/self/fd/0", ""])
def test_what_is_no_socket_of_the_users_own_is_not_connected_to(tmp_path: Path, place: str) -> None:
    """One line says so; nothing is opened."""
    log = LogWriter(tmp_path / "run", "run")
    log.event(RunStarted(name="run", process=this_process(), socket=place))
    with pytest.raises(TuimonError, match=r"is not a socket of yours|Cannot reach|has no socket"):
        send(tmp_path / "run", parse_setting("lr_scale=0.5"))
    log.close()


def test_looking_at_a_log_connects_to_nobody_else(tmp_path: Path, bystander: Process) -> None:
    """A feed reads the file, whatever socket its log names."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        run = forged(tmp_path / "run", bystander, at=str(tmp_path / "s"))
        batches: list[object] = []
        feed = Feed(run, batches.append)
        wait_until(lambda: batches and feed.status.state == "running")
        time.sleep(0.3)  # three times as long as it takes a feed to turn to the socket
        feed.close()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_who_only_reads_a_log_does_not_write_it(tmp_path: Path) -> None:
    """`tail -f` on a run's output is no training process; nor is an editor that writes beside it."""
    log = LogWriter(tmp_path / "run", "run")
    log.close()
    with open(log.path, "rb"), open(tmp_path / "run" / "notes.txt", "w"):
        assert "does not write to" in why_not_ours(this_process(), tmp_path / "run")
    with open(log.path, "ab"):
        assert why_not_ours(this_process(), tmp_path / "run") == why_not_ours(this_process(), log.path) == ""


def test_where_there_is_no_proc_the_open_files_still_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, by psutil."""
    log = LogWriter(tmp_path / "run", "run")
    monkeypatch.setattr(proof, "_open_files", proof._open_files_elsewhere)
    assert why_not_ours(this_process(), tmp_path / "run") == ""
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert "does not write to" in why_not_ours(this_process(), tmp_path / "copy")
    log.close()
