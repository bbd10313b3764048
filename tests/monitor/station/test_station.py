"""The socket of a run: real sockets, and peers that behave badly."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import wait_until
from tuimon.log.records import Applied, Command, Refused
from tuimon.log.writer import LogWriter
from tuimon.monitor.station.allowance import Allowance
from tuimon.monitor.station.connection import Answer
from tuimon.monitor.station.sockets import listen
from tuimon.monitor.station.station import COMMANDS_AT_ONCE, COMMANDS_PER_S, Station

Reply = Callable[[Answer], None]


class Serving:
    """A station with a real log; commands are answered at once unless `hold` is set."""

    def __init__(self, folder: Path, runtime_dir: Path, **options: Any) -> None:
        self.writer = LogWriter(folder, "run")
        self.errors: list[BaseException] = []
        self.commands: list[Command] = []
        self.held: list[tuple[Command, Reply]] = []
        self.hold = False
        listener, self.path = listen([runtime_dir / "tuimon"])
        self.station = Station(listener, self.path, folder, self.submit, lambda _, e: self.errors.append(e), **options)

    def submit(self, command: Command, reply: Reply) -> None:
        self.commands.append(command)
        if self.hold:
            self.held.append((command, reply))
        else:
            reply(Applied(step=1, lever=command.lever, id=command.id))

    def connect(self) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(20)
        peer.connect(str(self.path))
        return peer

    def follow(self, start: int = 0) -> socket.socket:
        peer = self.connect()
        peer.sendall(json.dumps({"want": "log", "file": self.writer.path.name, "from": start}).encode() + b"\n")
        return peer

    def steer(self) -> socket.socket:
        peer = self.connect()
        peer.sendall(b'{"want":"control"}\n')
        return peer


@pytest.fixture
def serve(tmp_path: Path, runtime_dir: Path) -> Iterator[Callable[..., Serving]]:
    serving: list[Serving] = []

    def begin(**options: Any) -> Serving:
        serving.append(Serving(tmp_path / "run", runtime_dir, **options))
        return serving[-1]

    yield begin
    for one in serving:
        one.station.close()
        one.writer.close()
        assert one.errors == []


def receive(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := peer.recv(min(size - len(data), 1 << 20))):
        data += more
    return data


def lines(peer: socket.socket, count: int) -> list[dict[str, Any]]:
    data = b""
    while data.count(b"\n") < count and (more := peer.recv(1 << 20)):
        data += more
    return [json.loads(line) for line in data.splitlines()]


def everything(peer: socket.socket) -> bytes:
    return receive(peer, 1 << 60)


def test_a_follower_gets_the_files_bytes_and_what_comes_later(serve: Callable[..., Serving]) -> None:
    """From any byte on, as they are on disk, soon after they are written."""
    serving = serve()
    serving.writer.scalars(1, {"a": 1.0})
    written = serving.writer.path.read_bytes()
    with serving.follow() as all_, serving.follow(10) as rest:
        assert receive(all_, len(written)) == written
        assert receive(rest, len(written) - 10) == written[10:]
        serving.writer.scalars(2, {"a": 2.0})
        began = time.monotonic()
        new = serving.writer.path.read_bytes()[len(written) :]
        assert receive(all_, len(new)) == new
        assert time.monotonic() - began < 30


def test_the_last_records_reach_a_follower_before_the_socket_closes(serve: Callable[..., Serving]) -> None:
    """A viewer sees how the run ended, then the end of the stream."""
    serving = serve()
    with serving.follow() as peer:
        receive(peer, 8)
        for i in range(1000):
            serving.writer.scalars(i, {"a": 1.0})
        serving.station.close()
        assert len(everything(peer)) + 8 >= serving.writer.path.stat().st_size
    assert not serving.path.exists()


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"\xff\xfe\x00\n",
        b"[1,2]\n",
        b'{"want":"cookies"}\n',
        b'{"want":"log","file":"../spec.toml","from":0}\n',
        b'{"want":"log","file":"spec.toml","from":0}\n',
        b'{"want":"log","file":"events.out.tfevents.d/../spec.toml","from":0}\n',
        b'{"want":"log","file":"events.out.tfevents.none","from":0}\n',
        b'{"want":"log","file":"events.out.tfevents.1\\u0000","from":0}\n',
        b'{"want":"log","file":"output.log","from":-1}\n',
        b'{"want":"control"}\nnot a command\n',
        b'{"want":"control"}\n{"op":"set"}\n',
        b"x" * 70_000 + b"\n",
    ],
)
def test_garbage_gets_one_line_of_error_and_the_end(serve: Callable[..., Serving], tmp_path: Path, line: bytes) -> None:
    """Whatever is not understood or not allowed, though the file is there; the next viewer is served as ever."""
    serving = serve()
    (tmp_path / "run" / "events.out.tfevents.d").mkdir()
    for folder in (tmp_path, tmp_path / "run"):
        (folder / "spec.toml").write_text("private")
    with serving.connect() as peer:
        peer.sendall(line)
        answer = everything(peer)
    assert answer.count(b"\n") == 1 and list(json.loads(answer)) == ["error"]
    with serving.follow() as good:
        assert receive(good, 8) == serving.writer.path.read_bytes()[:8]


def test_a_symlink_in_the_run_folder_is_not_followed(serve: Callable[..., Serving], tmp_path: Path) -> None:
    """Nobody reads another file through a run."""
    serving = serve()
    (tmp_path / "run" / "output.log").symlink_to("/etc/passwd")
    with serving.connect() as peer:
        peer.sendall(b'{"want":"log","file":"output.log","from":0}\n')
        assert b"error" in everything(peer)


def test_endless_input_without_a_newline_is_cut_off(serve: Callable[..., Serving]) -> None:
    """A gigabyte without a newline costs 64 KiB."""
    serving = serve()
    sent = 0
    with serving.connect() as peer, pytest.raises(OSError):
        while sent < 1 << 30:
            sent += peer.send(b"x" * (1 << 20))
    assert sent < 8 << 20


def commands(count: int, lever: str = "lr_scale") -> bytes:
    return b"".join(msgspec.json.encode(Command(lever, "multiply", 0.5, id=str(i))) + b"\n" for i in range(count))


def test_many_commands_are_all_answered_with_bounded_room(serve: Callable[..., Serving]) -> None:
    """No more than 64 of one connection are under way; the rest waits in the peer's own pipe."""
    serving = serve()
    serving.hold = True
    count = COMMANDS_AT_ONCE
    with serving.steer() as peer:
        sender = threading.Thread(target=peer.sendall, args=(commands(count),))
        sender.start()
        wait_until(lambda: len(serving.held) == 64)
        with serving.follow() as other:
            assert receive(other, 8)
        assert len(serving.commands) == 64
        serving.hold = False
        for command, reply in serving.held:
            reply(Applied(step=1, lever=command.lever, id=command.id))
        answers = lines(peer, count)
        sender.join(30)
    assert sorted(int(a["id"]) for a in answers) == list(range(count))


