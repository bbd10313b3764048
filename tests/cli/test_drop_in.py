"""`tuimon run --headless` in the place of `python` and of the shell: both are run, and what comes out is compared."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs
from tuimon.base.process import is_alive
from tuimon.launcher.runs.glance import lifecycle
from tuimon.log.reader import read_run
from tuimon.log.records import Notice

SAYS_ALL = """
import json, os, sys
main = sys.modules["__main__"]
said = {name: repr(getattr(main, name, None)) for name in ("__name__", "__file__", "__package__", "__cached__", "__spec__")}
said |= {"argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path[0], "cwd": os.getcwd(), "flags": repr(sys.flags)}
said |= {"executable": sys.executable, "loader": type(__loader__).__name__, "names": sorted(vars(main))}
said |= {"excepthook": sys.excepthook is sys.__excepthook__, "tuimon": [name for name in sys.modules if "tuimon" in name]}
print(json.dumps(said, indent=1))
"""

Done = subprocess.CompletedProcess[bytes]


@pytest.fixture
def environment(tmp_path: Path, runs: Runs) -> dict[str, str]:
    """What both are run in: what the launcher sets for Python itself is set for both."""
    root = str(Path(__file__).parents[2])
    own = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", "TUIMON_RUNS": str(runs.folder), "OMP_NUM_THREADS": "1"}
    return os.environ | own | {"PYTHONPATH": root, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def both(
    tmp_path: Path, environment: dict[str, str], plain: list[str], words: list[str], given: bytes = b""
) -> tuple[Done, Done]:
    """A program without tuimon, and the same as `tuimon run` runs it, quietly; where things lie in memory is left out."""
    ours = [sys.executable, "-m", "tuimon", "run", "--headless", "--quiet", *words]
    done = []
    for command in (plain, ours):
        one = subprocess.run(command, cwd=tmp_path, env=environment, input=given, capture_output=True, timeout=60)
        one.stdout, one.stderr = (without_addresses(printed) for printed in (one.stdout, one.stderr))
        done.append(one)
    return done[0], done[1]


def without_addresses(printed: bytes) -> bytes:
    return re.sub(rb"0x[0-9a-f]+", b"0x", printed)


def notices(run: Path) -> list[str]:
    return [record.event.text for record in read_run(run).events if isinstance(record.event, Notice)]


def write(path: Path, text: str, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755 if executable else 0o644)


PYTHON = [sys.executable]
SHEBANG = f"#!{sys.executable}\n"


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ([*PYTHON, "train.py", "-x", "lr=1"], ["train.py", "-x", "lr=1"]),
        ([*PYTHON, "sub/train.py"], ["sub/train.py"]),
        ([*PYTHON, "-m", "package.train", "-m", "--headless"], ["-m", "package.train", "-m", "--headless"]),
        ([*PYTHON, "-mpackage", "--json"], ["-mpackage", "--json"]),
        ([*PYTHON, "-c", SAYS_ALL, "a"], ["-c", SAYS_ALL, "a"]),
        ([*PYTHON, "plain", "b"], ["plain", "b"]),
        ([*PYTHON, "folder", "c"], ["folder", "c"]),
        (["./itself", "d"], ["./itself", "d"]),
        (["./itself", "d"], ["itself", "d"]),
        (["console", "launch", "train.py"], ["console", "launch", "train.py"]),
        ([*PYTHON, "-O", "train.py"], [*PYTHON, "-O", "train.py"]),
    ],
)
def test_a_program_finds_everything_as_without_tuimon(
    tmp_path: Path, environment: dict[str, str], plain: list[str], words: list[str]
) -> None:
    """Its arguments, its main module, its path and its interpreter, for each way to start one."""
    for name in ("train.py", "sub/train.py", "package/__init__.py", "package/train.py", "package/__main__.py", "plain"):
        write(tmp_path / name, "" if name.endswith("__init__.py") else SAYS_ALL)
    write(tmp_path / "folder" / "__main__.py", SAYS_ALL)
    for name in ("itself", "bin/console"):
        write(tmp_path / name, SHEBANG + SAYS_ALL, executable=True)
    first, second = both(tmp_path, environment, plain, words)
    assert (second.returncode, second.stdout, second.stderr) == (first.returncode, first.stdout, first.stderr)
    assert json.loads(first.stdout)["argv"]


NOISY = """
import os, sys
sys.stdout.buffer.write(bytes(range(256)) + b"\\r 50 %\\r100 %\\x1b[2J\\n\\r\\n")
sys.stderr.write("\\rtraining: 訓練 \\x1b[32m\\t")
os.write(2, b"\\xff\\xfe\\x00")
os.system("echo from a shell; echo and its errors >&2")
sys.stdout.write("no newline at the end")
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("sys.exit('no data [/red]')", 1),
        ("raise ValueError('shape [/] 形状')", 1),
        ("raise KeyboardInterrupt", 128 + signal.SIGINT),
        ("os._exit(5)", 5),
        ("os.abort()", 128 + signal.SIGABRT),
        ("os.kill(os.getpid(), 9)", 128 + signal.SIGKILL),
        ("(", 1),
    ],
)
def test_output_and_exit_code_are_the_programs_own(tmp_path: Path, environment: dict[str, str], ending: str, code: int) -> None:
    """Each byte on the stream that it was written to, up to the last before a crash; nothing of tuimon's between them."""
    write(tmp_path / "noisy.py", NOISY + ending)
    first, second = both(tmp_path, environment, [*PYTHON, "noisy.py"], ["noisy.py"])
    assert (second.stdout, second.stderr) == (first.stdout, first.stderr)
    assert second.returncode == code and first.returncode == (code if code < 128 else 128 - code)
    kept = (tmp_path / "runs" / "noisy-01" / "output.log").read_bytes()
    assert sorted(without_addresses(kept)) == sorted(first.stdout + first.stderr)
    assert not list((tmp_path / "runs" / "noisy-01").glob("std*.log"))


