"""Where sockets live: only in a folder that is the user's own."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tuimon.base.errors import TuimonError
from tuimon.base.process import identify, this_process
from tuimon.monitor.station import sockets


def test_the_folder_is_the_users_alone(runtime_dir: Path) -> None:
    """Folder 0700, socket 0600, a name that tells whose it is."""
    listener, path = sockets.listen()
    with listener:
        assert path.parent == runtime_dir / "tuimon"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.name.startswith(f"{os.getpid()}-")


def test_without_a_runtime_folder_a_private_one_is_used(monkeypatch: pytest.MonkeyPatch, runtime_dir: Path) -> None:
    """The temporary directory's folder carries the uid."""
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(runtime_dir))
    listener, path = sockets.listen()
    listener.close()
    assert path.parent == runtime_dir / f"tuimon-{os.getuid()}"


def test_a_missing_runtime_folder_is_passed_over(monkeypatch: pytest.MonkeyPatch, runtime_dir: Path) -> None:
    """A stale XDG_RUNTIME_DIR, as after `su`, is not created but passed over."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_dir / "gone"))
    monkeypatch.setattr("tempfile.tempdir", str(runtime_dir))
    listener, path = sockets.listen()
    listener.close()
    assert path.parent.parent == runtime_dir
    assert not (runtime_dir / "gone").exists()


def test_a_folder_that_is_too_open_is_closed_first(runtime_dir: Path) -> None:
    """Ours, but readable by others: the mode is mended."""
    (runtime_dir / "tuimon").mkdir(mode=0o755)
    assert stat.S_IMODE(sockets.prepare_folder(runtime_dir / "tuimon").stat().st_mode) == 0o700


def test_a_symlink_a_file_and_a_foreign_folder_are_not_used(runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is named with its fault; the text says what to do."""
    (runtime_dir / "real").mkdir()
    (runtime_dir / "link").symlink_to(runtime_dir / "real")
    (runtime_dir / "file").write_text("")
    (runtime_dir / "foreign").mkdir()
    folders = [runtime_dir / "link", runtime_dir / "file"]
    with pytest.raises(TuimonError) as caught:
        sockets.listen(folders)
    assert "link is a symlink" in str(caught.value) and "file is not a folder" in str(caught.value)
    assert "Set XDG_RUNTIME_DIR" in str(caught.value)
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(TuimonError, match=f"belongs to another user .uid {own}."):
        sockets.listen([runtime_dir / "foreign"])


def test_a_path_that_is_too_long_is_said_before_anything_is_made(runtime_dir: Path) -> None:
    """The system's limit is 107 bytes."""
    folder = runtime_dir / ("x" * 100)
    with pytest.raises(TuimonError, match="longer than 107 bytes"):
        sockets.listen([folder])
    assert not folder.exists()


def test_only_the_sockets_of_the_dead_are_removed(runtime_dir: Path) -> None:
    """A dead process's goes; a living one's, one that answers and a file of another name stay."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    born = identify(child.pid)
    assert born is not None
    child.kill()
    child.wait()
    dead = runtime_dir / f"{child.pid}-{int(born.started)}-0.sock"
    own = this_process()
    living = runtime_dir / f"{own.pid}-{int(own.started)}-999.sock"
    reused = runtime_dir / f"{own.pid}-1-0.sock"
    answering = runtime_dir / f"{child.pid}-{int(born.started)}-1.sock"
    other = runtime_dir / "notes.sock"
    for path in (dead, living, reused, other):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(answering))
        listener.listen()
        sockets.remove_stale(runtime_dir)
        assert {p.name for p in runtime_dir.iterdir()} == {living.name, answering.name, other.name}


def test_the_peers_uid_is_the_systems_word() -> None:
    """Our own, for a pair of our own."""
    a, b = socket.socketpair()
    with a, b:
        assert sockets.peer_uid(a) == os.getuid()


def test_what_else_lies_in_the_folder_harms_nobody(runtime_dir: Path) -> None:
    """Names whose digits are no numbers, folders, endless numbers: a run gets its socket, and all of them stay."""
    folder = runtime_dir / "tuimon"
    folder.mkdir(mode=0o700)
    odd = [folder / name for name in ("²-1-0.sock", "1-²-0.sock", "٣-1-0.sock", "--.sock", f"{'9' * 200}-1-0.sock", "²³.sock")]
    for path in odd:
        path.touch()
    (folder / "999999999-1-0.sock").mkdir()
    listener, path = sockets.listen()
    listener.close()
    assert path.parent == folder
    assert all(path.exists() for path in [*odd, folder / "999999999-1-0.sock"])
