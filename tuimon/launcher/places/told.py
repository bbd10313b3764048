"""What is written to a run's log by whoever hands it to an engine: that it waits there, or that it never began."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from tuimon.base.process import this_process
from tuimon.launcher.places.place import Job
from tuimon.log.records import Exited, Launched, Queued
from tuimon.log.writer import LogWriter

STOPPED_CODE = 130  # of a run that was stopped before it began


def told_queued(job: Job, on: str, wants: str) -> None:
    """Says that a run waits for `wants`; `on` is the engine with its job, as `holder` takes it. Raises OSError."""
    log = LogWriter(job.run, "launch")
    log.event(
        Launched(
            name=str(job.details.get("name") or job.run.name),
            command=tuple(job.command),
            cwd=str((job.cwd or Path.cwd()).absolute()),
            supervisor=this_process(),
            user=_user(),
            device=str(job.details.get("device") or ""),
            spec=job.details.get("spec"),
            words=tuple(job.details.get("words") or ()),
            on=on,
        )
    )
    log.event(Queued(on=on, wants=wants))
    log.close()


def told_stopped(run: Path) -> None:
    """Says that a waiting run was taken out of its queue. Raises OSError."""
    log = LogWriter(run, "launch")
    log.event(Exited(code=STOPPED_CODE))
    log.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
