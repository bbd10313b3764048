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
    """Trains in a fork; a log appears in its place only when it is whole."""
    partial, told = Path(f"{order.place}.partial"), Path(f"{order.outcome}.error")
    shutil.rmtree(partial, ignore_errors=True)
    child = os.fork()
    if not child:
        os._exit(_trained(order, partial, told))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        if order.place:
            shutil.rmtree(order.place, ignore_errors=True)
            partial.rename(order.place)
        return ""
    shutil.rmtree(partial, ignore_errors=True)
    error = told.read_text() if told.is_file() else f"ended with {code}"
    told.unlink(missing_ok=True)
    return error


def _trained(order: Order, partial: Path, told: Path) -> int:
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(2, 1)  # stdout has the answers
        if order.place and not order.recipe.asked:
            _run_script(order, partial)
        else:
            save(loop.train(order.recipe, partial / "run" if order.place else None), Path(order.outcome))
    except BaseException as error:
        told.write_text(f"{type(error).__name__}: {error}")
        return 1
    return 0


def _run_script(order: Order, partial: Path) -> None:
    """As a user would: `tuimon run --headless --quiet script.py`."""
    command = [
        sys.executable, "-c", "import sys; from tuimon.cli.main import main; sys.exit(main())", "run", "--headless", "--quiet",
        str(Path(__file__).parent / "plain_script.py"), msgspec.json.encode(order.recipe).decode(), order.outcome,
    ]  # fmt: skip
    environment = os.environ | {"TUIMON_RUNS": str(partial / "runs")}
    subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
