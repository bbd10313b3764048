"""`set` and `stop` on runs that are starting, that are over, and that do not do as they are told."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import wait_until
from launching import STANDIN, Runs
from tuimon.base.format import count
from tuimon.launcher.runs.glance import lifecycle


def tuimon(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command without a terminal."""
    command = [sys.executable, "-m", "tuimon", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def test_set_waits_for_a_run_that_is_starting(runs: Runs) -> None:
    """It says so on stderr, and is applied as soon as the training has begun."""
    go = runs.folder / "go"
    trainer = shlex.join([sys.executable, str(STANDIN), str(runs.folder / "a")])
    runs.supervise("a", "sh", "-c", f"until [ -e {shlex.quote(str(go))} ]; do sleep 0.02; done; exec {trainer}")
    command = [sys.executable, "-m", "tuimon", "set", "a", "lr_scale=0.5", "--runs-dir", str(runs.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout and waiting.stderr
        assert waiting.stderr.readline() == "a is starting; waiting up to 60 s for its training to begin\n"
        go.touch()
        out, error = waiting.communicate(timeout=60)
    assert (waiting.returncode, error) == (0, "") and "lr_scale 1 → 0.5" in out


@pytest.mark.parametrize("timeout", ["0", "0.2"])
def test_set_gives_up_on_a_run_that_goes_on_starting(runs: Runs, timeout: str) -> None:
    """After the time that was asked for."""
    runs.script("a", "import time; time.sleep(600)")
    done = tuimon("set", "a", "pause", "--timeout", timeout, "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and f"a is still starting after {timeout} s." in done.stderr


def test_set_does_not_wait_for_a_run_that_is_over(runs: Runs) -> None:
    """Nor for one that ends while it is waited for."""
    run = runs.script("a", "import time; time.sleep(1.5); raise SystemExit(3)")
    done = tuimon("set", "a", "pause", "--timeout", "1000000", "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and "a is not running: failed (exit code 3)" in done.stderr and lifecycle(run).exited
    done = tuimon("set", "a", "pause", "--timeout", "1000000", "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and done.stderr.startswith("tuimon: a is not running")


@pytest.mark.parametrize("timeout", ["-1", "nan", "inf", "soon"])
def test_a_timeout_that_is_no_time_is_an_error(timeout: str) -> None:
    """In the words of the other options."""
    done = tuimon("set", "a", "pause", f"--timeout={timeout}")
    assert done.returncode == 2 and f"argument --timeout: invalid seconds value: '{timeout}'" in done.stderr


STUBBORN = """
import sys, time, torch, tuimon
torch.set_num_threads(1)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with tuimon.watch(model, optimizer, run_dir=sys.argv[1], meters=False, budget=0) as monitor:
    while True:
        try:
            model(torch.ones(1, 4)).sum().backward()
            optimizer.step()
            time.sleep(float(sys.argv[2]))
        except KeyboardInterrupt:
            if monitor.step > int(sys.argv[3]):
                break
"""


def stubborn(runs: Runs, pause_s: float, until_step: int) -> Path:
    """A training whose script catches every interrupt before a step."""
    words = [str(runs.folder / "a"), str(pause_s), str(until_step)]
    run = runs.supervise("a", sys.executable, "-c", STUBBORN, *words)
    wait_until(lambda: lifecycle(run).training, what="it trains")
    return run


def test_stop_says_that_a_script_trains_on(runs: Runs) -> None:
    """With exit code 1, in the list of runs, and with what ends it."""
    run = stubborn(runs, 0.005, 10**9)
    done = tuimon("stop", "a", "--timeout", "3", "--runs-dir", str(runs.folder))
    asked = lifecycle(run).stop_asked
    assert asked is not None and done.returncode == 1 and done.stdout == ""
    waiting, told, hint = done.stderr.splitlines()
    assert waiting == "asked a to stop; waiting up to 3 s for its training to end"
    assert told == f"tuimon: a was asked to stop at step {count(asked)} and is still training."
    assert "tuimon stop --now a" in hint
    row = json.loads(tuimon("ls", "--json", "--runs-dir", str(runs.folder)).stdout)
    assert (row["state"], row["detail"]) == ("running", f"asked to stop at step {count(asked)}, still training")
    assert tuimon("stop", "a", "--now", "--runs-dir", str(runs.folder)).returncode == 0
    wait_until(lambda: not lifecycle(run).status().live, what="it is over")


def test_stop_is_applied_once_a_script_gives_in(runs: Runs) -> None:
    """It is asked again and again until it does."""
    run = stubborn(runs, 0.02, 100)
    done = tuimon("stop", "a", "--runs-dir", str(runs.folder))
    assert done.returncode == 0, done.stderr
    life = lifecycle(run)
    assert life.ended and life.ended.how == "stopped" and life.ended.step > 100
    assert done.stdout.startswith(f"a: applied at step {count(life.ended.step)}: stop (checkpoints/")


def test_stop_waits_for_a_process_that_is_asked_by_signal(runs: Runs) -> None:
    """A run that has no socket, and one that has not begun to train."""
    run = runs.start("a", "--no-socket")
    done = tuimon("stop", "a", "--runs-dir", str(runs.folder))
    assert done.returncode == 0 and "to stop (SIGTERM); its training has ended" in done.stdout and lifecycle(run).ended
    runs.start("b", "--no-socket", "--deaf")
    done = tuimon("stop", "b", "--timeout", "0.5", "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and "to stop (SIGTERM), and it is still running." in done.stderr
    runs.script("c", "import time; time.sleep(600)")
    done = tuimon("stop", "c", "--runs-dir", str(runs.folder))
    assert done.returncode == 0 and "to stop (SIGTERM); it is killed" in done.stdout


def test_a_glob_steers_all_live_runs_that_fit(runs: Runs) -> None:
    """Each answers under its own name; runs that are over, or that do not fit, are left alone."""
    for name in ("lr-a", "lr-b", "other"):
        runs.start(name)
    runs.start("lr-over", "--steps", "3")
    wait_until(lambda: lifecycle(runs.folder / "lr-over").exited, 60, "the short run ends")
    done = tuimon("set", "lr-*", "lr_scale=0.5", "no_lever=1", "--runs-dir", str(runs.folder))
    assert done.returncode == 1
    assert sorted(line.partition(":")[0] for line in done.stdout.splitlines()) == ["lr-a", "lr-b"]
    assert all("lr_scale 1 → 0.5" in line for line in done.stdout.splitlines())
    assert sorted(line.partition(": refused")[0] for line in done.stderr.splitlines()) == ["lr-a", "lr-b"]
    assert tuimon("set", "lr-o*", "pause", "--runs-dir", str(runs.folder)).stderr.startswith(
        "tuimon: lr-o*: none of the 1 runs that fit is live."
    )
    assert "no run fits" in tuimon("set", "x[0-9]", "pause", "--runs-dir", str(runs.folder)).stderr
    assert "Runs that are meant: " in tuimon("set", "lr-?", "--runs-dir", str(runs.folder)).stderr
    done = tuimon("stop", "lr-*", "--runs-dir", str(runs.folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(line.partition(": applied at step")[0] for line in done.stdout.splitlines()) == ["lr-a", "lr-b"]
    assert lifecycle(runs.folder / "lr-a").ended and not lifecycle(runs.folder / "other").ended
    assert "none of the 3 runs that fit is live" in tuimon("stop", "lr-*", "--runs-dir", str(runs.folder)).stderr


def test_the_autopilot_is_an_option_of_run() -> None:
    """Its bounds alone switch it on, too; nonsense is an error of usage."""
    from tuimon.base import given
    from tuimon.cli import running
    from tuimon.cli.verbs import build_parser

    def environment(*words: str) -> dict[str, str]:
        return running._autopilot(build_parser().parse_args(["run", *words, "digits-mlp"]))

    assert environment() == {}
    assert environment("--autopilot") == {given.AUTOPILOT: "most=6,every=20"}
    assert environment("--autopilot-bounds", "most=2,levers=lr_scale") == {given.AUTOPILOT: "most=2,every=20,levers=lr_scale"}
    with pytest.raises(SystemExit):
        environment("--autopilot-bounds", "many=2")
