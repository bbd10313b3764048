"""Starts one training process, waits for its end, and logs how it ended.

    python -m tuimon.launcher.supervisor.supervisor [--stay] RUN_DIR -- COMMAND…

A small process between init and the training process, in its own session: it has no terminal, so closing a terminal cannot
affect the run. Its caller writes a JSON object to its stdin and reads one JSON line from its stdout: `{"pid": N}` once the
command runs, or `{"error": "…"}` if it could not be started. Then both are closed. All keys of the object are optional: `name`,
`device`, `spec` and `words` for the log; `environment`, variables for the command; `stdin`, a descriptor for the command to
read from; `apart`, whether to keep its stdout and stderr apart; `queue`, what to wait for first, as in `Turn`. If the
run has to wait, the answer has the supervisor's own pid.

With --stay it stays in the foreground, in an engine's job; its exit code is 75 if the run waits for its turn again. More keys:
`on`, the job; `together`, whether whoever signals the supervisor signals the command, too; `requeue_at`, the signal after which
the run is to stop, and to wait again; `lifeline`, a socket of the job: once its other end is closed, the run is to stop, and
`lost` says why.

If the supervisor is killed, the training process continues. Standard library and the log's writer only.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from tuimon.base import given
from tuimon.base.errors import TuimonError
from tuimon.base.process import identify, signal_name, this_process
from tuimon.base.repository import has_uncommitted_changes
from tuimon.launcher.places.in_job import REQUEUE_CODE
from tuimon.launcher.places.told import STOPPED_CODE
from tuimon.launcher.supervisor.oom import OutOfMemoryWatch
from tuimon.launcher.supervisor.output import OUTPUT, Output
from tuimon.launcher.supervisor.room import await_room, leave_word
from tuimon.launcher.supervisor.turn import Turn
from tuimon.log.records import Exited, Launched, Notice, Queued, Spawned
from tuimon.log.writer import LogWriter

_NOTHING_SEEN = "no Python process of this program imported PyTorch (one with -I, -E or -S is not seen)"
_ENVIRONMENT = {"PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}


def main(arguments: list[str]) -> int:
    """Supervises one command in a detached grandchild process; the calling process returns at once."""
    stays = arguments[:1] == ["--stay"]
    arguments = arguments[stays:]
    if len(arguments) < 3 or arguments[1] != "--":
        print("usage: python -m tuimon.launcher.supervisor.supervisor [--stay] RUN_DIR -- COMMAND…", file=sys.stderr)
        return 2
    details = json.loads(sys.stdin.read() or "{}")
    if stays:
        supervisor = _Supervisor(Path(arguments[0]), arguments[2:], details)
        supervisor.run(None)
        return supervisor.code
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
    """Starts one command and follows it to its end."""

    def __init__(self, run: Path, command: list[str], details: dict[str, Any]) -> None:
        self._run, self._command, self._details = run, command, details
        self._child: subprocess.Popen[bytes] | None = None
        self._asked_to_stop = False
        self._has_ended = self._leaves = self._requeues = False
        self.code = 0
        self._turn = Turn(run, details.get("queue"), details.get("device") or "", give_up=lambda: self._asked_to_stop)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        if requeue_at := details.get("requeue_at"):
            signal.signal(requeue_at, self._on_requeue)

    def run(self, report: int | None) -> None:
        log = LogWriter(self._run, "launch")
        log.event(self._launched())
        if self._turn.waits:
            if not self._has_waited(log, report):
                return
            report = None
        else:
            self._turn.take()
        memory = OutOfMemoryWatch()
        try:
            output = Output(self._run, bool(self._details.get("apart")))
            self._child = _start(self._command, output, self._details)
        except OSError as error:
            what = f"{error.filename}: " if error.filename not in (None, self._command[0]) else ""
            reason = f"Cannot start {self._command[0]}: {what}{error.strerror or error}."
            log.event(Exited(reason=reason))
            self._turn.leave()
            _tell(report, {"error": reason})
            return
        output.begin()
        if lifeline := self._details.get("lifeline"):
            threading.Thread(target=self._stop_with, args=(lifeline, log), daemon=True).start()
        if process := identify(self._child.pid):
            log.event(Spawned(process))
            self._turn.started(process)
        _tell(report, {"pid": self._child.pid})
        if self._asked_to_stop:  # before the child was started
            self._forward()
        ending = _ending(self._child.wait(), self._child.pid, memory)
        output.end(self._child.pid)
        raised, why = self._unwatched(self._child.pid)
        if why:
            log.event(Notice(why, "warning"))
        log.event(msgspec.structs.replace(ending, error=raised, unwatched=why))
        self._turn.leave()
        self._has_ended = True
        if self._requeues and ending.code != 0:
            self.code = REQUEUE_CODE
            log.event(self._launched())
            log.event(Queued(on=self._details.get("on", ""), wants="Slurm, to go on"))
        if not await_room(log, give_up=lambda: self._leaves):
            leave_word(self._run / OUTPUT, f"{_in_words(ending)}, which could not be logged: the disk is full")
        log.close()

    def _has_waited(self, log: LogWriter, report: int | None) -> bool:
        """Answers the caller and waits for the run's turn; False if it was stopped meanwhile, which is logged."""
        self._turn.join()
        log.event(Queued(wants=self._turn.wants))
        _tell(report, {"pid": os.getpid()})
        if not self._turn.wait():
            given.withdraw(self._run)
            log.event(Exited(code=STOPPED_CODE))
            log.close()
            return False
        self._details = self._turn.with_device(self._details)
        log.event(self._launched())
        return True

    def _unwatched(self, pid: int) -> tuple[str, str]:
        """Of a program that was not watched: the exception that ended process `pid`; if none did, why it was not."""
        seen = given.withdraw(self._run)
        if seen is None:
            return "", ""
        error = seen.ends.get(pid, "")
        return error, "" if error else f"nothing could be watched: {seen.why or _NOTHING_SEEN}"

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
            on=self._details.get("on") or "",
            uncommitted=has_uncommitted_changes(Path.cwd()),
        )

    def _on_sigterm(self, _signal: int, _frame: FrameType | None) -> None:
        self._leaves = self._has_ended
        self._asked_to_stop = True
        if not self._details.get("together"):
            self._forward()

    def _on_requeue(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._requeues:
            self._requeues = self._asked_to_stop = True
            self._forward()

    def _stop_with(self, lifeline: int, log: LogWriter) -> None:
        """Asks the training to stop once the process at the other end of a socket is gone."""
        with contextlib.suppress(OSError):
            os.read(lifeline, 1)
        if not self._has_ended:
            log.event(Notice(f"{self._details.get('lost')}: asks the training to stop", "warning"))
            self._asked_to_stop = True
            self._forward()

    def _forward(self) -> None:
        """Signals only the training process: if its workers got the signal too, they would die before it can stop."""
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)


