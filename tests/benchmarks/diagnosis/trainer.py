"""A process that trains one recipe after the other, each in a fork of its own: none finds another's memory or threads.

Reads orders from stdin, a line of JSON each, and answers each with a line. Torch is imported once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.diagnosis import loop, odd
from benchmarks.diagnosis.orders import Done, Order
from benchmarks.diagnosis.outcome import save
from benchmarks.diagnosis.recipe import Recipe

assert odd  # imported before the fork


def main() -> None:
    """Until stdin ends."""
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        began = time.perf_counter()
        error = _in_a_fork(order)
        sys.stdout.buffer.write(msgspec.json.encode(Done(order.recipe, time.perf_counter() - began, error)) + b"\n")
        sys.stdout.buffer.flush()


def _in_a_fork(order: Order) -> str:
    place = Path(order.place)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    child = os.fork()
    if not child:
        os._exit(_trained(order.recipe, place))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told = place / "error.txt"
    if code == 0:
        return ""
    error = told.read_text() if told.is_file() else f"ended with {code}"
    shutil.rmtree(place, ignore_errors=True)
    return error


def _trained(recipe: Recipe, place: Path) -> int:
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(2, 1)  # stdout has the answers
        if recipe.asked:
            save(loop.train(recipe, place / "run"), place)
        else:
            _run_script(recipe, place)
    except BaseException as error:
        (place / "error.txt").write_text(f"{type(error).__name__}: {error}")
        return 1
    return 0


def _run_script(recipe: Recipe, place: Path) -> None:
    """As a user would: `tuimon run --headless --quiet script.py`."""
    command = [
        sys.executable, "-c", "import sys; from tuimon.cli.main import main; sys.exit(main())", "run", "--headless", "--quiet",
        str(Path(__file__).parent / "plain_script.py"), msgspec.json.encode(recipe).decode(), str(place),
    ]  # fmt: skip
    environment = os.environ | {"TUIMON_RUNS": str(place / "runs")}
    subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
