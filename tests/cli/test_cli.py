"""The command line: what each verb prints, and its exit codes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
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
    """The real command, without a terminal."""
    command = [sys.executable, "-m", "tuimon", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more)  # type: ignore[call-overload]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A small log of another program: scalars, a histogram, a text."""
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
    found = json.loads(tuimon("ls", "--json", *where).stdout)
    assert [run["name"] for run in found] == ["new", "old"]
    assert (found[1]["state"], found[1]["step"], found[1]["path"]) == ("finished", 20, str(runs.folder / "old"))
    assert tuimon("ls", "--names", *where).stdout.split() == ["new", "old"]


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (100, "RUN STATE STEP LOSS VAL SPEED DEVICE LAST RECORD"),
        (70, "RUN STATE STEP LOSS VAL SPEED LAST RECORD"),
        (50, "RUN STATE STEP LOSS LAST RECORD"),
    ],
)
def test_ls_on_a_narrow_terminal_leaves_out_what_can_be_done_without(log: Path, columns: int, titles: str) -> None:
    """Lines that break cannot be read as a table; a terminal's own size counts, whatever COLUMNS says."""
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


def test_ls_of_nothing_is_no_error(tmp_path: Path) -> None:
    """An empty array for programs; a word for people, on stderr."""
    done = tuimon("ls", "--runs-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "") and "No runs in" in done.stderr
    assert json.loads(tuimon("ls", "--json", "--runs-dir", str(tmp_path)).stdout) == []


def test_ls_of_a_file_is_an_error(tmp_path: Path) -> None:
    """No runs can ever be there."""
    (tmp_path / "file").write_text("")
    done = tuimon("ls", "--runs-dir", str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (1, "") and "file is not a folder" in done.stderr


def test_ls_tells_nan_from_nothing(tmp_path: Path) -> None:
    """A run that diverged does not look like one that has no validation."""
    log = LogWriter(tmp_path / "a", "run")
    log.scalars(1, {"loss/train": float("nan")})
    log.close()
    table = tuimon("ls", "--runs-dir", str(tmp_path)).stdout.splitlines()
    assert table[1][table[0].index("LOSS") :].startswith("nan") and table[1].count("nan") == 1


def test_ls_lines_up_names_of_any_script(tmp_path: Path) -> None:
    """By the cells that they take on a terminal."""
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
    """Names, tags and texts of a shared folder may be another user's: an escape sequence in them is only shown."""
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


def test_ls_imports_neither_torch_nor_the_screen(tmp_path: Path) -> None:
    """It is quick because it does not."""
    code = (
        "import sys; from tuimon.cli.main import main; main(['ls']); assert not {'torch','textual','pynvml'} & set(sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()}).returncode
        == 0
    )


def test_set_prints_what_was_applied(runs: Runs) -> None:
    """At which step, from what to what; several in order; settings may stand around options."""
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
    """So that one need not look them up; each with the value that it has now."""
    runs.start("a")
    assert tuimon("set", "a", "lr_scale=0.5", "--runs-dir", str(runs.folder)).returncode == 0
    done = tuimon("set", "a", "--runs-dir", str(runs.folder))
    assert done.returncode == 1
    assert "lr_scale (0.5), paused (off), stop" in done.stderr


def test_set_without_a_setting_says_that_a_run_has_not_begun(runs: Runs) -> None:
    """Rather than that it has no levers."""
    runs.script("a", "import time; time.sleep(60)")
    done = tuimon("set", "a", "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and "Levers of a: none yet: it has not begun to train." in done.stderr


def test_stop_stops(runs: Runs) -> None:
    """Gracefully, and says so; a second time there is nothing to stop."""
    run = runs.start("a")
    done = tuimon("stop", "a", "--runs-dir", str(runs.folder))
    assert done.returncode == 0 and done.stdout.startswith("a: applied at step")
    wait_until(lambda: lifecycle(run).exited)
    again = tuimon("stop", "a", "--runs-dir", str(runs.folder))
    assert again.returncode == 1 and "a is not running: stopped" in again.stderr


def test_dump_prints_any_log_as_text(log: Path) -> None:
    """One line a record, with its time and step."""
    done = tuimon("dump", "one", "--runs-dir", str(log), env={**os.environ, "TZ": "UTC"})
    lines = done.stdout.splitlines()
    assert lines[0] == "2023-11-14 22:13:20.250  step 1        loss/train 0.5  lr 0.001"
    assert lines[1].endswith("step 2        gradient/fc1  113 values from -1 to 2")
    assert lines[2].endswith("step 3        note  'hello\\nworld'")


@pytest.mark.parametrize(
    ("wall", "told"),
    [(float("nan"), "nan "), (1e18, "1e+18 "), (-0.5, "1969-12-31 23:59:59.500 "), (0.9999, "1970-01-01 00:00:00.999 ")],
)
def test_dump_prints_a_time_that_is_none(tmp_path: Path, wall: float, told: str) -> None:
    """What wrote it had a wrong clock, or none."""
    writer = LogWriter(tmp_path / "one", "v2")
    writer.scalars(1, {"loss": 0.5}, wall_time=wall)
    writer.close()
    done = tuimon("dump", "one", "--runs-dir", str(tmp_path), env={**os.environ, "TZ": "UTC"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(told) and done.stdout[23:].startswith("  step 1 ")


def test_dump_prints_json_lines(log: Path) -> None:
    """The same, for programs; also of one event file."""
    file = next((log / "one").iterdir())
    lines = [json.loads(line) for line in tuimon("dump", str(file), "--json").stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["metrics", "histogram", "text"]
    assert lines[0]["values"]["loss/train"] == 0.5
    assert sum(lines[1]["counts"]) == BINS


def test_dump_of_a_damaged_log_says_where(log: Path) -> None:
    """What lies before it is printed; exit code 1."""
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
    """Every one, with what to watch; as JSON with its file; as names."""
    names = [preset.name for preset in presets()]
    out = tuimon("presets").stdout
    assert all(name in out for name in names) and "Watch:" in out
    assert [preset["name"] for preset in json.loads(tuimon("presets", "--json").stdout)] == names
    assert tuimon("presets", "--names").stdout.split() == names


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["run", "digits-mlp", "lr=0"], 1, "tuimon: optimizer.lr = 0: must be"),
        (["run", "digit-mlp"], 1, "did you mean digits-mlp?"),
        (["run", "digits-mlp", "--name", "a/b"], 1, "cannot be called 'a/b'"),
        (["run", "digits-mlp", "--device", "tpu"], 1, "Unknown device 'tpu'"),
        (["run", "digits-mlp", "--runs-dir", "/proc/nope"], 1, "Cannot make a run's folder in /proc/nope"),
        (["run"], 1, "`tuimon presets` lists the presets"),
        ([], 1, "The screen needs a terminal."),
        (["attach", "nothing"], 1, "No runs in"),
        (["set", "nothing", "lr_scale=1"], 1, "No runs in"),
        (["frobnicate"], 2, "invalid choice"),
        (["ls", "--nope"], 2, "unknown: --nope"),
        (["ls", "extra"], 2, "unknown: extra"),
        (["run", "digits-mlp", "--nope"], 2, "unknown: --nope"),
        (["run", "digits-mlp", "--lr", "0.1"], 2, "unknown: --lr 0.1; a setting is written key=value, without dashes"),
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
    """2 for wrong usage; nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    try:
        returned = cli.main(arguments)
    except SystemExit as usage:
        returned = usage.code
    assert returned == code
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_real_process_has_no_traceback(tmp_path: Path) -> None:
    """One line, and what to do."""
    done = tuimon("run", "digits-mlp", "--runs-dir", "/proc/nope")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith("tuimon: Cannot make") and "--runs-dir" in second


@pytest.mark.parametrize(("closed", "lines"), [("<&-", 2), (">&-", 0), ("2>&-", 2), ("<&- >&- 2>&-", 0)])
def test_a_closed_stream_is_as_good_as_none(log: Path, closed: str, lines: int) -> None:
    """As a daemon or a careful script starts it."""
    script = f'"{sys.executable}" -m tuimon attach one --runs-dir "$1" --json {closed}'
    done = subprocess.run(["sh", "-c", script, "-", str(log)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert len(list(map(json.loads, done.stdout.splitlines()))) == lines


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("verb", [("ls",), ("dump", "one"), ("attach", "one"), ("attach", "one", "--json"), ("presets",)])
def test_a_full_disk_is_told_in_a_line(log: Path, verb: tuple[str, ...]) -> None:
    """Where the output is redirected to."""
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "tuimon", *verb]
        environment = os.environ | {"TUIMON_RUNS": str(log)}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "tuimon: Cannot write the output: No space left on device"
    assert "Traceback" not in done.stderr and "ignored" not in done.stderr


def test_detach_prints_the_name_and_returns(runs: Runs) -> None:
    """The run goes on without whoever started it."""
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
    """And no traceback."""
    runs.start("a")
    done = tuimon("set", "a", "pause", "--runs-dir", str(runs.folder), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("paused off ? on\n")


def test_the_version_is_the_packages() -> None:
    """And nothing else is printed."""
    from tuimon.base.version import __version__

    assert tuimon("--version").stdout == f"tuimon {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_is_printed_for_each_shell(shell: str) -> None:
    """With all verbs in it."""
    done = tuimon("completion", shell)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in ("attach", "presets", "resume"))


def test_completion_in_bash_knows_runs_and_presets(runs: Runs, tmp_path: Path) -> None:
    """Asked of the real shell."""
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


def test_doctor_looks_at_everything(runs: Runs) -> None:
    """A line for each; on a machine where the tests pass there is no problem."""
    done = tuimon("doctor", "--runs-dir", str(runs.folder))
    assert done.returncode == 0, done.stdout
    for name in ("Python", "torch", "NVIDIA driver", "terminal", "socket folder", "runs folder", "disk"):
        assert name in done.stdout


def test_doctor_tells_of_a_driver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked on a thread of its own, and what else there is to tell is told."""
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


def test_doctor_goes_on_where_it_cannot_look(tmp_path: Path) -> None:
    """A name that no disk takes, a folder of another user: the other checks are made all the same."""
    done = tuimon("doctor", "--runs-dir", str(tmp_path / ("x" * 300)))
    assert done.stderr == "" and done.stdout.splitlines()[-1].split()[1] == "disk"


def test_doctor_says_what_to_do_about_a_problem(tmp_path: Path) -> None:
    """An unwritable runs folder and no place for a socket: exit code 1, each with advice."""
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
    ("words", "source", "settings", "headless"),
    [
        ("run train.py --headless lr=1 --name x", "train.py", ["--headless", "lr=1", "--name", "x"], False),
        ("run --headless --name a.py dir/train.py -- -x", "dir/train.py", ["--", "-x"], True),
        ("--runs-dir run.py run train.py", "train.py", [], False),
        ("run digits-mlp lr=1 --headless model.name=x.py", "digits-mlp", ["lr=1", "model.name=x.py"], True),
    ],
)
def test_what_stands_behind_a_script_is_its_own(words: str, source: str, settings: list[str], headless: bool) -> None:
    """As with Python; presets take their settings and options in any order."""
    options = cli.parse(words.split())
    assert (options.source, options.settings, options.headless) == (source, settings, headless)
