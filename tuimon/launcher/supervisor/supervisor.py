"""Starts one training process, reaps it, and writes into the run's log how it ended.

    python -m tuimon.launcher.supervisor.supervisor RUN_DIR -- COMMAND…

A tiny process between init and the training process, in a session of its own: it has no terminal, so no terminal's end can
reach the run. Whoever starts it writes a JSON object to its stdin and reads one JSON line from its stdout: `{"pid": N}` once
the command runs, `{"error": "…"}` if it never did. Then both are closed. In the object, all optional: `name`, `device`, `spec`
and `words` for the log; `environment`, variables for the command; `stdin`, a descriptor for the command to read from; `apart`,
whether its stdout and stderr are to be told apart.
If the supervisor itself is killed, the training process lives on. Standard library and the log's writer only.
"""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from tuimon.base import given
from tuimon.base.errors import TuimonError
from tuimon.base.process import identify, this_process
from tuimon.launcher.supervisor.oom import OutOfMemoryWatch
from tuimon.launcher.supervisor.output import Output
from tuimon.log.records import Exited, Launched, Notice, Spawned
from tuimon.log.writer import LogWriter

_NOTHING_SEEN = "no Python process of this program imported PyTorch (one with -I, -E or -S is not seen)"
_ENVIRONMENT = {"PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}


def main(arguments: list[str]) -> int:
    """Supervises one command in a detached grandchild; the process that was called returns at once."""
    if len(arguments) < 3 or arguments[1] != "--":
        print("usage: python -m tuimon.launcher.supervisor.supervisor RUN_DIR -- COMMAND…", file=sys.stderr)
        return 2
    details = json.loads(sys.stdin.read() or "{}")
    if not _detach():
        return 0
    report = _let_go_of_terminal()
    run, command = Path(arguments[0]), arguments[2:]
    try:
        _Supervisor(run, command, details).run(report)
    except TuimonError as error:
        _tell(report, {"error": error.message, "hint": error.hint})
    return 0


class _Supervisor:
    """The life of one command."""

    def __init__(self, run: Path, command: list[str], details: dict[str, Any]) -> None:
        self._run, self._command, self._details = run, command, details
        self._child: subprocess.Popen[bytes] | None = None
        self._asked_to_stop = False
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def run(self, report: int) -> None:
        log = LogWriter(self._run, "launch")
        log.event(self._launched())
        memory = OutOfMemoryWatch()
        try:
            output = Output(self._run, bool(self._details.get("apart")))
            self._child = _start(self._command, output, self._details)
        except OSError as error:
            what = f"{error.filename}: " if error.filename not in (None, self._command[0]) else ""
            reason = f"Cannot start {self._command[0]}: {what}{error.strerror or error}."
            log.event(Exited(reason=reason))
            _tell(report, {"error": reason})
            return
        output.begin()
        if process := identify(self._child.pid):
            log.event(Spawned(process))
        _tell(report, {"pid": self._child.pid})
        if self._asked_to_stop:  # before there was a child to tell
            self._forward()
        ending = _ending(self._child.wait(), self._child.pid, memory)
        output.end(self._child.pid)
        why = self._why_unwatched()
        if why:
            log.event(Notice(why, "warning"))
        log.event(msgspec.structs.replace(ending, unwatched=why))
        log.close()

    def _why_unwatched(self) -> str:
        """Why there is nothing to see of a program, no process of which was watched; empty where one was."""
        seen = given.withdraw(self._run)
        return "" if seen is None else f"nothing could be watched: {seen or _NOTHING_SEEN}"

    def _launched(self) -> Launched:
        return Launched(
            name=self._details.get("name") or self._run.name,
            command=tuple(self._command),
            cwd=os.getcwd(),
            supervisor=this_process(),
            user=_user(),
            device=self._details.get("device") or "",
            spec=self._details.get("spec"),
            words=tuple(self._details.get("words") or ()),
        )

    def _on_sigterm(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked_to_stop = True
        self._forward()

    def _forward(self) -> None:
        """To the training process alone: told all at once, its workers would die before it can stop gracefully."""
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)


def _start(command: list[str], output: Output, details: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Starts the command in a process group of its own; it prints into files, also where it crashes in C."""
    stdin = details.get("stdin")
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=output.stdout,
            stderr=output.stderr,
            env=os.environ | _ENVIRONMENT | details.get("environment", {}),
            process_group=0,
        )
    finally:
        if stdin is not None:
            os.close(stdin)


def _ending(status: int, pid: int, memory: OutOfMemoryWatch) -> Exited:
    if status >= 0:
        return Exited(code=status)
    return Exited(signal=-status, out_of_memory=-status == signal.SIGKILL and memory.killed(pid))


def _detach() -> bool:
    """Forks twice, so that init is the parent and no terminal can ever be acquired; True in the grandchild."""
    if os.fork():
        return False
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # for the child too, as nohup does
    signal.signal(signal.SIGINT, _ignore)  # a handler and not SIG_IGN, which the child would inherit
    if os.fork():
        os._exit(0)
    return True


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """A signal that is not for the supervisor."""


def _let_go_of_terminal() -> int:
    """Puts /dev/null in place of the three standard descriptors; returns the one that whoever waits listens to."""
    report = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return report


def _tell(report: int, message: dict[str, Any]) -> None:
    """Says once what became of the start; whoever asked may be gone already."""
    try:
        os.write(report, json.dumps(message).encode() + b"\n")
    except OSError:
        pass
    finally:
        os.close(report)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
