"""How a run stands is judged from its events and from who still lives."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tuimon.base.process import Process, this_process
from tuimon.launcher.runs.status import ENDING, Lifecycle, Status, exit_code
from tuimon.log.records import Applied, Ended, Event, Exited, Launched, LeverInfo, RunStarted, Spawned

SUPERVISOR = Process("here", "boot", 1, 1.0)
TRAINER = Process("here", "boot", 2, 2.0)
LAUNCHED = Launched(name="a", command=(), cwd="", supervisor=SUPERVISOR)
STARTED = RunStarted(name="a", process=TRAINER)


class Written(NamedTuple):
    """An event with its step."""

    event: Event
    step: int = 0


def judged(*events: Event, alive: dict[Process, bool | None]) -> tuple[str, str]:
    life = Lifecycle()
    for event in events:
        life.see(Written(event))
    status = life.status(lambda process: alive[process])
    return status.state, status.detail


@pytest.mark.parametrize(
    ("events", "supervisor", "trainer", "state"),
    [
        ([LAUNCHED], True, False, "starting"),
        ([LAUNCHED], False, False, "lost"),
        ([LAUNCHED], None, None, "unknown"),
        ([LAUNCHED, STARTED], True, True, "running"),
        ([LAUNCHED, STARTED], False, True, "running"),
        ([LAUNCHED, STARTED], True, False, "running"),
        ([LAUNCHED, STARTED], False, False, "lost"),
        ([LAUNCHED, STARTED], None, None, "unknown"),
        ([STARTED], False, True, "running"),
        ([STARTED], False, False, "lost"),
        ([LAUNCHED, STARTED, Applied(1, "paused", False, True)], True, True, "paused"),
        ([LAUNCHED, STARTED, Applied(1, "paused", False, True), Applied(1, "paused", True, False)], True, True, "running"),
        ([LAUNCHED, STARTED, Ended("finished")], True, True, "running"),  # the supervisor knows how it ends, and nobody else
        ([LAUNCHED, STARTED, Ended("finished")], True, False, "running"),
        ([LAUNCHED, STARTED, Ended("finished")], False, False, "finished"),  # and nobody is left to know better
        ([LAUNCHED, STARTED, Ended("finished")], None, None, "finished"),
        ([STARTED, Ended("finished")], False, True, "finished"),
        ([LAUNCHED, STARTED, Ended("failed"), Exited(code=1)], False, False, "failed"),
        ([LAUNCHED, STARTED, Ended("finished"), Exited(code=0)], False, False, "finished"),
        ([LAUNCHED, STARTED, Ended("finished"), Exited(code=3)], False, False, "failed"),  # sys.exit(3) after the monitor's end
        ([LAUNCHED, STARTED, Ended("finished"), Exited(signal=11)], False, False, "killed"),
        ([LAUNCHED, STARTED, Ended("finished"), Exited(code=130)], False, False, "stopped"),
        ([LAUNCHED, STARTED, Ended("failed"), Exited(code=0)], False, False, "failed"),
        ([LAUNCHED, STARTED, Ended("stopped"), Exited(signal=2)], False, False, "stopped"),  # Ctrl-C, as Python ends by it
        ([LAUNCHED, STARTED, Ended("stopped"), Exited(code=130)], False, False, "stopped"),
        ([LAUNCHED, STARTED, Ended("stopped"), Exited(signal=15)], False, False, "stopped"),  # by `stop --now`, while it left
        ([LAUNCHED, STARTED, Ended("killed"), Exited(signal=15)], False, False, "killed"),
        ([LAUNCHED, STARTED, Exited(signal=9)], False, False, "killed"),
        ([LAUNCHED, Exited(reason="no such file")], False, False, "failed"),
        ([LAUNCHED, STARTED, Ended("stopped"), Exited(code=130), LAUNCHED], True, False, "starting"),
        ([LAUNCHED, STARTED, Ended("stopped"), Exited(code=130), LAUNCHED, STARTED], True, True, "running"),
        ([LAUNCHED, STARTED, Ended("stopped"), Exited(code=130), LAUNCHED, Exited(code=1)], False, False, "failed"),
        ([], False, False, "unknown"),
    ],
)
def test_each_state(events: list[Event], supervisor: bool | None, trainer: bool | None, state: str) -> None:
    """Events first, then who lives; another host's run is never called dead."""
    assert judged(*events, alive={SUPERVISOR: supervisor, TRAINER: trainer})[0] == state


@pytest.mark.parametrize(
    ("exited", "detail"),
    [
        (Exited(signal=9, out_of_memory=True), "out of memory: the kernel killed it"),
        (Exited(signal=9), "by SIGKILL"),
        (Exited(signal=11), "SIGSEGV: it crashed in native code"),
        (Exited(signal=63), "by signal 63"),
    ],
)
def test_a_kill_is_told_in_words(exited: Exited, detail: str) -> None:
    """Out of memory, a crash and a kill are told apart."""
    assert judged(LAUNCHED, exited, alive={SUPERVISOR: False}) == ("killed", detail)


