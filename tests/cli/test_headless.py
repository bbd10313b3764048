"""Following a run without a screen: lines, JSON, exit codes, and signals."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import read_all, wait_until
from launching import Runs, end, status
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.steering.client import send
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.reader import read_run

FOLLOW = "import sys; from pathlib import Path; from tuimon.cli.headless import follow\n"
OWNED = FOLLOW + "sys.exit(follow(Path(sys.argv[1]), json_lines='json' in sys.argv))"


def following(run: Path, *arguments: str, **more: object) -> subprocess.Popen[str]:
    """Starts a process that follows a run like `tuimon run --headless`."""
    command = [sys.executable, "-c", OWNED, str(run), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload]


def followed(run: Path, *arguments: str) -> tuple[int, str, str]:
    """Follows a run to its end: exit code, stdout, stderr."""
    process = following(run, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Reads the follower's output until a line contains `text`."""
    assert process.stdout
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"never said {text!r}: {process.communicate()}")


def test_a_finished_run_is_printed_in_plain_lines(runs: Runs) -> None:
    """Its path, model and optimizer, progress, and end; exit code 0. No line rewrites itself."""
    code, out, err = followed(runs.start("a", "--steps", "40"))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith(f"a: {runs.folder / 'a'}")
    assert any("training standin · sgd · cpu" in line for line in lines)
    end = next(place for place, line in enumerate(lines) if "finished after 0:0" in line and "40 steps" in line)
    assert "  epoch 4/4  step 40/40  loss 0.0284  val 0.0500  acc 50 %  100 it/s" in lines[end - 1]
    assert lines[end + 1].startswith("loss by step") and lines[-1].endswith("tuimon plot a")
    assert "\r" not in out and "\x1b" not in out


def test_a_failed_run_shows_the_end_of_its_output(runs: Runs) -> None:
    """On stderr; exit code 1."""
    code, out, err = followed(runs.start("a", "--steps", "3", "--fail"))
    assert code == 1
    assert "failed after" in out and "told to fail" in out
    assert "boom: this is why" in err


def test_a_killed_run_is_a_failure(runs: Runs) -> None:
    """Exit code 128 + 9, as in a shell, and the name of the signal."""
    run = runs.start("a")
    end(lifecycle(run).training.process)
    code, out, _ = followed(run)
    assert code == 137
    assert "killed after" in out and "SIGKILL" in out


ENDS_LATER = """
import sys, time
from pathlib import Path
from tuimon.base.process import this_process
from tuimon.log.records import Ended, RunStarted
from tuimon.log.writer import LogWriter
log = LogWriter(Path({run!r}), "run")
log.event(RunStarted(name="late", process=this_process()))
log.scalars(1, {{"loss/train": 0.5}})
log.event(Ended(how="finished", step=1))
while not Path({go!r}).exists(): time.sleep(0.01)
sys.exit(3)
"""


@pytest.mark.parametrize("form", [(), ("json",)])
def test_no_end_is_told_before_the_process_has_ended(runs: Runs, tmp_path: Path, form: tuple[str, ...]) -> None:
    """A training that says that it has finished may still exit with 3, and then it has failed."""
    go = tmp_path / "go"
    run = runs.script("late", ENDS_LATER.format(run=str(runs.folder / "late"), go=str(go)))
    process = following(run, *form)
    wait_until(lambda: lifecycle(run).ended, what="the training is over")
    wait_for_line(process, '"ended"' if form else "late")
    assert status(run) == "running" and process.poll() is None
    go.touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    if form:
        assert json.loads(out.splitlines()[-1]) == {
            "kind": "end", "schema": 1, "state": "failed", "detail": "exit code 3", "code": 3, "step": 1,
            "loss": 0.5, "val_loss": None,
        }  # fmt: skip
    assert "failed after" in (err if form else out) and "exit code 3" in (err if form else out)


