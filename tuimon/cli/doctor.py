"""Checks everything that training and the screen need, and says how to fix each problem.

Never imports torch here: a child process tries that, because it may hang or crash.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from tuimon.base import format
from tuimon.base.errors import TuimonError
from tuimon.base.owners import outsider
from tuimon.launcher.start.devices import gpus, torch_version

_TORCH_TIMEOUT_S = 60.0
_DRIVER_TIMEOUT_S = 10.0
_LITTLE_DISK_BYTES = 2 << 30
T = TypeVar("T")
_INSTALL_TORCH = 'pip install "tuimon[train]"'
_ASK_TORCH = "import torch; print(torch.version.cuda or ''); print(torch.cuda.is_available()); print(torch.cuda.device_count())"


@dataclass(frozen=True)
class Check:
    """The result of checking one thing."""

    name: str
    level: Literal["ok", "warn", "problem"]
    text: str
    advice: str = ""


def examine(runs_dir: Path) -> Iterator[Check]:
    """Runs all checks, one after the other. Takes about as long as importing torch."""
    checks: list[Callable[[], Check]] = [
        _python, _driver, _torch, _terminal, _socket_folder,
        lambda: _runs_folder(runs_dir), lambda: _disk(runs_dir),
    ]  # fmt: skip
    return (check() for check in checks)


def report(checks: Iterable[Check]) -> int:
    """Prints one line for each check as soon as it finishes; returns 1 if any found a problem."""
    problems = 0
    for check in checks:
        print(f"{check.level:<8}{check.name:<15}{check.text}", flush=True)
        if check.advice:
            print(f"{'':<23}→ {check.advice}", flush=True)
        problems += check.level == "problem"
    return int(problems > 0)


def _python() -> Check:
    return Check("Python", "ok", f"{platform.python_version()}, {sys.executable}")


def _torch() -> Check:
    if importlib.util.find_spec("torch") is None:
        advice = f"To train on this machine: {_INSTALL_TORCH}. Watching runs needs no torch."
        return Check("torch", "warn", "not installed", advice)
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-c", _ASK_TORCH], capture_output=True, text=True, timeout=_TORCH_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        advice = "The GPU driver may hang: see whether `nvidia-smi` answers."
        return Check("torch", "problem", f"importing {torch_version()} took longer than {_TORCH_TIMEOUT_S:g} s", advice)
    if asked.returncode:
        last = asked.stderr.strip().splitlines()[-1:] or [f"exit code {asked.returncode}"]
        return Check("torch", "problem", f"{torch_version()} cannot be imported: {last[0]}", f"Reinstall it: {_INSTALL_TORCH}")
    return _torch_and_cuda(*asked.stdout.splitlines()[-3:])


def _torch_and_cuda(cuda: str, available: str, count: str) -> Check:
    version = torch_version()
    if available == "True":
        return Check("torch", "ok", f"{version}, CUDA {cuda}, {count} GPU{'' if count == '1' else 's'} usable")
    if not _answer_of_driver(lambda: bool(gpus()), False):
        return Check("torch", "ok", f"{version}, trains on the CPU")
    if not cuda:
        advice = "Install a CUDA build: https://pytorch.org/get-started/locally/"
        return Check("torch", "warn", f"{version} is a CPU-only build, but this machine has a GPU", advice)
    advice = f"The driver may be too old for CUDA {cuda}: update it, or install a torch build for an older CUDA."
    return Check("torch", "problem", f"{version} with CUDA {cuda} cannot use the GPU", advice)


def _answer_of_driver(ask: Callable[[], T], otherwise: T) -> T:
    """Returns the driver's answer, or `otherwise` after a timeout: a broken driver can hang forever."""
    answers = [otherwise]
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(_DRIVER_TIMEOUT_S)
    return answers[-1]


def _driver() -> Check:
    hangs = Check(
        "NVIDIA driver",
        "problem",
        f"did not answer within {_DRIVER_TIMEOUT_S:g} s",
        "Does `nvidia-smi` answer? If not, the machine may need a restart.",
    )
    return _answer_of_driver(_ask_driver, hangs)


