"""Connects to a run's socket, and to no other socket that a log may name. For any thread of a viewer."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.peer import peer_of
from tuimon.base.process import Process
from tuimon.launcher.runs.proof import why_not_ours

_TIMEOUT_S = 2.0
_BACKLOG_RETRY_S = 0.02


def connect(run: Path, path: str, process: Process) -> socket.socket:
    """Returns a connection to the socket at `path`, on which the run's training process listens.

    Connects to nothing before it is certain that the process is the caller's own and this run's, and sends nothing.

    Args:
        run: the run's folder.
        path: its socket, as the log names it.
        process: its training process, as the log names it.

    Raises:
        TuimonError: the process or the socket is not the run's or not the caller's, or nobody answers.
    """
    if reason := why_not_ours(process, run):
        raise TuimonError(f"Cannot connect to {run.name}: {reason}.")
    _check_file(run, path)
    try:
        connection = join(path)
    except OSError as error:
        raise TuimonError(f"Cannot reach the run's training process at {path}: {error.strerror or error}.") from error
    peer = peer_of(connection)
    if peer is not None and peer != (process.pid, os.geteuid()):
        connection.close()
        raise TuimonError(
            f"Cannot connect to {run.name}: its socket belongs to process {peer.pid}, not to its training process."
        )
    return connection


def join(path: str) -> socket.socket:
    """Returns a connection to a socket, whoever listens on it, with a timeout for each operation.

    A busy training process accepts connections late: while its backlog is full, connecting is tried again.

    Raises:
        OSError: nobody listens there, or nobody accepted the connection in time.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(path)
            return connection
        except BlockingIOError:  # the backlog is full; a Unix socket does not wait for room by itself
            connection.close()
            if time.monotonic() >= deadline:
                raise TimeoutError(f"its backlog stayed full for {_TIMEOUT_S:g} s") from None
            time.sleep(_BACKLOG_RETRY_S)
        except OSError:
            connection.close()
            raise


def _check_file(run: Path, path: str) -> None:
    """Raises TuimonError unless the file is the user's own socket: merely connecting to another may start something."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TuimonError(f"Cannot reach the run's training process at {path!r}: {reason}.") from error
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise TuimonError(f"Cannot connect to {run.name}: {path}, which its log names, is not a socket of yours.")