@pytest.mark.parametrize(
    ("ended", "exited", "state", "detail", "code"),
    [
        (Ended("finished"), Exited(code=0), "finished", "", 0),
        (Ended("finished"), Exited(code=3), "failed", "exit code 3", 3),
        (Ended("failed", "ValueError: x"), Exited(code=1), "failed", "ValueError: x", 1),
        (Ended("failed", "ValueError: x"), Exited(code=0), "failed", "ValueError: x", 0),  # caught further out
        (Ended("stopped", "asked to stop"), Exited(code=0), "stopped", "asked to stop", 130),
        (Ended("finished"), Exited(signal=11), "killed", "SIGSEGV: it crashed in native code", 139),
        (None, Exited(signal=9, out_of_memory=True), "killed", "out of memory: the kernel killed it", 137),
        (None, Exited(code=1, error="KeyError: 'x'"), "failed", "KeyError: 'x'", 1),
        (None, Exited(reason="Cannot start x"), "failed", "Cannot start x", 1),
        (Ended("failed", "ValueError: x"), None, "failed", "ValueError: x", 1),
        (None, None, "lost", "its process is gone, and no supervisor was left to say how it ended", 1),
    ],
)
def test_the_exit_code_is_the_processs_own(
    ended: Ended | None, exited: Exited | None, state: str, detail: str, code: int
) -> None:
    """As a shell has it; 130 for what was stopped; and 1 where nobody recorded one for what did not end well."""
    life = Lifecycle()
    for event in (LAUNCHED, STARTED, ended, exited):
        if event:
            life.see(Written(event))
    status = life.status(lambda _: False)
    assert (status, exit_code(status, life.exited)) == (Status(state, detail), code)  # type: ignore[arg-type]


def test_a_run_whose_end_is_not_known_yet_is_live() -> None:
    """And says why it cannot be steered any more."""
    alive = {SUPERVISOR: True, TRAINER: True}
    assert judged(LAUNCHED, STARTED, Ended("finished"), alive=alive) == ("running", ENDING)
    assert exit_code(Status("running", ENDING), None) == 0


def test_a_log_that_breaks_off_is_told() -> None:
    """The supervisor saw its process end well, but the process could not log its end: neither may its last steps be there."""
    alive = {SUPERVISOR: False, TRAINER: False}
    state, detail = judged(LAUNCHED, STARTED, Exited(code=0), alive=alive)
    assert state == "finished" and "breaks off" in detail
    assert judged(LAUNCHED, STARTED, Ended("finished"), Exited(code=0), alive=alive) == ("finished", "")
    assert judged(LAUNCHED, Exited(code=0), alive=alive) == ("finished", "")  # a script that watched nothing


def test_a_resumed_run_that_was_left_paused_starts_unpaused() -> None:
    """What an earlier attempt's levers were does not count, what the new one declares does."""
    paused = RunStarted(name="a", process=TRAINER, levers=(LeverInfo("paused", "switch", True),))
    alive = {SUPERVISOR: True, TRAINER: True}
    assert judged(STARTED, Applied(1, "paused", False, True), STARTED, alive=alive)[0] == "running"
    assert judged(STARTED, paused, alive=alive)[0] == "paused"


def test_an_exit_that_is_read_before_the_training_began_counts() -> None:
    """A reader returns all of the supervisor's file before the training process's."""
    alive = {SUPERVISOR: False, TRAINER: False}
    assert judged(LAUNCHED, Exited(code=0), STARTED, Ended("finished"), alive=alive)[0] == "finished"
    assert judged(LAUNCHED, Exited(signal=9), STARTED, alive=alive)[0] == "killed"


@pytest.mark.parametrize(
    ("supervisor", "trainer", "state"),
    [
        (True, True, "starting"),
        (False, True, "starting"),
        (True, False, "starting"),
        (False, False, "lost"),
        (None, None, "unknown"),
    ],
)
def test_a_process_that_has_not_attached_its_monitor_is_known(
    supervisor: bool | None, trainer: bool | None, state: str
) -> None:
    """The supervisor logged which process it started, so its own death does not make the run lost."""
    alive = {SUPERVISOR: supervisor, TRAINER: trainer}
    assert judged(LAUNCHED, Spawned(TRAINER), alive=alive)[0] == state


def test_an_earlier_attempts_process_says_nothing_about_the_latest() -> None:
    """Its training process may still be busy after its end; the latest attempt has one of its own."""
    earlier = Process("here", "boot", 3, 3.0)
    alive = {SUPERVISOR: False, TRAINER: False, earlier: True}
    events = [LAUNCHED, Spawned(earlier), RunStarted(name="a", process=earlier), Ended("stopped"), LAUNCHED]
    assert judged(*events, alive=alive)[0] == "lost"
    assert judged(*events, Spawned(TRAINER), alive=alive)[0] == "lost"


def test_a_run_is_judged_by_the_real_process_table() -> None:
    """This very process trains, so the run lives."""
    life = Lifecycle()
    life.see(Written(RunStarted(name="a", process=this_process())))
    assert life.status().state == "running" and life.status().live