def test_where_both_streams_are_one_file_the_order_is_the_programs(tmp_path: Path, environment: dict[str, str]) -> None:
    """As after `2>&1`, to the byte."""
    write(tmp_path / "a.py", "import sys\nfor i in range(500): print(i, file=sys.stderr if i % 3 else sys.stdout)")
    command = [sys.executable, "-m", "tuimon", "run", "--headless", "--quiet", "a.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.stdout.split() == [str(i).encode() for i in range(500)]


def test_much_output_is_passed_through_whole(tmp_path: Path, environment: dict[str, str]) -> None:
    """30 MB, and in a little memory."""
    write(tmp_path / "much.py", "import os\nfor i in range(300): os.write(1 + i % 2, b'%06d' % i + b'x' * 99_993 + b'\\n')")
    first, second = both(tmp_path, environment, [*PYTHON, "much.py"], ["much.py"])
    assert second.stdout == first.stdout and second.stderr == first.stderr and len(first.stdout) == 15_000_000


def test_with_json_the_output_goes_to_stderr(tmp_path: Path, environment: dict[str, str]) -> None:
    """Stdout is JSON lines alone, and the exit code the program's; without --quiet tuimon's lines begin lines of their own."""
    write(tmp_path / "a.py", "import sys\nprint('to stdout')\nsys.stderr.write('to stderr')\nsys.exit(4)")
    command = [sys.executable, "-m", "tuimon", "run", "--json", "a.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 4 and [json.loads(line) for line in done.stdout.splitlines()]
    assert b"to stdout\nto stderr\n" in done.stderr and b"failed" in done.stderr.splitlines()[-1]


def test_a_reader_that_goes_away_harms_no_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """As `| head -1`: the program prints on, and ends well."""
    code = "import time\nfor i in range(100_000): print(i)\nprint('done')"
    write(tmp_path / "a.py", code)
    ours = f"'{sys.executable}' -m tuimon run --headless --quiet a.py | head -n 1"
    done = subprocess.run(ours, shell=True, cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    assert done.stdout == b"0\n" and b"Traceback" not in done.stderr
    run = tmp_path / "runs" / "a-01"
    wait_until(lambda: lifecycle(run).exited)
    ended = lifecycle(run).exited
    assert ended is not None and ended.code == 0
    assert (run / "output.log").read_bytes().endswith(b"99999\ndone\n")


def test_a_program_reads_what_is_given_to_tuimon(tmp_path: Path, environment: dict[str, str]) -> None:
    """To the end; and it is told whether that is a terminal."""
    write(
        tmp_path / "a.py", "import sys\nprint(repr(input()), repr(sys.stdin.read()), sys.stdin.isatty(), sys.stdout.isatty())"
    )
    first, second = both(tmp_path, environment, [*PYTHON, "a.py"], ["a.py"], given=b"hello\nand\nmore")
    assert second.stdout == first.stdout == b"'hello' 'and\\nmore' False False\n"


def test_a_program_that_is_detached_reads_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    """It outlives whoever would write."""
    command = [sys.executable, "-m", "tuimon", "run", "--detach", "-c", "import sys; print(repr(sys.stdin.read()))"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, input=b"hello", capture_output=True, timeout=60)
    run = tmp_path / "runs" / done.stdout.decode().strip()
    wait_until(lambda: lifecycle(run).exited)
    assert (run / "output.log").read_text() == "''\n"


def test_a_program_reads_from_a_terminal_when_headless(tmp_path: Path, environment: dict[str, str]) -> None:
    """Stdin is the terminal itself; stdout is a file all the same."""
    write(tmp_path / "a.py", "import sys\nprint(input('name? '), sys.stdin.isatty(), sys.stdout.isatty())")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execvpe(sys.executable, [sys.executable, "-m", "tuimon", "run", "--headless", "--quiet", "a.py"], environment)
    said = b""
    while b"name? " not in said:
        said += os.read(master, 1000)
    os.write(master, b"me\n")
    while b"True False" not in said:
        said += os.read(master, 1000)
    assert os.waitpid(pid, 0)[1] == 0 and b"me True False" in said
    os.close(master)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["single_gpu", "50", "10"], "no file single_gpu, and no preset or program of that name; did you mean single_gpu.py?"),
        (["single_gpus.py"], "no file single_gpus.py; did you mean single_gpu.py?"),
        (["./single_gpus.py"], "no file ./single_gpus.py; did you mean ./single_gpu.py?"),
        (["sub/missing"], "no file sub/missing"),
        (["digits-mpl", "lr=1"], "did you mean digits-mlp?"),
        (["lr=1", "digits-mlp"], "lr=1: name what to train first"),
        (["sub"], "sub: a folder with neither spec.toml nor __main__.py"),
        (["-m"], "-m needs a module"),
        (["missing.toml"], "missing.toml: no preset or file has this name"),
    ],
)
def test_what_is_not_found_is_told_as_such(tmp_path: Path, environment: dict[str, str], words: list[str], says: str) -> None:
    """With the nearest of what there is; no run's folder is left."""
    write(tmp_path / "single_gpu.py", "")
    (tmp_path / "sub").mkdir()
    command = [sys.executable, "-m", "tuimon", "run", "--headless", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and says in done.stderr and not done.stdout
    assert list((tmp_path / "runs").iterdir()) == []


TRAINS = """
import sys, torch
torch.set_num_threads(1)
for seed in range(int(sys.argv[1])):
    torch.manual_seed(seed)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad(); model(torch.ones(8, 4)).square().mean().backward(); optimizer.step()
"""


@pytest.mark.parametrize(
    "words",
    [["train.py"], ["-m", "train"], ["-c", TRAINS], ["plain"], ["./itself"], ["./train.sh"], ["torch.distributed.run"]],
)
def test_what_a_program_trains_is_watched_however_it_is_started(
    tmp_path: Path, environment: dict[str, str], words: list[str]
) -> None:
    """Also in a Python that another program has started."""
    write(tmp_path / "train.py", TRAINS)
    write(tmp_path / "plain", TRAINS)
    write(tmp_path / "itself", SHEBANG + TRAINS, executable=True)
    write(tmp_path / "train.sh", f"#!/bin/sh\necho begin\n'{sys.executable}' train.py $1 && echo end\n", executable=True)
    if words[0].startswith("torch."):
        words = ["-m", *words, "--nproc-per-node", "2", "train.py"]
    command = [sys.executable, "-m", "tuimon", "run", "--headless", "--name", "it", *words, "1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and "training Linear" in done.stderr, done.stderr
    assert done.stdout == ("begin\nend\n" if words == ["./train.sh"] else "")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["it"]
    assert read_run(tmp_path / "runs" / "it").step == 3


def test_further_runs_are_announced(tmp_path: Path, environment: dict[str, str]) -> None:
    """A loop over seeds: the follower names each further run as it begins, and each is beside the first."""
    write(tmp_path / "train.py", TRAINS)
    command = [sys.executable, "-m", "tuimon", "run", "--headless", "train.py", "3"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    told = [line.partition("run: ")[2] for line in done.stderr.splitlines() if "makes a further run" in line]
    assert told == ["train-01-2", "train-01-3"]
    assert [read_run(tmp_path / "runs" / name).step for name in ("train-01", *told)] == [3, 3, 3]


NOTHING_SEEN = "no Python process of this program imported PyTorch (one with -I, -E or -S is not seen)"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["-c", "print(1)"], NOTHING_SEEN),
        (["sh", "-c", "echo 1"], NOTHING_SEEN),
        (["-c", "import torch; print(1)"], "no torch.optim optimizer made a step"),
        ([sys.executable, "-I", "-c", "print(1)"], NOTHING_SEEN),
    ],
)
def test_where_nothing_could_be_watched_the_log_says_so(
    tmp_path: Path, environment: dict[str, str], words: list[str], why: str
) -> None:
    """And so does the follower; what the program prints is untouched."""
    command = [sys.executable, "-m", "tuimon", "run", "--headless", "--name", "it", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "1\n") and why in done.stderr
    (notice,) = notices(tmp_path / "runs" / "it")
    assert notice.startswith(f"nothing could be watched: {why}") and done.stderr.splitlines()[-1].endswith(notice)
    assert "unwatched" not in "".join(os.listdir(tmp_path / "runs" / "it"))


