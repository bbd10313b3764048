"""The folder of a run's Unix socket, and who may connect to it.

The folder is private to the user: `$XDG_RUNTIME_DIR/tuimon`, or `tuimon-<uid>` in the temporary directory. It is checked before
use, because anybody can create something with that name in a shared temporary directory.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.peer import peer_of
from tuimon.base.process import Process, identify, this_process

LONGEST_PATH = 107  # bytes of sockaddr_un.sun_path without the final zero
_SUFFIX = ".sock"
_NAMED = re.compile(r"([0-9]{1,10})-([0-9]{1,20})-[0-9]+\.sock")  # not \d or isdigit: ² is a digit, and no number
_serial = itertools.count()


def socket_folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Returns the folders to try, the best first."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    private = Path(tempfile.gettempdir()) / f"tuimon-{os.getuid()}"
    return [Path(runtime) / "tuimon", private] if runtime else [private]


def listen(folders: Iterable[Path] | None = None) -> tuple[socket.socket, Path]:
    """Returns a listening socket of this process in the first suitable folder.

    Raises:
        TuimonError: no folder is suitable; the text says why for each, and what to do.
    """
    reasons = []
    for folder in socket_folders() if folders is None else folders:
        try:
            return _listen_in(folder)
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror or error}")
        except TuimonError as error:
            reasons.append(error.message)
    raise TuimonError(
        f"No folder for the run's socket: {'; '.join(reasons)}.",
        "Set XDG_RUNTIME_DIR to a folder of your own with a short path and mode 0700, e.g. /run/user/$(id -u).",
    )


def prepare_folder(folder: Path) -> Path:
    """Creates the folder if it is missing, and makes sure that it belongs to the user and nobody else can access it.

    Raises:
        TuimonError: it is a symlink, not a folder, or another user's.
        OSError: it cannot be created or checked.
    """
    if not os.path.lexists(folder):
        _make(folder)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise TuimonError(f"{folder} is {'a symlink' if stat.S_ISLNK(found.st_mode) else 'not a folder'}")
    if found.st_uid != os.getuid():
        raise TuimonError(f"{folder} belongs to another user (uid {found.st_uid})")
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def remove_stale(folder: Path) -> None:
    """Removes the sockets of processes that have ended. Leaves files alone whose names do not name a process."""
    for path in folder.glob(f"*{_SUFFIX}"):
        found = _NAMED.fullmatch(path.name)
        if found and not _owner_lives(int(found[1]), int(found[2])) and not _answers(path):
            with contextlib.suppress(OSError):  # leave anything else with such a name alone
                path.unlink()


def peer_uid(connection: socket.socket) -> int | None:
    """Returns the uid of the peer's process; None if the system does not tell, so that only the folder's mode protects."""
    peer = peer_of(connection)
    return None if peer is None else peer.uid


def _make(folder: Path) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:  # another run was faster; its folder is checked like any other
        return


def _listen_in(folder: Path) -> tuple[socket.socket, Path]:
    path = folder / _name(this_process())
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise TuimonError(f"{path} is longer than {LONGEST_PATH} bytes")
    remove_stale(prepare_folder(folder))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)  # the name contains this process's pid and start time: nobody else uses it
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(64)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener, path


def _name(process: Process) -> str:
    return f"{process.pid}-{int(process.started)}-{next(_serial)}{_SUFFIX}"


def _owner_lives(pid: int, started: int) -> bool:
    owner = identify(pid)
    return owner is not None and int(owner.started) == started


def _answers(path: Path) -> bool:
    """Whether a process listens; it may be in another container, where its pid is different."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
