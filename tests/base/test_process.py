"""Who is alive is judged by more than a pid."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from conftest import wait_until
from tuimon.base.process import identify, is_alive, this_process


def test_a_process_is_alive_until_it_ends() -> None:
    """The identity of a child is alive, then dead, also while it is a zombie."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identify(child.pid)
    assert identity is not None and is_alive(identity) is True
    child.kill()
    wait_until(lambda: is_alive(identity) is False)
    assert identify(child.pid) is None  # not reaped yet
    child.communicate()
    assert is_alive(identity) is False


def test_another_process_with_the_same_pid_is_another_process() -> None:
    """A pid that was given to someone else, or a reboot, does not look alive."""
    me = this_process()
    assert me.pid == os.getpid() and is_alive(me) is True
    assert is_alive(msgspec.structs.replace(me, started=me.started - 1)) is False
    assert is_alive(msgspec.structs.replace(me, boot_id="before the reboot")) is False


def test_another_hosts_process_is_never_called_dead() -> None:
    """It cannot be told from here."""
    assert is_alive(msgspec.structs.replace(this_process(), host="another-host", pid=1)) is None