def test_a_program_that_runs_tuimon_keeps_its_own_folder(tmp_path: Path, environment: dict[str, str]) -> None:
    """What is handed on to a program's processes is not handed on to a run that it starts."""
    write(tmp_path / "train.py", TRAINS)
    inner = f"'{sys.executable}' -m tuimon run --headless --name inner train.py 1"
    command = [sys.executable, "-m", "tuimon", "run", "--headless", "--name", "outer", "sh", "-c", inner]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert read_run(tmp_path / "runs" / "inner").step == 3
    assert len(notices(tmp_path / "runs" / "outer")) == 1 and read_run(tmp_path / "runs" / "outer").started is None


def test_stop_now_ends_what_has_started_the_training(tmp_path: Path, environment: dict[str, str]) -> None:
    """A loop of a shell would otherwise go on with the next."""
    write(tmp_path / "train.py", TRAINS.replace("range(3)", "range(10**9)"))
    loop = f"for i in 1 2; do '{sys.executable}' train.py 1; echo next; done; exit 0"
    tuimon = [sys.executable, "-m", "tuimon"]
    subprocess.run([*tuimon, "run", "--detach", "--name", "it", "sh", "-c", loop], cwd=tmp_path, env=environment, timeout=60)
    run = tmp_path / "runs" / "it"
    wait_until(lambda: lifecycle(run).training)
    done = subprocess.run([*tuimon, "stop", "--now", "it"], cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: lifecycle(run).exited)
    life = lifecycle(run)
    assert life.exited is not None and life.exited.signal in (signal.SIGTERM, signal.SIGKILL)
    assert life.training is not None and not is_alive(life.training.process)
    assert (run / "output.log").read_text().count("next") == 0


