"""One process trains in a folder, whatever ends it and whatever it has started."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import wait_until
from tuimon.base.folder_lock import LOCK_FILE, FolderTaken, lock_folder
from tuimon.base.process import identify, is_alive

_HOLD = """
import sys
from pathlib import Path
from tuimon.base.folder_lock import lock_folder
lock = lock_folder(Path(sys.argv[1]))
"""


@contextmanager
def holder(folder: Path, then: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that holds the lock, and the first line that it prints once it does."""
    code = _HOLD + (then or "print()") + "\nsys.stdout.flush(); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline()
        finally:
            process.kill()


def is_free(folder: Path) -> bool:
    """Whether this process can take the lock."""
    try:
        lock_folder(folder).release()
    except FolderTaken:
        return False
    return True


def test_another_process_is_kept_out_and_told_by_whom(tmp_path: Path) -> None:
    """Until the holder ends, even by SIGKILL."""
    with holder(tmp_path / "run") as (process, _):
        with pytest.raises(FolderTaken, match=f"Cannot train in .*run: process {process.pid} is training there") as taken:
            lock_folder(tmp_path / "run")
        assert taken.value.holder == f"process {process.pid}" and "tuimon stop --now run" in taken.value.hint
        process.kill()
        process.wait()
        assert is_free(tmp_path / "run")


def test_a_lock_that_is_released_is_free(tmp_path: Path) -> None:
    """Within the process that held it, too; there is one lock at a time."""
    lock = lock_folder(tmp_path)
    assert not lock.error and not is_free(tmp_path)
    lock.release()
    lock.release()
    assert is_free(tmp_path)


def test_whoever_waits_gets_it_when_it_is_free(tmp_path: Path) -> None:
    """A process that starts another one holds the lock for a moment longer."""
    with holder(tmp_path) as (process, _):
        assert process.stdin
        process.stdin.close()
        assert not lock_folder(tmp_path, patience_s=60).error


@pytest.mark.parametrize(
    "start",
    [
        "pid = os.fork() or (signal.pause(), os._exit(0))",
        "pid = multiprocessing.get_context('fork').Process(target=signal.pause, daemon=True); pid.start(); pid = pid.pid",
        "pid = subprocess.Popen(['sleep', '600'], close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid",
    ],
    ids=["fork", "multiprocessing", "subprocess"],
)
def test_a_child_does_not_keep_the_lock_of_a_parent_that_was_killed(tmp_path: Path, start: str) -> None:
    """A DataLoader's worker, or a program that was started, may outlive the training process."""
    then = f"import multiprocessing, os, signal, subprocess\n{start}\nprint(pid)"
    with holder(tmp_path, then) as (process, printed):
        child = identify(int(printed))
        assert child
        try:
            assert not is_free(tmp_path)
            process.kill()
            process.wait()
            wait_until(lambda: is_free(tmp_path), what="the lock is free")
            assert is_alive(child)
        finally:
            os.kill(child.pid, signal.SIGKILL)


def test_a_forked_child_that_ends_leaves_the_lock_with_its_parent(tmp_path: Path) -> None:
    """Nor can it take the lock while its parent holds it."""
    lock = lock_folder(tmp_path)
    child = os.fork()
    if not child:
        os._exit(0 if not is_free(tmp_path) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not is_free(tmp_path)
    lock.release()


def test_two_are_never_in_at_once(tmp_path: Path) -> None:
    """Four processes take turns, and each finds itself alone."""
    code = (
        "import os, sys; from pathlib import Path; from tuimon.base.folder_lock import lock_folder\n"
        "folder, inside = Path(sys.argv[1]), Path(sys.argv[1], 'inside')\n"
        "for _ in range(25):\n"
        "    lock = lock_folder(folder, 60)\n"
        "    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))\n"
        "    inside.unlink()\n"
        "    lock.release()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """The lock is always on the file that others will find."""
    first = lock_folder(tmp_path)
    (tmp_path / LOCK_FILE).unlink()
    second = lock_folder(tmp_path)
    assert not second.error and not is_free(tmp_path)
    first.release()
    assert not is_free(tmp_path)
    second.release()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Training goes on; there is only nobody who is kept out."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = lock_folder(tmp_path)
    assert lock.error == f"{tmp_path / LOCK_FILE} cannot be locked: {os.strerror(number)}"
    lock.release()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "hard link"])
def test_what_another_user_put_in_its_place_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    """Nothing is written through a link, and nothing blocks."""
    target, run = tmp_path / "target", tmp_path / "run"
    target.write_text("precious")
    run.mkdir()
    put = {
        "link": lambda path: path.symlink_to(target),
        "hard link": lambda path: path.hardlink_to(target),
        "fifo": os.mkfifo,
        "folder": Path.mkdir,
    }
    put[kind](run / LOCK_FILE)
    lock = lock_folder(run)
    assert bool(lock.error) == (kind != "hard link")
    lock.release()
    assert target.read_text() == "precious"