def test_a_run_whose_supervisor_is_gone_ends_by_its_own_word(runs: Runs, tmp_path: Path) -> None:
    """Nobody is left to record an exit code, so the training's own record of its end counts, as soon as it is there."""
    run = runs.start("a", "--steps", "400")
    end(lifecycle(run).launched.supervisor)
    code, out, _ = followed(run)
    assert code == 0 and "finished after" in out


def test_stdout_gets_nothing_but_json_lines(runs: Runs) -> None:
    """Each line is an object with a kind; no step is missing; the last has the exit code. Text for people goes to stderr."""
    code, out, err = followed(runs.start("a", "--steps", "25"), "json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {line["kind"] for line in lines} == {"event", "metrics", "end"}
    steps = [line["step"] for line in lines if line["kind"] == "metrics" and "loss/train" in line["values"]]
    assert steps == list(range(1, 26))
    assert lines[0]["event"]["kind"] == "launched"
    losses = {"loss": pytest.approx(0.04977, rel=1e-3), "val_loss": pytest.approx(0.1)}
    assert lines[-1] == {"kind": "end", "schema": 1, "state": "finished", "detail": "", "code": 0, "step": 25} | losses
    assert "finished after" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_stops_the_run_gracefully(runs: Runs, number: signal.Signals) -> None:
    """It uses the stop lever and says so; exit code 130."""
    run = runs.start("a")
    process = following(run)
    wait_for_line(process, "step")
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Ctrl-C again: stop now" in out and "applied at step" in out
    assert "stopped after" in out
    assert lifecycle(run).ended.how == "stopped"


def test_two_interrupts_stop_the_run_now(runs: Runs) -> None:
    """Even a run that does not listen; exit code 130."""
    run = runs.start("a", "--deaf", "--no-socket")
    process = following(run)
    wait_for_line(process, "step")
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "Ctrl-C again")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping now" in out
    assert status(run) == "killed"


def test_hangup_ends_the_printing_and_not_the_run(runs: Runs) -> None:
    """As when the terminal closes."""
    run = runs.start("a")
    process = following(run)
    wait_for_line(process, "step")
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGHUP and err == ""
    steps = read_run(run).step
    wait_until(lambda: read_run(run).step > steps)


def test_a_killed_printer_leaves_the_run_alone(runs: Runs) -> None:
    """`kill -9` of the printing process costs the run nothing."""
    run = runs.start("a")
    process = following(run, "json")
    wait_for_line(process, "metrics")
    process.kill()
    process.communicate()
    steps = read_run(run).step
    wait_until(lambda: read_run(run).step > steps)
    assert status(run) == "running"


