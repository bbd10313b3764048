"""Where a run's Unix socket lives, and who may speak to it.

The folder belongs to the user alone: `$XDG_RUNTIME_DIR/tuimon`, else `tuimon-<uid>` under the temporary directory. It is
checked before it is used, because anybody may put something of that name into a shared temporary directory.
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

LONGEST_PATH = 107  # bytes of sockaddr_un.sun_path, less the final zero
_SUFFIX = ".sock"
_NAMED = re.compile(r"([0-9]{1,10})-([0-9]{1,20})-[0-9]+\.sock")  # not \d or isdigit: ² is a digit, and no number
_serial = itertools.count()


def socket_folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders to try, the best first."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    private = Path(tempfile.gettempdir()) / f"tuimon-{os.getuid()}"
    return [Path(runtime) / "tuimon", private] if runtime else [private]


def listen(folders: Iterable[Path] | None = None) -> tuple[socket.socket, Path]:
    """A listening socket of this process, in the first folder that will do.

    Raises:
        TuimonError: none will; the text says why for each, and what to do.
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
    """Makes the folder if it is missing and checks that it is the user's own and nobody else's business.

    Raises:
        TuimonError: it is a symlink, no folder, or another user's.
        OSError: it cannot be made or looked at.
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
    """Removes the sockets of processes that are gone. A name that tells of no process, or another host's, is left alone."""
    for path in folder.glob(f"*{_SUFFIX}"):
        found = _NAMED.fullmatch(path.name)
        if found and not _owner_lives(int(found[1]), int(found[2])) and not _answers(path):
            with contextlib.suppress(OSError):  # whatever else has such a name keeps it
                path.unlink()


def peer_uid(connection: socket.socket) -> int | None:
    """The uid of the process at the other end; None where the system does not tell (the folder's mode guards alone then)."""
    peer = peer_of(connection)
    return None if peer is None else peer.uid


def _make(folder: Path) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:  # another run was faster; what it made is checked like any other
        return


def _listen_in(folder: Path) -> tuple[socket.socket, Path]:
    path = folder / _name(this_process())
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise TuimonError(f"{path} is longer than {LONGEST_PATH} bytes")
    remove_stale(prepare_folder(folder))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)  # the name is this very process's: nobody else can be using it
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
    """Whether anybody listens: a process in another container, say, whose pid means nothing here."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
