"""Runs wait for a device in the user's queue on this machine, and survive whoever started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs, end, status
from tuimon.base.errors import TuimonError
from tuimon.base.process import Process, this_process
from tuimon.launcher.places.local import Local
from tuimon.launcher.places.place import Job
from tuimon.launcher.places.places import place_named
from tuimon.launcher.places.queue import Queue, Ticket, device_for
from tuimon.launcher.runs.glance import judge, lifecycle
from tuimon.launcher.steering.stop import stop

CPU = {"cpu": {"WHERE": "cpu"}}
LONG = "import time; time.sleep(120)"
SAYS_WHERE = "import os; print(os.environ['WHERE'])"


def submit(runs: Runs, name: str, code: str, place: Local | None = None, devices: dict[str, dict[str, str]] = CPU) -> Path:
    """Hands a piece of Python code to a place, as a run."""
    run = runs.folder / name
    run.mkdir()
    details = {"name": name, "device": next(iter(devices))}
    (place or Local(slots=1)).submit([Job(run, [sys.executable, "-c", code], details, devices=devices)])
    return run


def trains(run: Path) -> bool:
    return lifecycle(run).spawned is not None


def tuimon(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "tuimon", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def waiting(runs: Runs) -> Iterator[tuple[Runs, list[Path]]]:
    """One run that trains on the CPU, and two that wait for it."""
    first = submit(runs, "first", LONG)
    wait_until(lambda: trains(first))
    yield runs, [first, submit(runs, "second", SAYS_WHERE), submit(runs, "third", SAYS_WHERE)]


def test_a_run_waits_for_its_turn_and_then_runs_on_the_device_that_is_free(waiting: tuple[Runs, list[Path]]) -> None:
    """Waiting is a live state that says what for and at which place; the process that started it may be gone."""
    _, (first, second, third) = waiting
    assert judge(second)[1].state == "queued"
    wait_until(lambda: judge(second)[1].detail == "1 of 2 in the queue, for cpu")
    wait_until(lambda: judge(third)[1].detail == "2 of 2 in the queue, for cpu")
    stop(first)
    wait_until(lambda: status(second) == status(third) == "finished")
    assert (second / "output.log").read_text() == "cpu\n"
    assert lifecycle(second).launched.device == "cpu"
    assert Queue().tickets() == []


def test_the_order_can_be_changed(waiting: tuple[Runs, list[Path]]) -> None:
    """`tuimon queue RUN --first` puts a waiting run before the others."""
    runs, (_, second, third) = waiting
    where = ("--runs-dir", str(runs.folder))
    printed = tuimon("queue", "third", "--first", "--json", *where)
    assert [(line["run"], line["place"]) for line in map(json.loads, printed.splitlines())] == [
        ("first", None),
        ("third", 1),
        ("second", 2),
    ]
    assert [ticket.run for ticket in Queue().waiting()] == [str(third), str(second)]
    assert "trains  first" in tuimon("queue", *where)
    listed = {line["run"]: line for line in map(json.loads, tuimon("ls", "state:queued", "--json", *where).splitlines())}
    assert listed["second"]["detail"].startswith("2 of 2 in the queue")


def test_a_waiting_run_is_taken_out_by_stop(waiting: tuple[Runs, list[Path]]) -> None:
    """It never starts, and its log says that it was stopped; the others move up."""
    _, (_, second, third) = waiting
    assert stop(second) == "taken out of the queue"
    life, state = judge(second)
    assert (state.state, life.spawned) == ("stopped", None)
    assert "before its turn" in state.detail
    os.kill(lifecycle(third).launched.supervisor.pid, signal.SIGTERM)  # a shutdown asks the supervisor itself
    wait_until(lambda: status(third) == "stopped")
    assert len(Queue().tickets()) == 1


def test_a_killed_supervisor_keeps_its_place_only_while_its_training_lives(waiting: tuple[Runs, list[Path]]) -> None:
    """A waiting one that is killed is lost, and holds nobody up; a training one still has the device."""
    _, (first, second, third) = waiting
    end(lifecycle(second).launched.supervisor)
    wait_until(lambda: judge(second)[1].state == "lost")
    end(lifecycle(first).launched.supervisor)
    assert [ticket.run for ticket in Queue().tickets()] == [str(first), str(third)]
    assert not trains(third)
    end(lifecycle(first).spawned)
    wait_until(lambda: status(third) == "finished")


def test_runs_that_do_not_wait_are_counted(runs: Runs) -> None:
    """A run that was started at once takes a place, as it takes the device."""
    at_once = submit(runs, "a", LONG, Local())
    assert trains(at_once)
    waits = submit(runs, "b", SAYS_WHERE)
    assert status(waits) == "queued"
    stop(at_once)
    wait_until(lambda: status(waits) == "finished")


def test_a_home_without_room_for_a_queue(runs: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What need not wait runs all the same; what must says so, and nothing is started."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert trains(submit(runs, "a", "pass", Local()))
    with pytest.raises(TuimonError, match="Cannot use the queue"):
        submit(runs, "b", "pass")
    assert not trains(runs.folder / "b")


def ticket(number: int, *devices: str, waits: bool = True, slots: int = 1, memory: int = 0) -> Ticket:
    return Ticket(f"/r{number}", Process("h", "b", number, 0.0), devices, waits, float(number), slots, memory)


def free(device: str, reserved: int) -> int:
    return 10 - reserved


def test_whose_turn_it_is() -> None:
    """The first that wants a device gets the one with the fewest runs; nobody overtakes for the same device."""
    both, one, two = ("cuda:0", "cuda:1"), ticket(1, "cuda:0", waits=False), ticket(2, "cuda:0")
    assert device_for(ticket(3, *both), [one], free) == "cuda:1"
    assert device_for(ticket(3, "cuda:1"), [one, two], free) == "cuda:1"
    assert device_for(ticket(3, *both), [one, two], free) is None  # the second wants one of them
    assert device_for(two, [one], free) is None
    assert device_for(ticket(2, "cuda:0", slots=2), [one], free) == "cuda:0"
    assert device_for(ticket(2, "cuda:0"), [ticket(1, waits=False)], free) is None  # it may use any


def test_memory_is_waited_for() -> None:
    """What others have said that they need counts, also before they have allocated it."""
    one = ticket(1, "cuda:0", waits=False, memory=6)
    assert device_for(ticket(2, "cuda:0", slots=0, memory=5), [one], free) is None
    assert device_for(ticket(2, "cuda:0", slots=0, memory=4), [one], free) == "cuda:0"
    assert device_for(ticket(2, "cuda:0", "cuda:1", slots=0, memory=5), [one], free) == "cuda:1"
    with pytest.raises(TuimonError, match="No device has 1048576 G of memory"):
        Local(memory_bytes=1 << 50).check(CPU)


def test_places_have_names() -> None:
    """`local` starts at once, `local:2` or a wish for memory queues; anything else is refused with what there is."""
    assert not place_named("local").queues
    assert place_named("local:2") == Local(slots=2)
    assert place_named("local", 1 << 30).queues
    for wrong in ("local:0", "locally", "", "local:"):
        with pytest.raises(TuimonError, match="no such place"):
            place_named(wrong)


def test_a_ticket_of_another_boot_is_removed(own_settings: Path) -> None:
    """After a reboot nobody holds anything."""
    queue, here = Queue(), this_process()
    queue.put(Ticket("/old", Process(here.host, "another boot", here.pid, here.started), ("cpu",)))
    assert queue.tickets() == []
    queue.put(Ticket("/new", here, ("cpu",)))
    assert [found.run for found in queue.tickets()] == ["/new"]


def test_runs_spread_over_the_devices_that_would_do(runs: Runs) -> None:
    """The second gets the other device, with the variables that select it; its log says which it was."""
    both = {"cuda:0": {"WHERE": "zero"}, "cuda:1": {"WHERE": "one"}}
    first = submit(runs, "first", LONG, devices=both)
    wait_until(lambda: trains(first))
    second = submit(runs, "second", SAYS_WHERE, devices=both)
    wait_until(lambda: status(second) == "finished")
    assert (second / "output.log").read_text() == "one\n"
    assert [lifecycle(run).launched.device for run in (first, second)] == ["cuda:0", "cuda:1"]
