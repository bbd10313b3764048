"""Steering a real station in another process, and stopping a run."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

import msgspec
import pytest

from conftest import wait_until
from launching import Runs, end, status
from tuimon.base.errors import TuimonError
from tuimon.base.process import Process, this_process
from tuimon.launcher.runs.connecting import connect, join
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.steering.client import Client, NoAnswer, client_of, send
from tuimon.launcher.steering.commands import parse_setting
from tuimon.launcher.steering.stop import stop
from tuimon.launcher.steering.stopping import stop_by_signal
from tuimon.log.reader import read_run
from tuimon.log.records import Applied, Refused
from tuimon.log.writer import LogWriter


def test_a_command_is_answered_with_what_was_done(runs: Runs) -> None:
    """Applied, with old and new; refused, with why; and the log says the same."""
    run = runs.start("a")
    answer = send(run, parse_setting("lr_scale=0.5"))
    assert isinstance(answer, Applied) and (answer.old, answer.new) == (1.0, 0.5)
    refused = send(run, parse_setting("no_such=1"))
    assert isinstance(refused, Refused) and refused.reason == "there is no such lever"
    logged = [record.event for record in read_run(run).events]
    assert answer in logged and refused in logged


def test_many_threads_share_one_connection(runs: Runs) -> None:
    """Each gets the answer to its own command."""
    run = runs.start("a")
    connection = client_of(run, lifecycle(run))
    answers: dict[float, float] = {}

    def steer(value: float) -> None:
        answers[value] = connection.send(parse_setting(f"lr_scale={value}")).new

    threads = [threading.Thread(target=steer, args=(0.1 * i,)) for i in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()
    assert len(answers) == 8 and all(value == new for value, new in answers.items())


def test_a_run_that_has_ended_says_so(runs: Runs) -> None:
    """Neither steered nor stopped, with what to do."""
    run = runs.start("a", "--steps", "1")
    wait_until(lambda: lifecycle(run).exited)
    for attempt in (lambda: send(run, parse_setting("lr_scale=1")), lambda: stop(run)):
        with pytest.raises(TuimonError, match="a is not running: finished") as raised:
            attempt()
        assert raised.value.hint == ""


def test_only_a_run_that_can_go_on_is_said_to(runs: Runs) -> None:
    """One that tuimon started, and that has saved."""
    run = runs.start("a", "--steps", "1")
    wait_until(lambda: lifecycle(run).exited)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.pt").write_text("")
    (run / "spec.toml").write_text("")
    with pytest.raises(TuimonError) as raised:
        stop(run)
    assert raised.value.hint == "`tuimon resume a` continues it."


def test_a_run_that_has_not_begun_says_so(runs: Runs) -> None:
    """Its trainer has not said anything yet."""
    run = runs.script("a", "import time; time.sleep(60)")
    with pytest.raises(TuimonError, match="still starting"):
        send(run, parse_setting("lr_scale=1"))


def test_a_run_without_a_socket_says_why(runs: Runs) -> None:
    """The reason is the trainer's own."""
    with pytest.raises(TuimonError, match="cannot be steered: told to have none"):
        send(runs.start("a", "--no-socket"), parse_setting("lr_scale=1"))


def test_a_socket_that_nobody_serves_is_an_error(tmp_path: Path) -> None:
    """A stale file, and none at all."""
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(stale))
    log = LogWriter(tmp_path / "run", "run")
    for path in (stale, tmp_path / "none"):
        with pytest.raises(TuimonError, match="Cannot reach"):
            connect(tmp_path / "run", str(path), this_process())
    log.close()


def test_a_full_backlog_is_tried_again(tmp_path: Path) -> None:
    """A training process that is busy takes connections up late; a Unix socket does not wait for room by itself."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as waiting:
        listener.bind(str(path))
        listener.listen(0)
        filler = waiting.enter_context(socket.socket(socket.AF_UNIX))
        filler.setblocking(False)
        filler.connect(str(path))
        another = waiting.enter_context(socket.socket(socket.AF_UNIX))
        another.setblocking(False)
        with pytest.raises(BlockingIOError):
            another.connect(str(path))
        timer = threading.Timer(0.3, lambda: waiting.enter_context(listener.accept()[0]))
        timer.start()
        Client(join(str(path))).close()
        timer.join()


def test_a_run_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """A step may take minutes; what became of the command is then unknown, which is not the same as refused."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        connection = Client(join(str(tmp_path / "s")))
        with pytest.raises(NoAnswer, match=r"no answer within 0.05 s"):
            connection.send(parse_setting("lr_scale=1"), timeout_s=0.05)
        connection.close()


def test_a_run_that_dies_before_it_answers_is_an_error(tmp_path: Path) -> None:
    """Whoever waits is told at once, and whoever asks later too."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        connection = Client(join(str(tmp_path / "s")))
        threading.Thread(target=lambda: listener.accept()[0].close()).start()
        with pytest.raises(TuimonError, match=r"ended before it answered|connection to the run is closed"):
            connection.send(parse_setting("lr_scale=1"), timeout_s=10)
        wait_until(lambda: connection.closed)
        with pytest.raises(TuimonError, match="closed"):
            connection.send(parse_setting("lr_scale=1"), timeout_s=10)
        connection.close()


def test_stop_is_graceful_by_the_lever(runs: Runs) -> None:
    """It is applied, and the run ends by itself."""
    run = runs.start("a")
    assert stop(run).startswith("applied at step")
    wait_until(lambda: lifecycle(run).exited)
    assert status(run) == "stopped"


def test_stop_without_a_socket_is_a_signal(runs: Runs) -> None:
    """SIGTERM, which the trainer takes as a request."""
    run = runs.start("a", "--no-socket")
    assert "SIGTERM" in stop(run)
    wait_until(lambda: lifecycle(run).exited)
    assert lifecycle(run).exited.code == 130


def test_stop_before_training_begins_reaches_the_process(runs: Runs) -> None:
    """Nothing is known of it but its supervisor."""
    run = runs.script("a", "import time; time.sleep(60)")
    stop(run)
    wait_until(lambda: lifecycle(run).exited)
    assert lifecycle(run).exited.signal == 15


def test_stop_now_ends_what_does_not_listen(runs: Runs) -> None:
    """SIGKILL in the end."""
    run = runs.start("a", "--deaf", "--no-socket")
    assert "SIGKILL" in stop_by_signal(run, lifecycle(run), now=True, grace_s=0.1)


def test_stop_now_lets_a_trainer_end_itself_that_can(runs: Runs) -> None:
    """No SIGKILL where SIGTERM does, so that its log has an end."""
    run = runs.start("a")
    assert "SIGTERM" in stop(run, now=True)
    wait_until(lambda: lifecycle(run).exited)
    assert status(run) == "stopped"


def test_a_reused_pid_is_never_signalled(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log names a process that has gone; another one has its number now."""
    run = runs.start("a", "--no-socket")
    life = lifecycle(run)
    bystander = life.training.process
    end(life.launched.supervisor)
    stranger = Process(bystander.host, bystander.boot_id, bystander.pid, bystander.started - 1)
    life.training = msgspec.structs.replace(life.training, process=stranger)
    life.spawned = stranger
    with monkeypatch.context() as patched, pytest.raises(TuimonError, match="was not found"):
        for kill in ((os, "kill"), (os, "killpg"), (signal, "pidfd_send_signal")):
            patched.setattr(*kill, lambda *args: pytest.fail(f"signalled {args}"))
        stop_by_signal(run, life, now=True)
