"""Steers a run: sends commands to its training process over the Unix socket.

The protocol is lines of JSON: the first line says what is wanted, each further line is a command, and each line back is an
answer, in the order in which commands take effect. For any thread of a viewer; uses neither torch nor Textual.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from tuimon.base.errors import TuimonError, in_one_line
from tuimon.base.outside import json_decoder
from tuimon.base.process import host_name
from tuimon.launcher.runs.connecting import connect
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.runs.runs import is_resumable
from tuimon.launcher.runs.standing import state_in
from tuimon.launcher.runs.status import ENDING, Lifecycle
from tuimon.launcher.runs.tail import SocketTail, open_tail
from tuimon.launcher.steering.answers import ANSWER_TIMEOUT_S, Answer, NoAnswer, OnAnswer, Steering, ask
from tuimon.launcher.steering.by_folder import ByFolder
from tuimon.log.records import Command

__all__ = ["Answer", "Client", "NoAnswer", "SocketTail", "ask", "check_live", "client_of", "open_tail", "send"]

_MAX_LINE_BYTES = 1 << 20
_encode = msgspec.json.Encoder().encode
_decode: Callable[[str | bytes], Answer] = json_decoder(Answer)


class _Told(msgspec.Struct):
    """The error that a run sends instead of an answer before it closes the connection."""

    error: str


_decode_told: Callable[[str | bytes], _Told] = json_decoder(_Told)


class Client:
    """A connection for steering one run. Thread-safe; a thread of its own reads the answers.

    Args:
        connection: a connection to the run's socket; the client closes it.

    Raises:
        TuimonError: the connection is broken.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        _ask_for_control(connection)
        self._writing = threading.Lock()
        self._waiting: dict[str, OnAnswer] = {}
        self._closed = False
        threading.Thread(target=self._listen, name="tuimon-answers", daemon=True).start()

    def post(self, command: Command, on_answer: OnAnswer) -> None:
        """Sends a command, which must have an id; `on_answer` is called once, on the reading thread. Never raises."""
        with self._writing:
            self._waiting[command.id] = on_answer
            try:
                if self._closed:
                    raise BrokenPipeError
                self._socket.sendall(_encode(command) + b"\n")
            except OSError:
                self._waiting.pop(command.id, None)
            else:
                return
        on_answer(TuimonError(f"{command.lever}: the connection to the run is closed."))

    def send(self, command: Command, timeout_s: float = ANSWER_TIMEOUT_S) -> Answer:
        """Sends a command and waits for its answer; raises what `ask` does."""
        return ask(self, command, timeout_s)

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._closed

    def close(self) -> None:
        """Ends the connection; commands without an answer get a TuimonError."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        reason = "the run ended before it answered."
        try:
            with contextlib.suppress(OSError, ValueError), self._socket.makefile("rb") as lines:
                while line := lines.readline(_MAX_LINE_BYTES):
                    self._dispatch(line)
        except Exception as error:
            reason = f"the run's answers cannot be read: {in_one_line(error)}"
        self._closed = True
        self._fail_all(reason)

    def _dispatch(self, line: bytes) -> None:
        try:
            answer = _decode(line)
        except ValueError:
            self._fail_all(_error_in(line))
            return
        with self._writing:
            waiting = self._waiting.pop(answer.id, None)
        if waiting:
            waiting(answer)

    def _fail_all(self, reason: str) -> None:
        with self._writing:
            waiting, self._waiting = self._waiting, {}
        for on_answer in waiting.values():
            on_answer(TuimonError(reason[:1].upper() + reason[1:]))


def send(run: Path, command: Command, timeout_s: float = ANSWER_TIMEOUT_S) -> Answer:
    """Sends one command to a run and waits for its answer.

    Raises:
        NoAnswer: none came in time.
        TuimonError: the run cannot be steered: it has ended, has not begun to train, or has no socket.
    """
    client = client_of(run, lifecycle(run))
    try:
        return ask(client, command, timeout_s)
    finally:
        client.close()


def client_of(run: Path, life: Lifecycle) -> Steering:
    """A way to steer a live run: a connection to its socket, or its folder if it trains on another machine and looks there.

    Raises:
        TuimonError: the run cannot be steered: it has no socket, for example, or belongs to another user.
    """
    check_live(run, life)
    if not life.training:
        raise TuimonError(f"{run.name} is still starting: its training has not begun.", "It can be steered once it has.")
    if life.ended:
        raise TuimonError(f"{run.name} cannot be steered: {ENDING}.", f"`tuimon stop --now {run.name}` ends the process.")
    if life.training.process.host != host_name():
        if life.training.inbox:
            return ByFolder(run, life)
        raise TuimonError(f"{run.name} cannot be steered from here: it trains on {life.training.process.host}.")
    if not life.training.socket:
        raise TuimonError(f"{run.name} cannot be steered: {life.training.socket_error or 'it has no socket'}.")
    return Client(connect(run, life.training.socket, life.training.process))


def check_live(run: Path, life: Lifecycle) -> None:
    """Raises TuimonError if a run has ended, or runs on another host."""
    status = state_in(run, life) if life.engine else life.status()  # only an engine sees further than this machine
    if status.live:
        return
    detail = f" ({status.detail})" if status.detail else ""
    if status.state == "unknown":
        raise TuimonError(f"{run.name} cannot be steered from here{detail}.")
    hint = f"`tuimon resume {run.name}` continues it." if is_resumable(run) else ""
    raise TuimonError(f"{run.name} is not running: {status.state}{detail}.", hint)


def _ask_for_control(connection: socket.socket) -> None:
    try:
        connection.sendall(b'{"want":"control"}\n')
    except OSError as error:
        connection.close()
        raise TuimonError(f"Cannot reach the run's training process: {error.strerror or error}.") from error
    connection.settimeout(None)


def _error_in(line: bytes) -> str:
    try:
        return _decode_told(line).error
    except ValueError:
        return f"the run sent something unreadable: {line[:80]!r}"
