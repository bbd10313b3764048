"""What tests start does not outlive them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import wait_until
from tuimon.base.process import identify, is_alive

STARTS = """
import subprocess, sys, time
from reaper import mark_and_reap
mark_and_reap()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_child_in_a_session_of_its_own_ends_with_the_tests() -> None:
    """Also when these are killed; and others are left alone."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as bystander:
        with subprocess.Popen(
            [sys.executable, "-c", STARTS], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
        ) as tests:
            assert tests.stdout
            child = identify(int(tests.stdout.readline()))
            assert child and is_alive(child)
            tests.kill()
        wait_until(lambda: not is_alive(child))
        assert bystander.poll() is None
        bystander.kill()
