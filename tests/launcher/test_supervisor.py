"""A run is a session of its own, and its log says how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs, end, processes, status
from tuimon.base.errors import TuimonError
from tuimon.base.process import is_alive
from tuimon.launcher.places.spawn import supervise
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.steering.stop import stop
from tuimon.launcher.supervisor.oom import OutOfMemoryWatch, kills
from tuimon.log.reader import read_run


def exited(run: Path):
    wait_until(lambda: lifecycle(run).exited)
    return lifecycle(run).exited


@pytest.mark.parametrize(("code", "state"), [(0, "finished"), (1, "failed"), (7, "failed"), (130, "stopped")])
def test_an_exit_code_is_logged_and_judged(runs: Runs, code: int, state: str) -> None:
    """How a process that logs nothing itself ended is known by its exit code."""
    run = runs.script("a", f"raise SystemExit({code})")
    assert exited(run).code == code
    assert status(run) == state


def test_output_of_python_and_c_is_captured_in_order(runs: Runs) -> None:
    """stdout, stderr and what C code writes to the descriptors all end in output.log, as they were written."""
    run = runs.script("a", "import os, sys; print('one'); os.write(1, b'two\\n'); print('three', file=sys.stderr)")
    exited(run)
    assert (run / "output.log").read_text() == "one\ntwo\nthree\n"


def test_a_crash_in_c_is_captured_and_named(runs: Runs) -> None:
    """A segmentation fault leaves its Python traceback in output.log, and its signal in the log."""
    run = runs.script("a", "import ctypes; ctypes.string_at(0)")
    assert exited(run).signal == signal.SIGSEGV
    text = (run / "output.log").read_text()
    assert "Segmentation fault" in text and "string_at" in text
    assert "SIGSEGV" in lifecycle(run).status().detail


def test_a_script_that_dies_on_import_fails_with_its_reason_kept(runs: Runs) -> None:
    """The traceback is in output.log and the run is failed, not lost."""
    run = runs.script("a", "import no_such_module_anywhere")
    assert exited(run).code == 1
    assert "no_such_module_anywhere" in (run / "output.log").read_text()


def test_heavy_printing_neither_blocks_nor_loses(runs: Runs) -> None:
    """20 MB on both streams with nobody reading: the process ends, and every byte is in the file."""
    run = runs.script("a", "import os\nfor i in range(200): os.write(1 + i % 2, b'x' * 99_999 + b'\\n')")
    assert exited(run).code == 0
    assert (run / "output.log").stat().st_size == 20_000_000


def test_stdin_is_empty_and_there_is_no_terminal(runs: Runs) -> None:
    """A script that asks for input gets an end of file, and cannot open a terminal."""
    code = "import os, sys\nprint(repr(sys.stdin.read()))\ntry: os.open('/dev/tty', os.O_RDWR)\nexcept OSError: print('no tty')"
    run = runs.script("a", code)
    exited(run)
    assert (run / "output.log").read_text() == "''\nno tty\n"


def test_a_killed_trainer_is_told(runs: Runs) -> None:
    """SIGKILL leaves a readable log, with all steps before it and the signal's number."""
    run = runs.start("a")
    wait_until(lambda: read_run(run).step > 20)
    end(lifecycle(run).training.process)
    assert exited(run).signal == signal.SIGKILL
    assert not exited(run).out_of_memory
    assert status(run) == "killed"
    assert len(read_run(run)["loss/train"]) > 20


def test_a_killed_supervisor_leaves_the_training_running(runs: Runs) -> None:
    """The trainer does not notice; it is still judged to run, and lost once it is gone too."""
    run = runs.start("a")
    end(lifecycle(run).launched.supervisor)
    steps = read_run(run).step
    wait_until(lambda: read_run(run).step > steps + 10)
    assert status(run) == "running"
    end(lifecycle(run).training.process)
    assert status(run) == "lost"


def test_a_supervisor_killed_while_the_trainer_imports_leaves_the_run_starting(runs: Runs) -> None:
    """The log knows which process it started: that one is alive, and can be stopped."""
    run = runs.script("a", "import time; time.sleep(60)")
    wait_until(lambda: lifecycle(run).spawned)
    end(lifecycle(run).launched.supervisor)
    assert status(run) == "starting"
    assert "SIGTERM" in stop(run)
    wait_until(lambda: status(run) == "lost")


def test_sigterm_to_the_supervisor_reaches_the_trainer(runs: Runs) -> None:
    """The trainer stops gracefully, and the supervisor stays to log its end."""
    run = runs.start("a")
    os.kill(lifecycle(run).launched.supervisor.pid, signal.SIGTERM)
    assert exited(run).code == 130
    assert status(run) == "stopped"


