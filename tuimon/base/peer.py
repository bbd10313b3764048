"""The process at the other end of a Unix socket, according to the kernel. Standard library only; any thread."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Peer(NamedTuple):
    """The process at the other end: the one that connected or listens."""

    pid: int  # 0 for a process of another pid namespace
    uid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """Returns the process at the other end of a connected Unix socket; None if the system does not tell (macOS)."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return Peer(int(pid), int(uid))