def _ask_driver() -> Check:
    try:
        import pynvml

        pynvml.nvmlInit()
        version = pynvml.nvmlSystemGetDriverVersion()
        pynvml.nvmlShutdown()
    except Exception as error:  # no module, no library, no driver, another version: the text says which
        return Check("NVIDIA driver", "ok", f"none ({error}): no GPU meters; training uses the CPU")
    found = gpus()
    if not found:
        advice = (
            "CUDA_VISIBLE_DEVICES may hide it." if "CUDA_VISIBLE_DEVICES" in os.environ else "Does this container have a GPU?"
        )
        return Check("NVIDIA driver", "warn", f"{version}, no GPU visible", advice)
    listed = ", ".join(
        f"cuda:{gpu.index} {gpu.name} ({format.gib(gpu.memory_free_bytes)} of {format.gib(gpu.memory_total_bytes)} free)"
        for gpu in found
    )
    return Check("NVIDIA driver", "ok", f"{version}: {listed}")


def _terminal() -> Check:
    if not sys.stdout.isatty():
        return Check("terminal", "ok", "output is not a terminal: runs are printed as text")
    size, term = shutil.get_terminal_size(), os.environ.get("TERM", "")
    told = f"{size.columns}×{size.lines}, TERM={term or 'not set'}, {_colours()}"
    if term in ("", "dumb"):
        advice = "For the screen, set TERM to your terminal's type, for example xterm-256color. Until then runs are printed."
        return Check("terminal", "problem", told, advice)
    if "utf" not in (sys.stdout.encoding or "").lower():
        return Check("terminal", "warn", f"{told}, no Unicode", "Use a UTF-8 locale (LANG=C.UTF-8), or `tuimon --ascii`.")
    if size.columns < 80 or size.lines < 24:
        return Check("terminal", "warn", told, "Some panels need 80×24 or more.")
    if os.environ.get("TMUX") and "truecolor" not in os.environ.get("COLORTERM", ""):
        return Check("terminal", "ok", told, "For true colour in tmux: set -as terminal-features ',*:RGB' in ~/.tmux.conf")
    return Check("terminal", "ok", told)


def _colours() -> str:
    if "NO_COLOR" in os.environ:
        return "no colours (NO_COLOR)"
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return "true colour"
    return "256 colours" if "256" in os.environ.get("TERM", "") else "16 colours"


def _socket_folder() -> Check:
    """Listens on a socket for a moment, as a run does."""
    from tuimon.monitor.station.sockets import listen

    try:
        listener, path = listen()
    except TuimonError as error:
        return Check("socket folder", "problem", error.message, f"Runs can train and log, but not be steered. {error.hint}")
    listener.close()
    path.unlink(missing_ok=True)
    return Check("socket folder", "ok", str(path.parent))


def _runs_folder(runs_dir: Path) -> Check:
    existing = _nearest_existing(runs_dir)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        advice = "Choose another with --runs-dir or $TUIMON_RUNS."
        return Check("runs folder", "problem", f"{runs_dir}: {error.strerror}", advice)
    if reason := outsider(existing):
        advice = "Other users can replace runs there. Tuimon asks before it runs what they can change; see SECURITY.md."
        return Check("runs folder", "warn", f"{runs_dir}: {reason}", advice)
    return Check("runs folder", "ok", str(runs_dir) if os.path.exists(runs_dir) else f"{runs_dir} (created by the first run)")


def _disk(runs_dir: Path) -> Check:
    free = shutil.disk_usage(_nearest_existing(runs_dir)).free
    if free < _LITTLE_DISK_BYTES:
        return Check(
            "disk", "warn", f"{format.gib(free)} free", "On a full disk, training continues without logs and checkpoints."
        )
    return Check("disk", "ok", f"{format.gib(free)} free")


def _nearest_existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if os.path.exists(parent))  # also False for a folder we may not read
