"""Serves a run on its Unix socket: sends the log to followers and receives commands.

One daemon thread in the training process. It sleeps until someone connects, checks the log for new bytes every 50 ms only while
someone follows it, and never waits for a peer.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

from tuimon.log.records import Command
from tuimon.monitor.station.allowance import Allowance
from tuimon.monitor.station.connection import Answer, Connection, Submit
from tuimon.monitor.station.sockets import peer_uid

POLL_S = 0.05
_CONNECTIONS = 64
COMMANDS_AT_ONCE, COMMANDS_PER_S = 256, 50  # more are refused: each accepted command is written to the log
_STOPS_AT_ONCE, _STOPS_PER_S = 8, 1  # counted separately, so that a run can always be stopped
_TOLD_EVERY_S = 60.0
_FAREWELL_S = 0.5  # how long a closing run tries to send the last bytes


class Station:
    """The thread that serves one run.

    Args:
        listener: the listening socket.
        path: the socket's file, removed at the end.
        folder: the run's folder.
        submit: passes a command to the training thread.
        report: called with an error that ends the thread.
        notice: called with a notice for the user.
        uid_of: returns the uid of the process at the other end.
    """

    def __init__(
        self,
        listener: socket.socket,
        path: Path,
        folder: Path,
        submit: Submit,
        report: Callable[[str, BaseException], None],
        notice: Callable[[str], None] = lambda _: None,
        uid_of: Callable[[socket.socket], int | None] = peer_uid,
    ) -> None:
        self.path = path
        self._listener, self._folder, self._submit, self._report, self._uid_of = listener, folder, submit, report, uid_of
        self._notice, self._told_at = notice, -_TOLD_EVERY_S
        self._commands = Allowance(COMMANDS_AT_ONCE, COMMANDS_PER_S)
        self._stops = Allowance(_STOPS_AT_ONCE, _STOPS_PER_S)
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._connections: set[Connection] = set()
        self._watched: dict[Connection, int] = {}
        self._outbox: SimpleQueue[tuple[Connection, Answer]] = SimpleQueue()
        self._stopping = False
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="tuimon-station", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sends the last bytes, ends the thread and removes the socket's file. May be called again."""
        self._stopping = True
        self._wake()
        if threading.current_thread() is not self._thread:  # the thread may drop the last reference to the run
            self._thread.join(_FAREWELL_S + 2.0)
        self.unlink()

    def unlink(self) -> None:
        """Removes the socket's file: nobody new finds the run."""
        self.path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Closes a forked child's copies of the descriptors. Does not touch the selector, which the parent shares."""
        for sock in (self._listener, self._wake_receiver, self._wake_sender):
            sock.close()
        for connection in list(self._connections):
            connection.close()
        self._selector.close()

    def _post(self, connection: Connection, answer: Answer) -> None:
        self._outbox.put((connection, answer))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: the thread wakes anyway; closed: it has ended
            self._wake_sender.send(b"\0")

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
            self._say_farewell()
        except Exception as error:
            self._report("station", error)
        finally:
            self.forget()

    def _turn(self) -> None:
        timed = any(connection.following or connection.resting for connection in self._connections)
        ready = self._selector.select(POLL_S if timed else None)
        for key, events in ready:
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._wake_receiver:
                self._drain_wakes()
            else:
                self._serve(key.data, events)
        self._deliver()
        now = time.monotonic()
        for connection in self._connections:
            with self._ending(connection):
                if connection.following and not connection.blocked:
                    connection.write()
                elif connection.resting and now >= connection.resting:
                    connection.go_on()
        self._look_after_all()

    def _serve(self, connection: Connection, events: int) -> None:
        with self._ending(connection):
            if events & selectors.EVENT_WRITE and not connection.closed:
                connection.write()
            if events & selectors.EVENT_READ and not connection.closed:
                connection.read()

    @contextlib.contextmanager
    def _ending(self, connection: Connection) -> Iterator[None]:
        """Closes a connection whose handling fails, and no other."""
        try:
            yield
        except Exception as error:
            self._report("connection to a viewer", error)
            connection.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # already gone, or no descriptor left: try again a little later
            time.sleep(POLL_S)
            return
        sock.setblocking(False)
        connection = Connection(sock, self._folder, self._submit, self._post, self._refusal)
        self._connections.add(connection)
        if self._uid_of(sock) not in (None, os.getuid()):
            connection.fail("this run belongs to another user")
        elif len(self._connections) > _CONNECTIONS:
            connection.fail(f"{_CONNECTIONS} viewers are connected already")

    def _refusal(self, command: Command) -> str:
        """Returns why a command is refused: there are too many for the training and its log. Empty if it is accepted."""
        allowance = self._stops if command.lever == "stop" else self._commands
        if allowance.take():
            return ""
        now = time.monotonic()
        if now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            self._notice(f"refused commands: more than {COMMANDS_PER_S} per second were sent to this run")
        return f"a run accepts {COMMANDS_AT_ONCE} commands at once and {COMMANDS_PER_S} per second; send fewer"

    def _drain_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_receiver.recv(4096):
                pass

    def _deliver(self) -> None:
        while not self._outbox.empty():
            connection, answer = self._outbox.get_nowait()
            with self._ending(connection):
                connection.answer(answer)

    def _look_after_all(self) -> None:
        """Sets what the selector watches for to what each connection needs now.

        Closed ones come first: the system may already have given their descriptor to a new connection.
        """
        for connection in [c for c in self._connections if c.closed]:
            self._connections.discard(connection)
            self._watch(connection, 0)
        for connection in self._connections:
            reads = selectors.EVENT_READ if connection.wants_to_read else 0
            self._watch(connection, reads | (selectors.EVENT_WRITE if connection.wants_to_write else 0))

    def _watch(self, connection: Connection, events: int) -> None:
        known = self._watched.get(connection, 0)
        if events == known:
            return
        if not events:
            self._selector.unregister(connection.sock)
            del self._watched[connection]
            return
        register = self._selector.modify if known else self._selector.register
        register(connection.sock, events, connection)
        self._watched[connection] = events

    def _say_farewell(self) -> None:
        """Sends every viewer that still reads the rest: the log's last records and the last answers."""
        deadline = time.monotonic() + _FAREWELL_S
        self._deliver()
        while time.monotonic() < deadline:
            for connection in self._connections:
                if not connection.closed:
                    connection.write()
            self._look_after_all()
            if not any(connection.wants_to_write for connection in self._connections):
                break
            self._selector.select(POLL_S)