def test_a_flood_of_commands_is_refused_and_told_once_and_a_stop_still_gets_through(serve: Callable[..., Serving]) -> None:
    """Each command that is carried out takes time of the training and a record of its log."""
    told: list[str] = []
    serving = serve(notice=told.append)
    count = COMMANDS_AT_ONCE + 500
    began = time.monotonic()
    with serving.steer() as peer:
        sender = threading.Thread(target=peer.sendall, args=(commands(count),))
        sender.start()
        answers = lines(peer, count)
        sender.join(30)
        spent_s = time.monotonic() - began
        refused = [a for a in answers if a["kind"] == "refused"]
        assert sorted(int(a["id"]) for a in answers) == list(range(count))
        assert len(serving.commands) + len(refused) == count
        assert len(serving.commands) <= COMMANDS_AT_ONCE + COMMANDS_PER_S * (spent_s + 1)
        assert len(told) == 1 and all("send fewer" in a["reason"] for a in refused)
        peer.sendall(commands(1, "stop"))
        assert lines(peer, 1)[0]["lever"] == "stop"
    assert serving.commands[-1].lever == "stop"


def test_an_allowance_fills_up_again_with_time() -> None:
    """So many at once, then so many a second."""
    now = 0.0
    allowance = Allowance(3, 2.0, lambda: now)
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    now = 1.0
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now = 100.0
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]


def test_peers_that_never_read_do_not_keep_others_waiting(serve: Callable[..., Serving]) -> None:
    """One follower and one that steers without reading answers; a third is served at once, and room stays bounded."""
    serving = serve()
    for i in range(50_000):
        serving.writer.scalars(i, {"a": 1.0})
    size = serving.writer.path.stat().st_size
    with serving.follow(), serving.steer() as deaf, serving.follow() as good, serving.steer() as steering:
        sent = 0
        deaf.setblocking(False)
        while sent < 2 << 20 and select.select([], [deaf], [], 1.0)[1]:  # until nothing more is taken from it
            sent += deaf.send(b'{"lever":"a","id":"x"}\n' * 1000)
        assert sent < 2 << 20
        assert len(receive(good, size)) == size
        steering.sendall(b'{"lever":"b","id":"y"}\n')
        assert lines(steering, 1)[0]["id"] == "y"
        unsent = [len(c._unsent) for c in serving.station._connections]
        assert max(unsent) < 512 * 1024


