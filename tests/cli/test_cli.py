"""The command line: what each verb prints, and its exit codes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from conftest import read_all, wait_until
from launching import Runs
from tuimon.base.process import this_process
from tuimon.cli import doctor
from tuimon.cli import main as cli
from tuimon.launcher.runs.glance import lifecycle
from tuimon.log.histogram import BINS, Histogram
from tuimon.log.reader import read_run
from tuimon.log.records import Ended, Notice, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.spec.presets import presets


def tuimon(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Runs the real command without a terminal."""
    command = [sys.executable, "-m", "tuimon", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more)  # type: ignore[call-overload]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A small log written by another program: scalars, a histogram, a text."""
    writer = LogWriter(tmp_path / "logs" / "one", "v2")
    writer.scalars(1, {"loss/train": 0.5, "lr": 0.001}, wall_time=1_700_000_000.25)
    writer.sample(2, {}, {"gradient/fc1": Histogram([1.0] * BINS, -1, 2, 0, 1)}, wall_time=1_700_000_001.0)
    writer.text(3, "note", "hello\nworld")
    writer.close()
    return tmp_path / "logs"


def test_ls_shows_runs_newest_first(runs: Runs) -> None:
    """State, progress, loss; as a table, as JSON, as names."""
    runs.start("old", "--steps", "20")
    wait_until(lambda: lifecycle(runs.folder / "old").exited)
    runs.start("new")
    where = ("--runs-dir", str(runs.folder))
    lines = tuimon("ls", *where).stdout.splitlines()
    assert lines[0].split()[:4] == ["RUN", "STATE", "STEP", "LOSS"]
    assert lines[1].split()[:2] == ["new", "running"]
    assert lines[2].split()[:3] == ["old", "finished", "20/20"]
    found = [json.loads(line) for line in tuimon("ls", "--json", *where).stdout.splitlines()]
    assert [run["run"] for run in found] == ["new", "old"]
    assert (found[1]["state"], found[1]["step"], found[1]["path"]) == ("finished", 20, str(runs.folder / "old"))
    assert tuimon("ls", "--names", *where).stdout.split() == ["new", "old"]


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (110, "RUN STATE STEP LOSS VAL SPEED DEVICE LAST RECORD DETAIL"),
        (82, "RUN STATE STEP LOSS VAL SPEED LAST RECORD DETAIL"),
        (74, "RUN STATE STEP LOSS VAL LAST RECORD DETAIL"),
        (60, "RUN STATE STEP LOSS VAL LAST RECORD"),
        (48, "RUN STATE STEP LOSS LAST RECORD"),
    ],
)
def test_ls_on_a_narrow_terminal_leaves_out_the_least_important_columns(log: Path, columns: int, titles: str) -> None:
    """No line wraps. The terminal's own size counts, not $COLUMNS."""
    writer = LogWriter(log / "two", "run")
    writer.event(RunStarted(name="two", process=this_process(), total_steps=100_000, device="cuda:0"))
    writer.scalars(12_345, {"loss/train": 0.123, "loss/val": 0.123, "throughput": 1234.0})
    writer.close()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    listed = subprocess.Popen(
        [sys.executable, "-m", "tuimon", "ls", "--runs-dir", str(log)], stdout=slave, env=os.environ | {"COLUMNS": "200"}
    )
    os.close(slave)
    lines = read_all(master).splitlines()
    assert listed.wait(60) == 0
    assert " ".join(lines[0].split()) == titles
    assert len(lines) == 3 and all(len(line) <= columns for line in lines)


def test_ls_says_how_a_run_ended(runs: Runs, tmp_path: Path) -> None:
    """Its exit code, signal or error, beside its state."""
    runs.script("coded", "raise SystemExit(3)")
    runs.script("killed", "import os; os.kill(os.getpid(), 9)")
    wait_until(lambda: all(lifecycle(runs.folder / name).exited for name in ("coded", "killed")))
    table = tuimon("ls", "--runs-dir", str(runs.folder)).stdout.splitlines()
    column = table[0].index("DETAIL")
    assert {row.split()[0]: row[column:] for row in table[1:]} == {"coded": "exit code 3", "killed": "by SIGKILL"}


