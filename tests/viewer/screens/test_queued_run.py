"""A run that waits for a device: its place is in the header, and stopping it promises no training's end."""

from __future__ import annotations

import os
from pathlib import Path

from driving import seen, until
from tuimon.base.process import this_process
from tuimon.launcher.places.queue import Queue, Ticket
from tuimon.log.records import Exited, Launched, Queued
from tuimon.log.writer import LogWriter
from tuimon.viewer.app import TuimonApp


async def test_a_queued_run_shows_its_place_and_can_be_taken_out(tmp_path: Path) -> None:
    """Stopping takes its ticket away, which its supervisor would notice."""
    run = tmp_path / "runs" / "waits"
    run.mkdir(parents=True)
    log = LogWriter(run, "launch")
    log.event(Launched("waits", ("python",), os.getcwd(), this_process(), device="cpu"))
    log.event(Queued(wants="cpu"))
    Queue().join(Ticket(str(run), this_process(), ("cpu",), slots=1))
    try:
        async with TuimonApp(run.parent, run).run_test(size=(120, 36), notifications=True) as pilot:
            await seen(pilot, "queued (1 of 1 in the queue, for cpu)")
            await pilot.press("s")
            await seen(pilot, "leaves the queue")
            await pilot.press("y")
            await until(pilot, lambda: not Queue().tickets())
            log.event(Exited(code=130))  # as its supervisor does then
            await seen(pilot, "stopped (before its turn in the queue came)")
    finally:
        log.close()
