"""The bytes of a run's log, from its training process's socket or from the file; each is a `Tail` for the log's reader."""

from __future__ import annotations

import functools
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.connecting import connect
from tuimon.launcher.runs.glance import started_in
from tuimon.launcher.runs.proof import why_not_ours
from tuimon.log.reader import FileTail, Tail

_IDLE_READS = 10  # of the socket without new bytes, before the file is checked for more
_ERROR = b'{"error"'  # no record's length field looks like this: it would be 2^61 bytes


class SocketTail:
    """The bytes of one event file, served by its training process. For one thread.

    Args:
        connect: a new connection to the run's socket, or a TuimonError.
        file: the event file's name.
    """

    def __init__(self, connect: Callable[[], socket.socket], file: str) -> None:
        self._new_connection, self._file = connect, file
        self._connection: socket.socket | None = None
        self._position = 0

    def read(self, offset: int, max_bytes: int) -> bytes:
        """The bytes that have arrived from `offset` on. Connects if necessary; otherwise never waits.

        Raises:
            ConnectionError: the training process has gone, or will not serve this file.
        """
        if self._connection is None or offset != self._position:
            self._connect(offset)
        found = self._arrived(max_bytes)
        self._position += len(found)
        return found

    def close(self) -> None:
        """Ends the connection."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _connect(self, offset: int) -> None:
        self.close()
        try:
            connection = self._new_connection()
        except TuimonError as error:
            raise ConnectionError(error.message) from error
        try:
            connection.sendall(json.dumps({"want": "log", "file": self._file, "from": offset}).encode() + b"\n")
        except OSError as error:
            connection.close()
            raise ConnectionError(f"{self._file}: {error}") from error
        connection.setblocking(False)
        self._connection, self._position = connection, offset

    def _arrived(self, max_bytes: int) -> bytes:
        assert self._connection
        pieces: list[bytes] = []
        size = 0
        while size < max_bytes:
            try:
                piece = self._connection.recv(min(max_bytes - size, 1 << 20))
            except BlockingIOError:
                break
            if not piece:
                self._lost(pieces)
                break
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def _lost(self, pieces: list[bytes]) -> None:
        """The other end has closed. What arrived before still counts, unless it says why the file is not served."""
        self.close()
        if not pieces or pieces[0].startswith(_ERROR):
            raise ConnectionError(b"".join(pieces).decode(errors="replace") or f"{self._file}: the connection was closed")


class LiveTail:
    """An event file that is being written: read from the file up to its end, then from the socket, then from the file again.

    Catching up is fastest from the file; the socket delivers what is new. When the process is gone, or its socket falls behind
    the file, the file is all that counts. It goes on at the same byte each time.
    """

    def __init__(self, path: Path, connect: Callable[[], socket.socket]) -> None:
        self._file: FileTail = FileTail(path)
        self._socket: SocketTail | None = SocketTail(connect, path.name)
        self._caught_up = False
        self._idle = 0

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Reads from the socket or the file. A lost connection raises nothing."""
        if self._socket and self._caught_up:
            try:
                found = self._socket.read(offset, max_bytes)
            except OSError:
                self._drop_socket()
            else:
                self._idle = 0 if found else self._idle + 1
                if self._idle < _IDLE_READS or not self._file.read(offset, 1):
                    return found
                self._drop_socket()
        found = self._file.read(offset, max_bytes)
        self._caught_up = not found
        return found

    def close(self) -> None:
        """Closes the connection and the file."""
        self._drop_socket()
        self._file.close()

    def _drop_socket(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None


def open_tail(path: Path) -> Tail:
    """Opens an event file, with its training process's socket if that process is alive and the caller's own."""
    try:
        started = started_in(path) if path.name.endswith(".run") else None
    except (OSError, TuimonError):
        started = None
    if started and started.socket and os.path.exists(started.socket) and not why_not_ours(started.process, path):
        return LiveTail(path, functools.partial(connect, path.parent, started.socket, started.process))
    return FileTail(path)