def test_ls_of_nothing_is_no_error(tmp_path: Path) -> None:
    """Prints an empty array for programs; for people, a message on stderr."""
    done = tuimon("ls", "--runs-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "") and "No runs in" in done.stderr
    assert tuimon("ls", "--json", "--runs-dir", str(tmp_path)).stdout == ""


def test_ls_of_a_file_is_an_error(tmp_path: Path) -> None:
    """A file cannot hold runs."""
    (tmp_path / "file").write_text("")
    done = tuimon("ls", "--runs-dir", str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (1, "") and "file is not a folder" in done.stderr


def test_ls_shows_nan_differently_from_no_value(tmp_path: Path) -> None:
    """A run that diverged looks different from one without validation."""
    log = LogWriter(tmp_path / "a", "run")
    log.scalars(1, {"loss/train": float("nan")})
    log.close()
    table = tuimon("ls", "--runs-dir", str(tmp_path)).stdout.splitlines()
    assert table[1][table[0].index("LOSS") :].startswith("nan") and table[1].count("nan") == 1


def test_ls_lines_up_names_of_any_script(tmp_path: Path) -> None:
    """Columns align by the cells that the names take up on a terminal."""
    for name in ("模型", "plain", "u\u0308ber"):
        log = LogWriter(tmp_path / name, "run")
        log.scalars(1, {"loss/train": 0.5})
        log.close()
    table = tuimon("ls", "--runs-dir", str(tmp_path)).stdout
    assert "\n模型   unknown" in table and "\nplain  unknown" in table and "\nu\u0308ber   unknown" in table


@pytest.mark.parametrize(
    "command", [("ls",), ("attach", "latest"), ("dump", "latest"), ("set", "latest", "pause"), ("attach", "b")]
)
def test_a_log_cannot_write_to_the_terminal(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Names, tags and texts in a shared folder may come from another user: escape sequences never reach the terminal."""
    log = LogWriter(tmp_path / "a\x1b[2J\nname", "run")
    log.event(RunStarted(name="a", process=this_process(), model="mlp\x1b[2J"))
    log.event(Notice(text="one\ntwo\x9b2J", level="warning"))
    log.scalars(1, {"loss\x1b[2J": 0.5})
    log.event(Ended(how="failed", reason="why\x1b]0;x\x07"))
    log.close()
    done = tuimon(*command, "--runs-dir", str(tmp_path))
    told = done.stdout + done.stderr
    assert told and "Traceback" not in told
    assert all(char.isprintable() or char == "\n" for char in told)
    if command[0] == "attach" and command[1] == "latest":
        assert "warning: one two?2J\n" in told


def test_dump_says_how_old_the_layers_statistics_are(tmp_path: Path) -> None:
    """On stderr, where a program that reads the records does not find it, and only where it matters."""
    writer = LogWriter(tmp_path, "run")
    writer.sample(10, {"grad_norm/fc": 1.0}, {}, 1_700_000_000.0)
    writer.scalars(11, {"loss/train": 1.0}, 1_700_000_004.0)
    assert not tuimon("dump", str(tmp_path)).stderr
    writer.scalars(12, {"loss/train": 1.0}, 1_700_000_012.0)
    writer.close()
    told = "tuimon: the layers were last sampled at step 10, 12 s before the last record\n"
    assert tuimon("dump", str(tmp_path)).stderr == told


def test_ls_imports_neither_torch_nor_the_screen(tmp_path: Path) -> None:
    """That is what makes it quick."""
    code = (
        "import sys; from tuimon.cli.main import main; main(['ls']); assert not {'torch','textual','pynvml'} & set(sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()}).returncode
        == 0
    )


def test_set_prints_what_was_applied(runs: Runs) -> None:
    """The step, the old and the new value; several settings in order, before and after options."""
    run = runs.start("a")
    done = tuimon("set", "a", "lr_scale=0.5", "--runs-dir", str(runs.folder), "lr_scale=*0.5")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("applied at step ") and first.endswith(": lr_scale 1 → 0.5")
    assert second.endswith(": lr_scale 0.5 → 0.25")
    assert read_run(run).levers["lr_scale"].value == 0.25


def test_set_says_why_it_was_refused(runs: Runs) -> None:
    """On stderr, with exit code 1; the other settings are applied."""
    runs.start("a")
    done = tuimon("set", "a", "nope=1", "pause", "--runs-dir", str(runs.folder))
    assert done.returncode == 1
    assert "refused at step" in done.stderr and "there is no such lever" in done.stderr
    assert "paused off → on" in done.stdout


def test_set_without_a_setting_names_the_levers(runs: Runs) -> None:
    """Each with its current value, so that nobody has to look them up."""
    runs.start("a")
    assert tuimon("set", "a", "lr_scale=0.5", "--runs-dir", str(runs.folder)).returncode == 0
    done = tuimon("set", "a", "--runs-dir", str(runs.folder))
    assert done.returncode == 1
    assert "lr_scale (0.5), paused (off), stop" in done.stderr


def test_set_without_a_setting_says_that_training_has_not_started(runs: Runs) -> None:
    """Instead of saying that it has no levers."""
    runs.script("a", "import time; time.sleep(60)")
    done = tuimon("set", "a", "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and "Levers of a: none yet, because training has not started." in done.stderr


def test_stop_stops(runs: Runs) -> None:
    """It stops gracefully and says so; the second time, it reports that the run has already stopped."""
    run = runs.start("a")
    done = tuimon("stop", "a", "--runs-dir", str(runs.folder))
    assert done.returncode == 0 and done.stdout.startswith("a: applied at step")
    wait_until(lambda: lifecycle(run).exited)
    again = tuimon("stop", "a", "--runs-dir", str(runs.folder))
    assert again.returncode == 1 and "a is not running: stopped" in again.stderr


def test_dump_prints_any_log_as_text(log: Path) -> None:
    """One line for each record, with its time and step."""
    done = tuimon("dump", "one", "--runs-dir", str(log), env={**os.environ, "TZ": "UTC"})
    lines = done.stdout.splitlines()
    assert lines[0] == "2023-11-14 22:13:20.250  step 1        loss/train 0.5  lr 0.001"
    assert lines[1].endswith("step 2        gradient/fc1  113 values from -1 to 2")
    assert lines[2].endswith("step 3        note  'hello\\nworld'")


@pytest.mark.parametrize("back_s", [0.0, 3600.0])
def test_dump_prints_records_in_the_order_of_the_log(tmp_path: Path, back_s: float) -> None:
    """Scalars, histograms and events, also where the clock was set back between them: the last line is the latest."""
    now, writer = 1_700_000_000.0, LogWriter(tmp_path, "v2")
    for step in range(1, 4):
        wall = now + step - back_s * (step > 1)
        writer.scalars(step, {"loss/train": 0.5, "lr": 0.1}, wall_time=wall)
        writer.sample(step, {"loss/val": 0.5}, {"gradient/a": Histogram([1.0] * BINS, -1, 2, 0, 1)}, wall_time=wall)
        writer.event(Notice(text="hello"), step)
    writer.close()
    lines = [json.loads(line) for line in tuimon("dump", str(tmp_path), "--json").stdout.splitlines()]
    assert [(line["kind"], line["step"]) for line in lines] == [
        (kind, step) for step in (1, 2, 3) for kind in ("metrics", "histogram", "metrics", "event")
    ]
    assert [sorted(line["values"]) for line in lines[::4]] == [["loss/train", "lr"]] * 3


@pytest.mark.parametrize(
    ("wall", "told"),
    [(float("nan"), "nan "), (1e18, "1e+18 "), (-0.5, "1969-12-31 23:59:59.500 "), (0.9999, "1970-01-01 00:00:00.999 ")],
)
def test_dump_prints_an_invalid_time(tmp_path: Path, wall: float, told: str) -> None:
    """The writer had a wrong clock, or none."""
    writer = LogWriter(tmp_path / "one", "v2")
    writer.scalars(1, {"loss": 0.5}, wall_time=wall)
    writer.close()
    done = tuimon("dump", "one", "--runs-dir", str(tmp_path), env={**os.environ, "TZ": "UTC"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(told) and done.stdout[23:].startswith("  step 1 ")


def test_dump_prints_json_lines(log: Path) -> None:
    """The same, for programs; also for a single event file."""
    file = next((log / "one").iterdir())
    lines = [json.loads(line) for line in tuimon("dump", str(file), "--json").stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["metrics", "histogram", "text"]
    assert lines[0]["values"]["loss/train"] == 0.5
    assert sum(lines[1]["counts"]) == BINS


def test_dump_of_a_damaged_log_says_where(log: Path) -> None:
    """It prints the records before the damage; exit code 1."""
    file = next((log / "one").iterdir())
    with open(file, "ab") as out:
        out.write(b"\xff" * 64)
    done = tuimon("dump", "one", "--runs-dir", str(log))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3
    assert "is damaged at byte" in done.stderr


def test_dump_into_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """`tuimon dump RUN | head -1`."""
    writer = LogWriter(tmp_path / "one", "v2")
    for step in range(50_000):
        writer.scalars(step, {"loss/train": 0.5})
    writer.close()
    command = f"{sys.executable} -m tuimon dump {tmp_path / 'one'} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (141, "")
    assert len(done.stdout.splitlines()) == 1


def test_presets_are_listed() -> None:
    """All of them: with what to watch, as JSON with their files, and as names."""
    names = [preset.name for preset in presets()]
    out = tuimon("presets").stdout
    assert all(name in out for name in names) and "Watch:" in out
    lines = tuimon("presets", "--json").stdout.splitlines()
    assert [json.loads(line)["preset"] for line in lines] == names
    assert tuimon("presets", "--names").stdout.split() == names


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["run", "digits-mlp", "name=x"], 1, "(the run's own name is given with --name)"),
        (["run", "digits-mlp", "learningrate=1"], 1, "did you mean optimizer.lr?"),
        (["ls", "--runs-dir", "/nope"], 1, "There is no folder /nope."),
        (["ls", "--runs-dir", "/nope", "--json"], 1, "There is no folder /nope."),
        (["attach", "latest", "--runs-dir", "/nope"], 1, "There is no folder /nope."),
        (["run", "digits-mlp", "lr=0"], 1, "tuimon: optimizer.lr = 0: must be"),
        (["run", "digit-mlp"], 1, "did you mean digits-mlp?"),
        (["run", "digits-mlp", "--name", "a/b"], 1, "cannot be named 'a/b'"),
        (["run", "digits-mlp", "--device", "tpu"], 1, "Unknown device 'tpu'"),
        (["run", "digits-mlp", "--runs-dir", "/proc/nope"], 1, "Cannot make a folder for the run in /proc/nope"),
        (["run"], 1, "`tuimon presets` lists the presets"),
        ([], 1, "The screen needs a terminal."),
        (["attach", "nothing"], 1, "There is no folder "),
        (["set", "nothing", "lr_scale=1"], 1, "There is no folder "),
        (["frobnicate"], 2, "invalid choice"),
        (["ls", "--nope"], 2, "unknown arguments: --nope"),
        (["doctor", "extra"], 2, "unknown arguments: extra"),
        (["run", "digits-mlp", "--nope"], 2, "unknown arguments: --nope"),
        (["run", "digits-mlp", "--lr", "0.1"], 2, "unknown arguments: --lr 0.1; write a setting as key=value, without dashes"),
    ],
)
def test_an_error_is_a_line_and_an_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    reason: str,
) -> None:
    """Exit code 2 for wrong usage; no files are left behind."""
    monkeypatch.chdir(tmp_path)
    try:
        returned = cli.main(arguments)
    except SystemExit as usage:
        returned = usage.code
    assert returned == code
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_real_process_has_no_traceback(tmp_path: Path) -> None:
    """One line, and one with what to try."""
    done = tuimon("run", "digits-mlp", "--runs-dir", "/proc/nope")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith("tuimon: Cannot make") and "--runs-dir" in second


@pytest.mark.parametrize(("closed", "lines"), [("<&-", 2), (">&-", 0), ("2>&-", 2), ("<&- >&- 2>&-", 0)])
def test_a_closed_standard_stream_does_no_harm(log: Path, closed: str, lines: int) -> None:
    """Daemons and some scripts start programs that way."""
    script = f'"{sys.executable}" -m tuimon attach one --runs-dir "$1" --json {closed}'
    done = subprocess.run(["sh", "-c", script, "-", str(log)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert len(list(map(json.loads, done.stdout.splitlines()))) == lines


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("verb", [("ls",), ("dump", "one"), ("attach", "one"), ("attach", "one", "--json"), ("presets",)])
def test_a_full_disk_is_reported_in_one_line(log: Path, verb: tuple[str, ...]) -> None:
    """When the output is redirected to a file on that disk."""
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "tuimon", *verb]
        environment = os.environ | {"TUIMON_RUNS": str(log)}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "tuimon: Cannot write the output: No space left on device"
    assert "Traceback" not in done.stderr and "ignored" not in done.stderr


def test_detach_prints_the_name_and_returns(runs: Runs) -> None:
    """The run continues after the command returns."""
    done = tuimon("run", "digits-softmax", "epochs=100000", "--detach", "--name", "alone", "--runs-dir", str(runs.folder))
    assert (done.returncode, done.stdout) == (0, "alone\n"), done.stderr
    run = runs.folder / "alone"
    assert lifecycle(run).status().live
    assert tuimon("stop", "alone", "--now", "--runs-dir", str(runs.folder)).returncode == 0
    wait_until(lambda: lifecycle(run).exited)


def test_options_before_and_after_the_verb_mean_the_same() -> None:
    """`tuimon --runs-dir X ls` and `tuimon ls --runs-dir X`."""
    assert cli.parse(["--runs-dir", "x", "ls"]).runs_dir == cli.parse(["ls", "--runs-dir", "x"]).runs_dir == "x"
    assert cli.parse(["--ascii", "attach"]).ascii and cli.parse(["attach", "--ascii"]).ascii
    assert not cli.parse(["attach"]).ascii and cli.parse(["ls"]).runs_dir is None


def test_an_output_that_is_not_unicode_gets_question_marks(runs: Runs) -> None:
    """Not a traceback."""
    runs.start("a")
    done = tuimon("set", "a", "pause", "--runs-dir", str(runs.folder), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("paused off ? on\n")


def test_the_version_is_the_packages() -> None:
    """Nothing else is printed."""
    from tuimon.base.version import __version__

    assert tuimon("--version").stdout == f"tuimon {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_completion_is_printed_for_each_shell(shell: str) -> None:
    """The script contains the verbs."""
    done = tuimon("completion", shell)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in ("attach", "presets", "resume"))


def test_completion_in_bash_knows_runs_and_presets(runs: Runs, tmp_path: Path) -> None:
    """Tested in a real bash."""
    runs.start("my-run", "--steps", "1")
    script = tmp_path / "completion"
    script.write_text(tuimon("completion", "bash").stdout)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tuimon").write_text(f'#!/bin/sh\nexec {sys.executable} -m tuimon "$@"\n')
    (tmp_path / "bin" / "tuimon").chmod(0o755)
    ask = 'source "$1"; COMP_WORDS=(tuimon $2 ""); COMP_CWORD=2; COMP_LINE="tuimon $2 "; _shtab_tuimon; echo "${COMPREPLY[@]}"'
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TUIMON_RUNS": str(runs.folder)}
    for verb, expected in (("attach", "my-run"), ("run", "digits-mlp")):
        done = subprocess.run(["bash", "-c", ask, "_", str(script), verb], capture_output=True, text=True, env=environment)
        assert expected in done.stdout.split(), done.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_completion_in_fish(tmp_path: Path) -> None:
    """Verbs, options, choices, presets and runs, in a real fish; a run's name is no more than a word."""
    for name in ("my-run", "x;touch mark;", "x(touch mark)"):
        LogWriter(tmp_path / "runs" / name, "run").close()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tuimon").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tuimon "$@"\n')
    (tmp_path / "bin" / "tuimon").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TUIMON_RUNS": str(tmp_path / "runs")}
    lines = ("tuimon ", "tuimon plot ", "tuimon plot my-run --x ", "tuimon run digits-m", "tuimon ls --j")
    asked = "; ".join(f"complete -C '{line}'; echo @@" for line in lines)
    command = ["fish", "-c", f"tuimon completion fish | source; {asked}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=100)
    found = [{line.split("\t")[0] for line in part.split("\n")} for part in done.stdout.split("@@\n")]
    assert {"attach", "presets", "plot"} <= found[0], done.stderr
    assert "my-run" in found[1] and {"step", "epoch", "time"} <= found[2] and "digits-mlp" in found[3] and "--json" in found[4]
    assert not (tmp_path / "mark").exists()


def test_a_preset_is_shown_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """With its texts and its spec; an unknown one is an error with the nearest."""
    assert cli.main(["presets", "digits-cnn"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("digits-cnn: ") and "[model]" in out and "tuimon run digits-cnn" in out and "digits-mlp" not in out
    assert cli.main(["presets", "digits-cnn", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["preset"] == "digits-cnn"
    assert cli.main(["presets", "digit-cnn"]) == 1
    assert "did you mean digits-cnn?" in capsys.readouterr().err


def test_completion_in_bash_takes_a_runs_name_for_no_more_than_a_word(tmp_path: Path) -> None:
    """Anybody may have made the folder, and called it what a shell would run: neither Tab runs it, nor Enter afterwards."""
    names = ["x$(touch mark)", "x`touch mark`", "x;touch mark;", "x y", "x'\"\\"]
    for name in names:
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "events.out.tfevents.1.host").touch()
    (tmp_path / "script").write_text(tuimon("completion", "bash").stdout)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tuimon").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tuimon "$@"\n')
    (tmp_path / "bin" / "tuimon").chmod(0o755)
    press_tab = 'source "$1"; COMP_WORDS=(tuimon attach "x"); COMP_CWORD=2; COMP_LINE="tuimon attach x"; _shtab_tuimon'
    press_enter = "eval \"printf '%s\\n' ${COMPREPLY[*]}\""
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TUIMON_RUNS": str(tmp_path / "runs")}
    command = ["bash", "-c", f"{press_tab}; {press_enter}", "_", str(tmp_path / "script")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert sorted(done.stdout.splitlines()) == sorted(names), done.stderr
    assert not (tmp_path / "mark").exists()


def test_doctor_looks_at_everything(runs: Runs) -> None:
    """One line for each check; a machine on which the tests pass has no problem."""
    done = tuimon("doctor", "--runs-dir", str(runs.folder))
    assert done.returncode == 0, done.stdout
    for name in ("Python", "torch", "NVIDIA driver", "terminal", "socket folder", "runs folder", "disk"):
        assert name in done.stdout


def test_doctor_warns_of_a_folder_of_runs_that_others_can_change(tmp_path: Path) -> None:
    """Whose it is, or that everybody may write there."""
    assert doctor._runs_folder(tmp_path / "runs").level == "ok"
    tmp_path.chmod(0o777)
    found = doctor._runs_folder(tmp_path / "runs")
    assert found.level == "warn" and f"{tmp_path} can be changed by everybody" in found.text


def test_doctor_reports_a_driver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A separate thread asks the driver, so that the other checks still run."""
    import pynvml

    answers = threading.Event()

    def hang() -> None:
        answers.wait()
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(doctor, "_DRIVER_TIMEOUT_S", 0.1)
    monkeypatch.setattr(pynvml, "nvmlInit", hang)
    checks = {check.name: check for check in doctor.examine(Path("/tmp"))}
    answers.set()
    assert checks["NVIDIA driver"].level == "problem" and "did not answer" in checks["NVIDIA driver"].text
    assert checks["torch"].level == "ok" and "disk" in checks


def test_doctor_continues_after_a_folder_that_it_cannot_read(tmp_path: Path) -> None:
    """A path that is too long, or a folder of another user: the other checks still run."""
    done = tuimon("doctor", "--runs-dir", str(tmp_path / ("x" * 300)))
    assert done.stderr == "" and done.stdout.splitlines()[-1].split()[1] == "disk"


def test_doctor_says_what_to_do_about_a_problem(tmp_path: Path) -> None:
    """A runs folder that cannot be written and no folder for sockets: exit code 1, and advice for each."""
    (tmp_path / "file").write_text("")
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    environment = {**os.environ, "TMPDIR": str(deep), "XDG_RUNTIME_DIR": str(tmp_path / "file")}
    done = tuimon("doctor", "--runs-dir", "/proc/nope", env=environment)
    assert done.returncode == 1
    problems = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    assert any("runs folder" in line for line in problems) and any("socket folder" in line for line in problems)
    assert "--runs-dir" in done.stdout and "XDG_RUNTIME_DIR" in done.stdout


@pytest.mark.parametrize(
    ("words", "program", "headless"),
    [
        ("run train.py --headless lr=1 --name x", "train.py --headless lr=1 --name x", False),
        ("run --headless --name a.py dir/train.py -- -x", "dir/train.py -- -x", True),
        ("--runs-dir run.py run train.py", "train.py", False),
        ("run --quiet -m pkg.train -m --headless", "-m pkg.train -m --headless", False),
        ("run --dev cpu -mpkg.train", "-mpkg.train", False),
        ("run --headless --device=cpu -c pass -x", "-c pass -x", True),
        ("run torchrun --nproc-per-node 2 train.py", "torchrun --nproc-per-node 2 train.py", False),
        ("run missing 3 --json", "missing 3 --json", False),
        ("run digits-mlp lr=1 --headless model.name=x.py", "", True),
        ("run --headless mine.toml lr=1", "", True),
        ("run", "", False),
        ("attach run", "", False),
    ],
)
def test_arguments_after_a_program_belong_to_the_program(words: str, program: str, headless: bool) -> None:
    """As with `python script.py`; presets take settings and options in any order."""
    options = cli.parse(words.split())
    assert (options.program, options.headless) == (program.split(), headless)


def test_settings_of_a_spec_stand_anywhere() -> None:
    """Before, between and after options; what begins with a dash and is unknown is refused."""
    options = cli.parse(["run", "digits-mlp", "lr=1", "--headless", "model.name=x.py"])
    assert (options.source, options.settings) == ("digits-mlp", ["lr=1", "model.name=x.py"])
    with pytest.raises(SystemExit):
        cli.parse(["run", "digits-mlp", "-x"])