def test_a_reader_that_goes_away_ends_the_printing_quietly(runs: Runs) -> None:
    """`tuimon attach --json | head -1`: no traceback."""
    run = runs.start("a")
    command = [sys.executable, "-m", "tuimon", "attach", str(run), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline()
    process.stdout.close()
    assert process.stderr
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141
    assert "Traceback" not in err and "Error" not in err
    assert status(run) == "running"


def test_attached_ctrl_c_ends_the_watching_and_not_the_run(runs: Runs) -> None:
    """A run that we did not start continues; the output says how to stop it."""
    run = runs.start("a")
    command = [sys.executable, "-m", "tuimon", "attach", "a", "--headless", "--runs-dir", str(runs.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_line(process, "step")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == ""
    assert "`tuimon stop a` stops it" in out
    assert status(run) == "running"


def test_a_run_on_another_host_continues_and_cannot_be_stopped_from_here(tmp_path: Path) -> None:
    """In a folder that both hosts share."""
    from tuimon.base.process import Process
    from tuimon.log.records import RunStarted
    from tuimon.log.writer import LogWriter

    log = LogWriter(tmp_path / "a", "run")
    log.event(RunStarted(name="a", process=Process("far-away", "boot", 1, 1.0)))
    log.scalars(1, {"loss/train": 0.5})
    log.close()
    command = [sys.executable, "-m", "tuimon", "attach", str(tmp_path / "a")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_line(process, "step 1")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and out.rstrip().endswith("a continues")


def test_a_clock_that_was_set_back_gives_no_negative_time(tmp_path: Path) -> None:
    """The duration is left out."""
    from tuimon.log.writer import LogWriter

    log = LogWriter(tmp_path / "a", "v2")
    log.scalars(1, {"loss/train": 0.5}, wall_time=1e9)
    log.scalars(2, {"loss/train": 0.5}, wall_time=1e9 - 100)
    log.close()
    _, out, _ = followed(tmp_path / "a")
    assert any(line.partition("  ")[2].startswith("unknown, 2 steps") for line in out.splitlines())


def test_a_failed_script_tells_its_own_error_before_its_card(runs: Runs) -> None:
    """In a drop-in for python, to stderr; --quiet and --json leave the card out."""
    code = "import torch\nm = torch.nn.Linear(1, 1)\no = torch.optim.SGD(m.parameters(), lr=0.1)\n"
    code += "for step in range(9):\n    m(torch.ones(1, 1)).sum().backward()\n    o.step()\nraise ValueError('boom')\n"
    (runs.folder / "train.py").write_text(code)
    for words, carded in (([], True), (["--quiet"], False), (["--json"], False)):
        command = [sys.executable, "-m", "tuimon", "run", "--headless", *words, "--runs-dir", str(runs.folder), "train.py"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=runs.folder)
        assert done.returncode == 1 and ("by step" in done.stderr) == carded and "by step" not in done.stdout
        assert not carded or done.stderr.index("Traceback") < done.stderr.index("failed after") < done.stderr.index("by step")


@pytest.mark.parametrize(("columns", "most"), [(40, 39), (0, 79)])
def test_on_a_terminal_one_line_rewrites_itself(runs: Runs, columns: int, most: int) -> None:
    """It fits the width, or 80 columns if the terminal does not know its width; events are printed above it."""
    run = runs.start("a", "--steps", "800")
    send(run, parse_setting("pause"))  # until it is watched
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    command = [sys.executable, "-c", OWNED, str(run)]
    process = subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=environment)
    os.close(slave)
    shown = os.read(master, 1).decode()
    send(run, parse_setting("resume"))
    shown += read_all(master)
    assert process.wait(60) == 0
    pieces = shown.split("\r\x1b[K")
    rewritten = [piece for piece in pieces if piece.startswith(("epoch", "step")) and "\n" not in piece]
    assert len(rewritten) > 2 and most // 2 < max(map(len, rewritten)) <= most
    assert any("finished after" in piece and piece.endswith("\n") for piece in pieces)


def test_on_a_dumb_terminal_nothing_is_rewritten(runs: Runs) -> None:
    """Lines and charts only, as into a pipe: no escape sequence, and no row is wider than the terminal."""
    run = runs.start("a", "--steps", "40")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")} | {"TERM": "dumb"}
    command = [sys.executable, "-c", OWNED, str(run)]
    process = subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=environment)
    os.close(slave)
    shown = read_all(master)
    assert process.wait(60) == 0 and "\x1b" not in shown and "\r" not in shown
    lines = shown.splitlines()
    chart = lines[lines.index(next(line for line in lines if line.startswith("loss by step"))) :]
    assert all(len(line) <= 60 for line in chart if not line.startswith(("run ", "next ")))


def test_a_log_of_another_framework_is_printed_once(tmp_path: Path) -> None:
    """The log does not record an end, so there is nothing to wait for."""
    from tuimon.log.writer import LogWriter

    log = LogWriter(tmp_path / "foreign", "v2")
    log.scalars(7, {"train_loss": 0.5, "other": float("nan")})
    log.close()
    code, out, _ = followed(tmp_path / "foreign", "json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[0]["values"] == {"train_loss": 0.5, "other": None}
    assert lines[-1]["state"] == "unknown"


def test_a_real_preset_trains_and_is_resumed(tmp_path: Path) -> None:
    """`tuimon run` without a terminal is headless: with the real trainer from start to end, twice in one folder."""
    first = real("run", "digits-softmax", "steps=20", "--json", "--name", "real", "lr=0.01", "--runs-dir", str(tmp_path))
    assert first[-1]["step"] == 20 and first[-1]["state"] == "finished"
    run = tmp_path / "real"
    assert read_run(run).exited.code == 0
    spec = (run / "spec.toml").read_text()
    (run / "spec.toml").write_text(spec.replace("steps = 20", "steps = 30"))
    second = real("resume", "real", "--json", "--runs-dir", str(tmp_path))
    assert second[-1]["step"] == 30 and second[-1]["state"] == "finished"
    assert read_run(run)["loss/train"].steps.tolist() == list(range(1, 31))


def real(*arguments: str) -> list[dict[str, Any]]:
    """The JSON lines of a command that succeeds."""
    command = [sys.executable, "-m", "tuimon", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_finding_is_printed_once_in_lines_and_as_json(runs: Runs) -> None:
    """A NaN loss is reported once to people and once to programs."""
    code = (
        "import math\nfrom pathlib import Path\nfrom tuimon.log.records import Ended, RunStarted\n"
        "from tuimon.log.writer import LogWriter\nfrom tuimon.base.process import this_process\n"
        f"log = LogWriter(Path({str(runs.folder / 'nan')!r}), 'run')\n"
        "log.event(RunStarted(name='nan', process=this_process()))\n"
        "for step in range(1, 40): log.scalars(step, {'loss/train': math.nan if step > 4 else 1.0})\n"
        "log.event(Ended(how='finished', step=39))\n"
    )
    _, out, err = followed(runs.script("nan", code), "json")
    (finding,) = [line for line in map(json.loads, out.splitlines()) if line["kind"] == "finding"]
    assert finding["finding"]["rule"] == "non-finite-loss" and finding["step"] == 5
    assert err.count("critical: loss has been nan since step 5") == 1


def test_the_model_is_printed_once_for_each_attempt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trainer describes itself again when it adds levers, and when a lever changes the model."""
    from tuimon.base.process import this_process
    from tuimon.cli.headless import follow
    from tuimon.log.records import Ended, LeverInfo, RunStarted
    from tuimon.log.writer import LogWriter

    started = RunStarted(name="a", process=this_process(), model="mlp", optimizer="adam")
    log = LogWriter(tmp_path / "a", "run")
    log.event(started)
    log.event(msgspec.structs.replace(started, levers=(LeverInfo("sparsity", "number", 0.0),)))
    log.event(msgspec.structs.replace(started, first_step=40))
    log.event(Ended(how="finished", step=40))
    log.close()
    assert follow(tmp_path / "a") == 0
    told = [line.partition("training ")[2] for line in capsys.readouterr().out.splitlines() if "training " in line]
    assert told == ["mlp · adam", "mlp · adam, from step 40"]


TRAIN = """
import sys, torch
torch.set_num_threads(1)
print("hello", *sys.argv[1:])
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
while True:
    optimizer.zero_grad(); model(torch.ones(8, 4)).square().mean().backward(); optimizer.step()
"""


def test_a_script_without_a_line_of_tuimon_is_watched_and_stopped(runs: Runs, tmp_path: Path) -> None:
    """Steps and losses are printed as they are logged; Ctrl-C saves a checkpoint and ends the run; exit code 130."""
    (tmp_path / "train.py").write_text(TRAIN)
    command = [sys.executable, "-m", "tuimon", "run", "--json", "--runs-dir", str(runs.folder), "train.py", "--json", "lr=1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_line(process, "loss/train")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out.splitlines()[-1])["state"] == "stopped"
    run = runs.folder / "train-01"
    store = read_run(run)
    assert (run / "output.log").read_text().startswith("hello --json lr=1\n")
    assert store["loss/train"].steps.tolist() == list(range(1, store.step + 1)) and "grad_norm/Linear" in store
    assert list((run / "checkpoints").iterdir()) != []