def test_a_command_of_this_pythons_own_goes_before_others() -> None:
    """Its environment need not be active, as where tuimon is called by its path."""
    from tuimon.launcher.start.program import program_of

    beside = Path(sysconfig.get_path("scripts")) / "python"
    assert program_of(["python", "x.py"]).command == (str(beside), "x.py")


def test_lines_of_ours_begin_lines_whatever_a_program_prints_meanwhile(tmp_path: Path, environment: dict[str, str]) -> None:
    """Many short pieces without a newline, and many lines of ours at the same time, through one stderr."""
    code = """
import os, threading
from tuimon.cli.passing import PassThrough
grown = os.open("grown", os.O_WRONLY | os.O_CREAT)
passing = PassThrough([(os.open("grown", os.O_RDONLY), 2)])
printing = threading.Thread(target=lambda: [os.write(grown, b"a piece") for _ in range(20_000)])
printing.start()
while printing.is_alive():
    with passing.between_lines() as fresh:
        os.write(2, f"{fresh}ours\\n".encode())
passing.finish(lambda: False)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, env=environment)
    lines = done.stderr.split(b"\n")
    assert lines.count(b"ours") > 1 and done.stderr.count(b"ours") == lines.count(b"ours")
    assert done.stderr.replace(b"ours\n", b"").replace(b"\n", b"") == 20_000 * b"a piece"