def _start(command: list[str], output: Output, details: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Starts the command in its own process group. It prints to files, so even the output of a crash in native code is kept."""
    stdin = details.get("stdin")
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=output.stdout,
            stderr=output.stderr,
            env=os.environ | _ENVIRONMENT | details.get("environment", {}),
            process_group=None if details.get("together") else 0,
            preexec_fn=_ignoring(details["requeue_at"]) if "requeue_at" in details else None,
        )
    finally:
        if stdin is not None:
            os.close(stdin)


def _ignoring(number: int) -> Callable[[], object]:
    """Has the command ignore a signal that goes to all processes of the job, unless it handles it itself."""
    return lambda: signal.signal(number, signal.SIG_IGN)


def _ending(status: int, pid: int, memory: OutOfMemoryWatch) -> Exited:
    if status >= 0:
        return Exited(code=status)
    return Exited(signal=-status, out_of_memory=-status == signal.SIGKILL and memory.killed(pid))


def _in_words(ending: Exited) -> str:
    return f"exit code {ending.code}" if ending.signal is None else f"ended by {signal_name(ending.signal)}"


def _detach() -> bool:
    """Forks twice, so that init is the parent and the process can never get a terminal. Returns True in the grandchild."""
    if os.fork():
        return False
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # also in the child, like nohup
    signal.signal(signal.SIGINT, _ignore)  # not SIG_IGN, which the child would inherit
    if os.fork():
        os._exit(0)
    return True


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """Ignores a signal."""


def _let_go_of_terminal() -> int:
    """Replaces the three standard descriptors with /dev/null. Returns the descriptor for the caller's answer."""
    report = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return report


def _tell(report: int | None, message: dict[str, Any]) -> None:
    """Writes the answer to the caller, which may be gone by now, and closes the descriptor; None: it has been answered."""
    if report is None:
        return
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