def test_a_peer_that_says_no_more_still_gets_its_answers(serve: Callable[..., Serving]) -> None:
    """Half-closing after the last command is a way to use the socket from a shell."""
    serving = serve()
    serving.hold = True
    with serving.steer() as peer:
        peer.sendall(b'{"lever":"a","id":"1"}\n')
        peer.shutdown(socket.SHUT_WR)
        wait_until(lambda: serving.held)
        serving.held[0][1](Refused(step=1, lever="a", id="1", reason="no"))
        assert json.loads(everything(peer))["reason"] == "no"


def test_a_peer_that_is_gone_when_its_answer_comes_is_forgotten(serve: Callable[..., Serving]) -> None:
    """The answer is dropped; the station lives."""
    serving = serve()
    serving.hold = True
    with serving.steer() as peer:
        peer.sendall(b'{"lever":"a"}\n')
        wait_until(lambda: serving.held)
    serving.held[0][1](Applied(step=1, lever="a"))
    wait_until(lambda: not serving.station._connections)
    with serving.follow() as good:
        assert receive(good, 8)


def test_another_users_connection_is_refused(serve: Callable[..., Serving]) -> None:
    """What the system says of the peer decides."""
    serving = serve(uid_of=lambda _: os.getuid() + 1)
    with serving.connect() as peer:
        assert b"another user" in everything(peer)
    assert serving.commands == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a process of another user")
def test_a_real_other_user_is_told_apart(serve: Callable[..., Serving], runtime_dir: Path) -> None:
    """Even where folder and socket let everybody in, the peer's own uid keeps another user out."""
    serving = serve()
    for path, mode in ((runtime_dir, 0o755), (runtime_dir / "tuimon", 0o755), (serving.path, 0o777)):
        path.chmod(mode)
    code = f"""
import os, socket
peer = socket.socket(socket.AF_UNIX)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
peer.connect({str(serving.path)!r})
print(peer.recv(999))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "another user" in done.stdout


def test_too_many_viewers_are_turned_away_with_a_word(serve: Callable[..., Serving]) -> None:
    """The 65th connection is told why; when one leaves there is room again."""
    serving = serve()
    peers = [serving.follow() for _ in range(64)]
    for peer in peers:
        receive(peer, 8)
    with serving.connect() as late:
        assert b"64 viewers" in everything(late)
    for peer in peers:
        peer.close()
    wait_until(lambda: not serving.station._connections)
    with serving.follow() as good:
        assert receive(good, 8)


def test_the_thread_sleeps_while_nobody_follows(serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn is taken between connections; a follower has it look at the log again and again."""
    serving = serve()
    turns: list[float] = []
    turn = serving.station._turn
    monkeypatch.setattr(serving.station, "_turn", lambda: (turns.append(time.monotonic()), turn())[1])
    with serving.follow() as peer:
        receive(peer, 8)
        wait_until(lambda: len(turns) > 5)
    wait_until(lambda: not serving.station._connections)
    settled = len(turns)
    threading.Event().wait(0.3)
    assert len(turns) <= settled + 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"want":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"want":"log","file":"output.log","from":18446744073709551615}',
        b'{"want":"log","file":"events.out.tfevents.\\u0000","from":0}',
        b'{"want":"control"}\n{"lever":"x","value":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"want":"control"}\n{"lever":"\xff"}',
    ],
    ids=["deep wish", "huge offset", "zero in a name", "deep command", "no text"],
)
def test_a_line_that_cannot_be_read_costs_its_own_connection_alone(serve: Callable[..., Serving], line: bytes) -> None:
    """It is told why; the others go on, and the training process reports nothing."""
    serving = serve()
    with serving.steer() as other, serving.connect() as peer:
        peer.sendall(line + b"\n")
        assert b"error" in everything(peer)
        other.sendall(b'{"lever":"lr","id":"1"}\n')
        assert lines(other, 1)[0]["id"] == "1"


def test_an_error_with_one_connection_ends_that_one_alone(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is; it is reported."""
    serving = serve()
    with serving.steer() as other, serving.steer() as peer:
        with monkeypatch.context() as failing:
            failing.setattr("tuimon.monitor.station.connection.Connection._steer", lambda self, line: 1 / 0)
            peer.sendall(b'{"lever":"lr","id":"1"}\n')
            assert everything(peer) == b""
        other.sendall(b'{"lever":"lr","id":"2"}\n')
        assert lines(other, 1)[0]["id"] == "2"
    assert [type(error) for error in serving.errors] == [ZeroDivisionError]
    serving.errors.clear()
