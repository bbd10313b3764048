"""What an engine's job does: trains one run under a supervisor in the foreground. Travels to the job as a pickle.

Slurm: a signal before the time limit or a preemption makes the training save and stop; then the job is put back into its queue,
by submitit's own handler, and the run goes on from its checkpoint when it comes again. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuimon.base import given
from tuimon.launcher.places.place import Job

REQUEUE_CODE = 75  # of a supervisor whose run waits for its turn again


@dataclass
class InJob:
    """One run, as it is started in a job.

    Attributes:
        engine: `slurm`, `ray`.
        run: the run's folder.
        command: the training process.
        again: the command that goes on from the run's last checkpoint; empty: there is none.
        details: for the supervisor.
        environment: variables for the supervisor and the command.
        cwd: where the command runs.
    """

    engine: str
    run: str
    command: tuple[str, ...]
    again: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    cwd: str = ""

    def __call__(self) -> int:
        """Trains, in a job of Slurm; returns the supervisor's exit code. Main thread."""
        sent = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR1')}", signal.SIGUSR1)
        requeue = signal.getsignal(sent)
        job = os.environ.get("SLURM_JOB_ID", "")
        if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
            job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '0')}"
        for one in (sent, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)  # they reach the supervisor as well, which sees to it
        code = self.begin(f"slurm/{job}", {**self.details, "requeue_at": int(sent), "together": True}).wait()
        if code == REQUEUE_CODE and callable(requeue):
            requeue(int(sent), None)  # exits
        return code

    def begin(self, on: str, details: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Starts the supervisor, which stays this process's child; `on` is this job, for the log."""
        threads = os.environ.get("SLURM_CPUS_ON_NODE", "")
        share = {"TUIMON_THREADS": threads, "OMP_NUM_THREADS": threads} if threads.isdecimal() else {}
        environment = {**share, **os.environ, **self.environment, given.INBOX: "1"}
        once_more = bool(self.again) and (Path(self.run) / "checkpoints" / "last.pt").is_file() and _has_begun_before()
        command = self.again if once_more else self.command
        words = [sys.executable, "-P", "-m", "tuimon.launcher.supervisor.supervisor", "--stay", self.run, "--", *command]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, env=environment, cwd=self.cwd or None)
        assert process.stdin
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps({**details, "on": on}).encode())
        return process

    def checkpoint(self) -> Any:
        """What submitit puts back into the queue: the same again."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def in_job(job: Job, engine: str) -> InJob:
    """What an engine is given for a run; the descriptors of this process mean nothing there."""
    details = {name: value for name, value in job.details.items() if name != "stdin"}
    return InJob(
        engine,
        run=str(job.run.absolute()),
        command=tuple(job.command),
        again=tuple(job.again),
        details={**details, "environment": dict(job.for_command)},
        environment=dict(job.environment),
        cwd=str((job.cwd or Path.cwd()).absolute()),
    )


def _has_begun_before() -> bool:
    return os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
