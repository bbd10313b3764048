"""By which exit code a script ends is known in its exit handlers."""

from __future__ import annotations

import subprocess
import sys

import pytest

SETUP = """
import atexit, os, sys, threading
from tuimon.monitor.outermost import UNKNOWN, system_exit, watch_exit
watch_exit()
@atexit.register
def tell():
    found = system_exit()
    print("nothing" if found is None else "unknown" if found.code is UNKNOWN else repr(found.code))
def caught():
    try: sys.exit(3)
    except SystemExit: pass
def main():
    sys.exit(5)
"""


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("pass", 0, "nothing"),
        ("sys.exit(3)", 3, "3"),
        ("sys.exit()", 0, "None"),
        ("sys.exit('bad config')", 1, "'bad config'"),
        ("exit(4)", 4, "4"),
        ("quit(code=4)", 4, "4"),
        ("main()", 5, "5"),
        ("with open(os.devnull): main()", 5, "5"),
        ("try: main()\nfinally: caught", 5, "5"),
        ("import argparse; argparse.ArgumentParser().error('no')", 2, "2"),
        ("caught()", 0, "nothing"),
        ("threading.Thread(target=sys.exit, args=(3,)).start()", 0, "nothing"),
        ("raise SystemExit(8)", 8, "unknown"),
        ("caught()\nraise SystemExit(9)", 9, "unknown"),
        ("if os.fork() == 0: atexit._run_exitfuncs(); os._exit(0)\nos.wait()", 0, "nothing\nnothing"),
    ],
)
def test_the_code_is_that_of_the_exit_that_ends_the_script(code: str, status: int, told: str) -> None:
    """Not of one that the script caught, nor of a thread's; one that cannot be known is not made up."""
    done = subprocess.run([sys.executable, "-c", SETUP + code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (status, told), done.stderr