def test_hangup_and_interrupt_touch_neither(runs: Runs) -> None:
    """SIGHUP and SIGINT to the supervisor, and SIGHUP to the trainer, change nothing."""
    run = runs.start("a")
    life = lifecycle(run)
    for number in (signal.SIGHUP, signal.SIGINT):
        os.kill(life.launched.supervisor.pid, number)
    os.kill(life.training.process.pid, signal.SIGHUP)
    steps = read_run(run).step
    wait_until(lambda: read_run(run).step > steps + 10)
    assert is_alive(life.launched.supervisor)


def test_the_run_survives_its_starter_and_its_session(runs: Runs, tmp_path: Path) -> None:
    """The starter's whole process group is killed; the run has another parent, session and group."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from launching import Runs\n"
        "Runs(Path(sys.argv[2])).start('a'); print('started', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parents[1]), str(runs.folder)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert starter.stdout and starter.stdout.readline() == b"started\n"
    os.killpg(starter.pid, signal.SIGHUP)
    starter.wait()
    starter.stdout.close()
    run = runs.folder / "a"
    life = lifecycle(run)
    assert os.getsid(life.training.process.pid) == os.getsid(life.launched.supervisor.pid) != starter.pid
    steps = read_run(run).step
    wait_until(lambda: read_run(run).step > steps + 10)
    assert status(run) == "running"


def test_a_command_that_cannot_be_started_is_an_error_at_once(runs: Runs) -> None:
    """The starter learns why, and so does the log."""
    with pytest.raises(TuimonError, match="Cannot start /no/such/program: No such file or directory"):
        runs.supervise("a", "/no/such/program")
    assert "No such file" in exited(runs.folder / "a").reason
    assert status(runs.folder / "a") == "failed"


def test_a_supervisor_that_cannot_write_its_log_starts_nothing(tmp_path: Path) -> None:
    """The starter gets the reason, and the command never ran."""
    run = tmp_path / "run"
    run.write_text("a file stands where the folder should be")
    ran = tmp_path / "ran"
    with pytest.raises(TuimonError, match="Cannot write the run's log"):
        supervise(run, [sys.executable, "-c", f"open({str(ran)!r}, 'w')"])
    assert not ran.exists()


def test_a_module_in_the_current_folder_does_not_shadow_pythons_own(runs: Runs, tmp_path: Path) -> None:
    """Started from a folder with a `json.py`, the supervisor still works."""
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    run = runs.folder / "a"
    run.mkdir()
    supervise(run, [sys.executable, "-c", "import os; print(os.getcwd())"], cwd=tmp_path)
    assert exited(run).code == 0
    assert (run / "output.log").read_text().strip() == str(tmp_path)


def test_no_process_is_left_when_a_run_has_ended(runs: Runs) -> None:
    """The supervisor goes with its run."""
    run = runs.start("a", "--steps", "3")
    exited(run)
    wait_until(lambda: not processes(run))


@pytest.mark.parametrize(
    ("membership", "file", "text"),
    [
        ("0::/job/one\n", "job/one/memory.events", "low 0\noom 3\noom_kill 2\n"),
        ("0::/not/visible/here\n", "memory.events", "oom_kill 2\n"),
        ("5:cpu:/\n4:memory:/job\n0::/\n", "memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
    ],
)
def test_the_kernels_counter_is_found_in_both_cgroup_versions(tmp_path: Path, membership: str, file: str, text: str) -> None:
    """Version 2, version 2 inside a container, and version 1."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert kills(membership, tmp_path) == 2
    assert kills("0::/\n", tmp_path / "nothing") is None


def test_only_a_counter_that_rose_means_out_of_memory() -> None:
    """An old kill of another process does not count."""
    counts = iter([2, 2, 3])
    watch = OutOfMemoryWatch(lambda: next(counts))
    nobody = 2**22 + 1  # above any pid, so that the kernel's log cannot name it
    assert not watch.killed(nobody)
    assert watch.killed(nobody)


def test_output_is_written_to_no_file_that_a_link_leads_to(tmp_path: Path) -> None:
    """Whoever can put a link into the folder would have the caller write there; the start fails with the reason."""
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "victim").write_text("mine")
    (run / "output.log").symlink_to(tmp_path / "victim")
    with pytest.raises(TuimonError, match=r"Cannot start .*output.log: "):
        supervise(run, [sys.executable, "-c", "print('theirs')"])
    assert (tmp_path / "victim").read_text() == "mine"
    wait_until(lambda: lifecycle(run).status().state == "failed")
